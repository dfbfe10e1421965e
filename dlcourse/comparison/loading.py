"""One run folder as a record; what is damaged in it is said in the record."""

import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from dlcourse.comparison.gathering import state_of
from dlcourse.comparison.options import (
    GRID,
    UNKNOWN,
    Options,
    as_text,
    override_options,
    run_options,
    typed_key,
)
from dlcourse.comparison.records import Record
from dlcourse.errors import InputError
from dlcourse.left_json import read_json
from dlcourse.metrics_file import METRICS_FILE, TIMES_FILE, read_metrics, read_times
from dlcourse.runs import FAILED, Run
from dlcourse.sweep_folder import Job
from dlcourse.trust.terminal import first_line

MODEL = "model"  # the trained network's row of a results table; the others are baselines
_INTERVAL = "_interval"
_OVER_MODEL = "_over_model"  # what a baseline of this run is above the model of this run
# Damaged contents; a file's own library adds kinds of these.
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def load_options(job: Job) -> tuple[Options, str | None]:
    """What a job is composed of, and why that is known in part only; None when it is whole.

    The reason is empty for a job that never ran, which is no damage.
    """
    if job.run is None:
        return override_options(job.overrides), ""
    try:
        return run_options(job.run), None
    except InputError as error:
        return override_options(job.overrides), str(error)


def load_record(job: Job, options: Options, *, error: str | None = None) -> Record:
    """A job of a sweep, or a run by itself.

    Args:
        job: What was planned; its run, if it was begun.
        options: What it was composed of.
        error: What is wrong with its config; the run then counts as failed.
    """
    state, why = state_of(job)
    command = rerun_command(job.overrides, sweep=options.get(GRID))
    if job.run is None:
        return Record(
            name=job.name, folder=None, state=state, options=options, command=command, error=why
        )
    complaints = [text for text in (why, error) if text]
    results = _read(complaints, job.run.folder / "results.json", _results) or {}
    failed = len(complaints) > bool(why)
    return Record(
        name=job.name,
        folder=job.run.folder,
        state=FAILED if failed else state,
        options=options,
        command=command,
        seconds=_seconds(job.run),
        **results,
        **_side_files(job.run.folder, complaints),
        error="; ".join(complaints) or None,
    )


def rerun_command(overrides: Sequence[str], *, sweep: str | None = None) -> str:
    """The line that does a run again, alone: the grid that it came from is switched off.

    Args:
        overrides: All that was typed or swept for this run.
        sweep: The chosen grid; an experiment may bring one along.
    """
    words = [override for override in overrides if typed_key(override) != GRID]
    if sweep not in (None, "none", "null", UNKNOWN):
        words.append(f"{GRID}=none")
    return shlex.join(["python", "scripts/train.py", *words])


def _seconds(run: Run) -> float | None:
    try:
        seconds = float((run.outcome or {})["seconds"])
        return seconds if math.isfinite(seconds) else None
    except (InputError, *_DAMAGE):  # not known; a damaged outcome is in the state's error
        return None


def _side_files(folder: Path, complaints: list[str]) -> dict[str, Any]:
    """What a record has besides its numbers; complaints are added, the state stays."""
    files: dict[str, tuple[str, Callable[[Path], Any], Any]] = {
        "curves": (METRICS_FILE, read_metrics, {}),
        "times": (TIMES_FILE, read_times, {}),
        "provenance": ("provenance.json", _json_of(dict), {}),
        "gallery": ("gallery.json", _json_of(list), []),
        "overlays": ("overlays.json", _json_of(dict), {}),
    }
    return {
        name: _read(complaints, folder / file, read) or empty
        for name, (file, read, empty) in files.items()
    }


def _read(complaints: list[str], path: Path, read: Callable[[Path], Any]) -> Any:
    """What a file says; None where there is none, or with a complaint where it is damaged."""
    if not path.is_file():
        return None
    try:
        return read(path)
    except InputError as error:
        complaints.append(str(error))
        return None
    except _DAMAGE as error:
        complaints.append(f"{path.name} is damaged: {first_line(error)}")
        return None


def _json_of(kind: type) -> Callable[[Path], Any]:
    return partial(read_json, kind=kind, advice="run the job anew")


def _results(path: Path) -> dict[str, Any]:
    """The parts of a record that a results table gives.

    Baselines whose likelihood is of another kind than the model's are no rivals, and left out.
    """
    results = _json_of(dict)(path)
    rows = {name: dict(row) for name, row in results["test"].items()}
    model = rows.pop(MODEL)
    rivals = {name: row for name, row in rows.items() if row.get("kind") == model.get("kind")}
    intervals = {
        key.removesuffix(_INTERVAL): (float(ends[0]), float(ends[1]))
        for key, ends in model.items()
        if key.endswith(_INTERVAL)
        and ends is not None
        and not key.endswith(_OVER_MODEL + _INTERVAL)
    }
    return {
        "metrics": _numbers(model),
        "intervals": intervals,
        "baselines": {name: _numbers(row) for name, row in rivals.items()},
        "tested": _tested(results, model),
    }


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The measured, finite numbers of a row; whole numbers only count what was tested."""
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, float) and math.isfinite(value) and not name.endswith(_OVER_MODEL)
    }


def _tested(results: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, str]:
    words = {k: v for k, v in results.items() if k != "interval" and isinstance(v, str)}
    counts = {k: v for k, v in model.items() if type(v) is int}
    return {key: as_text(value) for key, value in {**words, **counts}.items()}
