"""What there is on this machine: gathered here, judged in `doctor`.

Nothing here needs a package that could be missing.
"""

import configparser
import json
import netrc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dlcourse.provenance import provenance

ROOT = Path(__file__).resolve().parents[2]
WANDB_HOST = "api.wandb.ai"
# Packages that nobody asks for, and that `doctor` has an opinion of.
_OTHERS = ("dlcourse", "hydra-ax-sweeper", "hydra-rq-launcher", "pytorch-lightning")


@dataclass(frozen=True)
class Wants:
    """What setup.cfg asks for: the range of Python, requirements, and those of every extra."""

    python: str
    packages: Sequence[str]
    extras: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Place:
    """A folder that is written to, whether it exists yet or not."""

    path: str
    writable: bool
    free: int  # bytes


@dataclass(frozen=True)
class DataFolder:
    """A folder of data: how many files of which suffix, and what was not finished."""

    path: str
    files: Mapping[str, int]
    rows: int | None  # of its largest CSV file
    unfinished: Sequence[str]


@dataclass(frozen=True)
class Wandb:
    """Weights & Biases; of the key only whether there is one."""

    mode: str | None
    key: bool
    unsynced: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Everything that `doctor` looks at."""

    python: str
    wants: Wants
    versions: Mapping[str, str | None]
    torch: Mapping[str, Any]  # see `torch_probe.probe`; or just `error`
    cores: float  # that this process may use
    omp_threads: str | None
    driver: str | None  # what nvidia-smi says
    places: Sequence[Place]
    data: Sequence[DataFolder]
    wandb: Wandb
    revision: str
    changes: int = 0


def machine_facts(data: Sequence[Path]) -> Facts:
    """Look around; takes as long as importing torch does.

    Args:
        data: Folders of data; every folder in them, or else they themselves, is told.
    """
    wants = wanted()
    names = {package_name(one) for many in (wants.packages, *wants.extras.values()) for one in many}
    source = provenance()
    return Facts(
        python=".".join(map(str, sys.version_info[:3])),
        wants=wants,
        versions={name: _version(name) for name in (*sorted(names), *_OTHERS)},
        torch=torch_facts(),
        cores=usable_cores(),
        omp_threads=os.environ.get("OMP_NUM_THREADS"),
        driver=_driver(),
        places=[place(Path(name)) for name in ("runs", *map(str, data[:1]))],
        data=[data_folder(path) for folder in data for path in _folders(folder)],
        wandb=wandb_facts(Path("runs"), os.environ),
        revision=source["git_revision"],
        changes=len(source["git_changes"]),
    )


def wanted(path: Path = ROOT / "setup.cfg") -> Wants:
    """Read the requirements of setup.cfg."""
    settings = configparser.ConfigParser()
    settings.read(path, encoding="utf-8")
    options = settings["options"]
    extras = settings["options.extras_require"]
    return Wants(
        python=options["python_requires"],
        packages=_lines(options["install_requires"]),
        extras={name: _lines(text) for name, text in extras.items()},
    )


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def package_name(requirement: str) -> str:
    """`torch` of `torch>=2.6`."""
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def torch_facts(
    command: Sequence[str] = (sys.executable, "-m", "dlcourse.doctor.torch_probe"),
) -> Any:
    """What the probe says; `error` with the last line when it does not come back whole."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": str(error)}
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["no message"]
        ended = f"; ended by signal {-done.returncode}" if done.returncode < 0 else ""
        return {"error": f"{said[0]}{ended}"}
    return json.loads(done.stdout.splitlines()[-1])


def usable_cores(root: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores that the scheduler and a container's quota leave to this process."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    cores = float(len(affinity(0)) if affinity else os.cpu_count() or 1)
    quota = root / "cpu.max"  # https://docs.kernel.org/admin-guide/cgroup-v2.html
    if quota.is_file():
        most, period = quota.read_text(encoding="utf-8").split()
        if most != "max":
            cores = min(cores, int(most) / int(period))
    return cores


def _driver() -> str | None:
    """`name, driver version` of every NVIDIA card; None without a driver."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return "; ".join(done.stdout.split("\n")).strip("; ") if done.returncode == 0 else None


def place(path: Path) -> Place:
    """Try to write where a folder is or would be; nothing is left."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            writable = True
    except OSError:
        writable = False
    return Place(str(path), writable, shutil.disk_usage(there).free)


def _folders(folder: Path) -> list[Path]:
    """The folders in a data folder; itself when it has files of its own, or is not there."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    own = any(path.is_file() and not path.name.startswith(".") for path in inside)
    return [folder] if own or not inside else [path for path in inside if path.is_dir()]


def data_folder(folder: Path) -> DataFolder:
    """Count the files of a folder and below."""
    files = [Path(top, name) for top, _, names in os.walk(folder) for name in names]
    tables = [path for path in files if path.suffix == ".csv"]
    largest = max(tables, key=lambda path: path.stat().st_size, default=None)
    return DataFolder(
        path=str(folder),
        files=Counter(path.suffix or path.name for path in files if path.name[0] != "."),
        rows=None if largest is None else largest.read_bytes().count(b"\n") - 1,
        unfinished=sorted(str(p) for p in files if p.suffix == ".part" or ".partial" in p.name),
    )


def wandb_facts(runs: Path, environment: Mapping[str, str]) -> Wandb:
    """How W&B would start, and which offline runs have not been uploaded."""
    offline = sorted(runs.glob("**/wandb/offline-run-*"))
    return Wandb(
        mode=environment.get("WANDB_MODE"),
        key="WANDB_API_KEY" in environment or _has_login(environment),
        unsynced=[str(path) for path in offline if not any(path.glob("*.synced"))],
    )


def _has_login(environment: Mapping[str, str]) -> bool:
    """Whether `wandb login` was done; the key itself is not kept."""
    file = Path(environment.get("NETRC") or Path.home() / ".netrc")
    try:
        return WANDB_HOST in netrc.netrc(str(file)).hosts
    except (OSError, netrc.NetrcParseError):
        return False
