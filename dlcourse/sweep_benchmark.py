"""What is claimed about the speed of sweeps, as a case for `benchmarking`."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dlcourse.benchmarking import Case, Claim, Contender

JOBS, STEPS, WORKERS = 8, 300, 2
SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "train.py"
LAUNCHERS = {
    "one by one": ("hydra/launcher=basic",),
    "joblib": ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={WORKERS}"),
}


def cases(build: Callable[..., Any]) -> list[Case]:
    """One case: the same sweep by both launchers, from the command line to the exit status."""
    data = tempfile.TemporaryDirectory()  # lives as long as the case
    options = [f"steps={STEPS}", f"data_dir={data.name}"]

    def run(launcher: Sequence[str], folder: tempfile.TemporaryDirectory[str]) -> None:
        assert Path(data.name).is_dir()
        sweep(folder.name, launcher, [*options, f"seed=range({JOBS})"])

    contenders = {
        name: Contender(prepare=tempfile.TemporaryDirectory, run=partial(run, launcher))
        for name, launcher in LAUNCHERS.items()
    }
    goal = Claim(text="one by one / joblib", top="one by one", bottom="joblib", at_least=1.6)
    name = f"sweep of {JOBS} runs of {STEPS} steps on {WORKERS} cores"
    return [Case(name=name, contenders=contenders, claims=(goal,))]


def sweep(folder: str | Path, launcher: Sequence[str], options: Sequence[str]) -> None:
    """Run a sweep in a process of its own, as a user does, below a folder."""
    command = [sys.executable, str(SCRIPT), "-m", *launcher, "trainer.accelerator=cpu", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
