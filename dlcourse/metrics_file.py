"""The curves of a run as CSV: `metrics.csv`, and when each of its steps came in `times.csv`.

Two files, because the first is the same for every run of the same config and the second is not.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from dlcourse.files import written_whole

METRICS_FILE, TIMES_FILE = "metrics.csv", "times.csv"
STEP, SECONDS = "step", "seconds"


def read_metrics(path: str | Path) -> dict[int, dict[str, float]]:
    """The rows of a `metrics.csv` by step; empty cells are left out."""
    with open(path, newline="", encoding="utf-8") as lines:
        return {
            int(row.pop(STEP)): {k: float(v) for k, v in row.items() if v}
            for row in csv.DictReader(lines)
        }


def write_metrics(path: str | Path, rows: Mapping[int, Mapping[str, float]]) -> None:
    """Write a row a step, with empty cells where nothing was logged; whole or not at all."""
    columns = sorted({key for row in rows.values() for key in row} - {"epoch"})
    _write(path, [STEP, "epoch", *columns], {s: dict(row) for s, row in rows.items()})


def read_times(path: str | Path) -> dict[int, float]:
    """By step, the seconds since training began that the run was at work."""
    with open(path, newline="", encoding="utf-8") as lines:
        return {int(row[STEP]): float(row[SECONDS]) for row in csv.DictReader(lines)}


def write_times(path: str | Path, times: Mapping[int, float]) -> None:
    """Write the seconds, to the millisecond, of every step; whole or not at all."""
    _write(path, [STEP, SECONDS], {s: {SECONDS: round(t, 3)} for s, t in times.items()})


def _write(path: str | Path, columns: list[str], rows: Mapping[int, dict[str, float]]) -> None:
    with (
        written_whole(path) as partial,
        open(partial, "w", newline="", encoding="utf-8") as out,
    ):
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        writer.writerows({STEP: step} | row for step, row in sorted(rows.items()))
