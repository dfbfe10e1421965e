"""The curves of a run as CSV: `metrics.csv`, and when each of its steps came in `times.csv`.

Two files, because the first is the same for every run of the same config and the second is not.
"""

from collections.abc import Mapping
from pathlib import Path

from dlcourse.files import write_rows
from dlcourse.left_tables import read_csv

METRICS_FILE, TIMES_FILE = "metrics.csv", "times.csv"
STEP, SECONDS = "step", "seconds"


def read_metrics(path: str | Path) -> dict[int, dict[str, float]]:
    """The rows of a `metrics.csv` by step; empty cells are left out.

    Raises:
        InputError: The file is damaged.
    """
    with read_csv(path) as rows:
        return {_step(row.pop(STEP)): {k: float(v) for k, v in row.items() if v} for row in rows}


def write_metrics(path: str | Path, rows: Mapping[int, Mapping[str, float]]) -> None:
    """Write a row a step, with empty cells where nothing was logged; whole or not at all."""
    columns = sorted({key for row in rows.values() for key in row} - {"epoch"})
    _write(path, [STEP, "epoch", *columns], {s: dict(row) for s, row in rows.items()})


def read_times(path: str | Path) -> dict[int, float]:
    """By step, the seconds since training began that the run was at work.

    Raises:
        InputError: The file is damaged.
    """
    with read_csv(path) as rows:
        return {_step(row[STEP]): float(row[SECONDS]) for row in rows}


def write_times(path: str | Path, times: Mapping[int, float]) -> None:
    """Write the seconds, to the millisecond, of every step; whole or not at all."""
    _write(path, [STEP, SECONDS], {s: {SECONDS: round(t, 3)} for s, t in times.items()})


def _step(cell: str) -> int:
    step = int(cell)
    if not 0 <= step < 2**63:
        raise ValueError(f"no step is {cell}"[:60])
    return step


def _write(path: str | Path, columns: list[str], rows: Mapping[int, dict[str, float]]) -> None:
    lines = [{STEP: step} | row for step, row in sorted(rows.items())]
    write_rows(path, [columns, *([line.get(column, "") for column in columns] for line in lines)])
