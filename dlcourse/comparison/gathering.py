"""Which runs are compared: the jobs of sweeps, run folders, and folders that hold such."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcourse.comparison.options import typed_key
from dlcourse.errors import InputError
from dlcourse.runs import FAILED, Run
from dlcourse.sweep_folder import PLAN, Job, Sweep, open_sweep
from dlcourse.trust.terminal import first_line

_DEEPEST = 3  # folders below the one that was named: runs/<experiment>/<sweep>/<job>


@dataclass(frozen=True)
class Gathered:
    """Jobs to compare, their names unique among them.

    Attributes:
        folder: Of the sweep, or of all that was named: where a report belongs.
        swept: What was varied by intention, as far as it was noted or typed.
    """

    title: str
    folder: Path
    swept: list[str]
    jobs: list[Job]


def gather(folders: Sequence[str | Path]) -> Gathered:
    """The jobs of all folders, each once, in the order in which they were named.

    Raises:
        InputError: A folder is missing or holds no run, or a sweep's plan is damaged.
    """
    sources = [source for folder in folders for source in _sources(Path(folder))]
    top = Path(os.path.commonpath([s.folder.resolve() for s in sources]))
    folder = Path(folders[0]) if len(folders) == 1 else Path(os.path.relpath(top))
    jobs: dict[Path, Job] = {}
    for source in sources:
        for place, job in _jobs(source):
            name = Path(os.path.relpath(place.resolve(), top)).as_posix()
            unique = job.name if name == "." else name
            jobs.setdefault(place.resolve(), Job(unique, job.overrides, job.run))
    noted = [key for source in sources if isinstance(source, Sweep) for key in source.swept]
    place = folder.resolve()
    return Gathered(
        title="/".join(part for part in (place.parent.name, place.name) if part),
        folder=folder,
        swept=list(dict.fromkeys([*map(typed_key, noted), *_typed([*jobs.values()])])),
        jobs=[*jobs.values()],
    )


def state_of(job: Job) -> tuple[str, str | None]:
    """A job's state and the last line of its error; damaged files are a failure that says so."""
    try:
        return job.state, job.error and (job.error.strip().splitlines() or [""])[-1]
    except (InputError, LookupError, TypeError, AttributeError) as error:
        return FAILED, first_line(error)


def _sources(folder: Path) -> list[Sweep | Run]:
    """The sweep or the run in a folder, else all that lie below it."""
    if source := _source(folder):
        return [source]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; runs and sweeps are made below runs/")
    found = _below(folder, depth=_DEEPEST)
    if not found:
        raise InputError(
            f"{folder}: holds neither a sweep nor a run; name the folder of a sweep, of runs, or "
            f"what holds them, such as runs/<experiment>"
        )
    return found


def _source(folder: Path) -> Sweep | Run | None:
    if (folder / PLAN).is_file():
        return open_sweep(folder)
    return Run(folder) if (folder / ".hydra" / "config.yaml").is_file() else None


def _below(folder: Path, *, depth: int) -> list[Sweep | Run]:
    """Sweeps and runs in the folders of a folder; nothing is looked for inside of them."""
    found: list[Sweep | Run] = []
    for child in sorted(path for path in folder.iterdir() if path.is_dir()):
        if source := _source(child):
            found.append(source)
        elif depth > 1:
            found += _below(child, depth=depth - 1)
    return found


def _jobs(source: Sweep | Run) -> list[tuple[Path, Job]]:
    if isinstance(source, Sweep):
        return [(source.folder / job.name, job) for job in source.jobs]
    name = source.folder.resolve().name
    return [(source.folder, Job(name, typed_overrides(source), source))]


def typed_overrides(run: Run) -> list[str]:
    """What was typed for a run; nothing where the note of it is damaged."""
    try:
        return run.overrides
    except Exception:  # yaml and omegaconf raise many kinds; the run itself may be sound
        return []


def _typed(jobs: Sequence[Job]) -> list[str]:
    """The keys whose typed value is not the same in all jobs."""
    typed = [{typed_key(o): o for o in job.overrides} for job in jobs]
    keys = dict.fromkeys(key for overrides in typed for key in overrides)
    return [key for key in keys if len({o.get(key) for o in typed}) > 1]
