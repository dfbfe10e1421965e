"""Where a run comes from: revision, command line, versions, machine."""

import hashlib
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dlcourse.downloads.addresses import without_login

_PACKAGES = ("dlcourse", "torch", "lightning", "hydra-core", "torchmetrics", "numpy", "symusic")


def command_line() -> list[str]:
    """What was typed, to be typed again; without the passwords of addresses."""
    script = Path(sys.argv[0])
    return ["python", f"{script.parent.name}/{script.name}", *map(without_login, sys.argv[1:])]


def provenance() -> dict[str, Any]:
    """What somebody needs to tell two runs apart."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(),
        "git_revision": _git("rev-parse", "HEAD"),
        "git_changes": _git("status", "--porcelain").splitlines(),
        "code_sha256": code_sha256(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "gpus": _gpus(),
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _git(*arguments: str) -> str:
    """Output of git in the checkout; empty outside one."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def code_sha256() -> str:
    """Of this package's files as they are, committed or not, with or without git."""
    digest, package = hashlib.sha256(), Path(__file__).resolve().parent
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()} {len(content)} ".encode() + content)
    return digest.hexdigest()


def _processor() -> str:
    """Its model, since another one may round another way, and the number of its cores."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has it
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor() or 'unknown'}, {os.cpu_count()} cores"


def _gpus() -> int:
    """How many torch sees, counted without starting CUDA; 0 as long as nobody imported torch."""
    torch = sys.modules.get("torch")
    return torch.cuda.device_count() if torch else 0


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
