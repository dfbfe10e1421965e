"""A sweep's folder, read back: what was planned, and what became of every job.

<sweep>/sweep.json          the plan: the command, the keys that vary, every job's overrides
<sweep>/<job>/              a run folder, see `runs`
<sweep>/report.html .csv .md
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcourse.alone import alone
from dlcourse.errors import InputError
from dlcourse.files import write_json
from dlcourse.left_json import read_json
from dlcourse.runs import DONE, FAILED, MISSING, Run

PLAN = "sweep.json"
_ADVICE = "the command that began the sweep makes it anew where it is missing"


@dataclass(frozen=True)
class Job:
    """One point of the grid; `run` is None until somebody has begun it."""

    name: str
    overrides: list[str]
    run: Run | None

    @property
    def state(self) -> str:
        """That of its run, or missing; failed where the run's folder is damaged."""
        try:
            return MISSING if self.run is None else self.run.state
        except InputError:
            return FAILED

    @property
    def error(self) -> str | None:
        """The last line of what went wrong."""
        try:
            return None if self.run is None else self.run.error
        except InputError as error:
            return str(error)


@dataclass(frozen=True)
class Sweep:
    """All that was ever planned in a sweep's folder.

    Attributes:
        command: That began it.
        swept: The keys that vary.
        plan: The overrides of every job, by name.
    """

    folder: Path
    command: list[str]
    swept: list[str]
    plan: Mapping[str, list[str]]

    @property
    def jobs(self) -> list[Job]:
        """In the order of the plan."""
        return [Job(name, o, self._run(name)) for name, o in self.plan.items()]

    def _run(self, name: str) -> Run | None:
        folder = self.folder / name
        return Run(folder) if (folder / ".hydra" / "config.yaml").is_file() else None


def open_sweep(folder: str | Path) -> Sweep:
    """The sweep in a folder.

    Raises:
        InputError: There is none, or its plan is damaged.
    """
    path = Path(folder) / PLAN
    plan = read_json(path, dict, advice=_ADVICE)
    if plan is None:
        found = "holds no sweep" if Path(folder).is_dir() else "does not exist"
        raise InputError(f"{folder}: {found} (no {PLAN}); scripts/train.py -m makes sweeps")
    jobs = plan.get("jobs")
    lists = [plan.get("command"), plan.get("swept"), *(jobs.values() if _is_plan(jobs) else [None])]
    if not all(_is_texts(texts) for texts in lists):
        raise InputError(f"{path}: damaged plan of a sweep; {_ADVICE}")
    return Sweep(Path(folder), plan["command"], plan["swept"], jobs)


def _is_plan(jobs: object) -> bool:
    """Whether every job lies in the sweep's folder: the plan may be a stranger's."""
    return isinstance(jobs, dict) and all(Path(name).name == name != ".." for name in jobs)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def plan_sweep(
    folder: str | Path,
    jobs: Mapping[str, Sequence[str]],
    *,
    swept: Sequence[str],
    command: Sequence[str],
) -> Sweep:
    """Write the plan; jobs that another grid of the same sweep asked for, earlier or at the same
    time, stay in it.
    """
    path = Path(folder) / PLAN
    with alone(path):
        before = dict(open_sweep(folder).plan) if path.is_file() else {}
        plan = before | {name: list(overrides) for name, overrides in jobs.items()}
        write_json(path, {"command": list(command), "swept": list(swept), "jobs": plan})
        return open_sweep(folder)


def summary(jobs: Sequence[Job]) -> str:
    """`5 done, 1 failed`, and a line for every failure."""
    counts = Counter(job.state for job in jobs)
    order = sorted(counts, key=lambda state: (state != DONE, state))
    lines = [", ".join(f"{counts[state]} {state}" for state in order)]
    lines += [f"  {job.name}: {job.error}" for job in jobs if job.state == FAILED]
    return "\n".join(lines)
