"""What became of every job, told at once: no results are read, nothing is computed."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from dlcourse.comparison.gathering import gather, state_of
from dlcourse.errors import InputError
from dlcourse.runs import DONE, FAILED, PRUNED
from dlcourse.sweep_folder import Job
from dlcourse.text_tables import aligned

ALL_DONE, SOME_FAILED, UNFINISHED = 0, 1, 3


def status(folders: Sequence[str | Path]) -> tuple[str, int]:
    """The jobs as a table below their counts, and an exit code.

    Returns:
        The text; 0 when all is done, 1 when a job failed, 3 when jobs are running, stopped or
        missing. A pruned job is done: a search gave it up.

    Raises:
        InputError: A folder is missing or holds no run.
    """
    gathered = gather(folders)
    rows = [_row(job) for job in gathered.jobs]
    counts = Counter(state for _, state, *_ in rows)
    order = sorted(counts, key=lambda state: (state != DONE, state))
    line = ", ".join(f"{counts[state]} {state}" for state in order)
    table = aligned(["job", "state", "value", "seconds", "error"], rows)
    return f"{gathered.title}: {line}\n\n{table}", _exit_code(set(counts))


def _exit_code(states: set[str]) -> int:
    if FAILED in states:
        return SOME_FAILED
    return ALL_DONE if states <= {DONE, PRUNED} else UNFINISHED


def _row(job: Job) -> list[str]:
    state, error = state_of(job)
    try:
        outcome = (job.run and job.run.outcome) or {}
        value, seconds = outcome.get("value"), outcome.get("seconds")
        numbers = [_number(value, ".4f"), _number(seconds, ".0f")]
    except (InputError, AttributeError):  # the damaged file is in the error already
        numbers = ["", ""]
    return [job.name, state, *numbers, error or ""]


def _number(value: object, style: str) -> str:
    return format(value, style) if isinstance(value, (int, float)) else ""
