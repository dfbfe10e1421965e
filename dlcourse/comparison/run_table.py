"""`report.csv`: a row a run, for other programs."""

import os
from collections.abc import Sequence
from pathlib import Path

from dlcourse.comparison.options import REPEATS, SEED
from dlcourse.comparison.records import Comparison, Record
from dlcourse.files import write_rows

Row = list[str]


def write_csv(comparison: Comparison, path: str | Path) -> None:
    """A row for every run and every job that never ran; what is not known is an empty cell.

    Numbers are exact. Options' columns have their names, metrics' are `test/<name>` with the ends
    of their intervals as `test/<name>/low` and `/high`, folders are seen from the sweep's.
    """
    header, rows = run_table(comparison)
    write_rows(path, [header, *rows])


def run_table(comparison: Comparison) -> tuple[Row, list[Row]]:
    """The columns of `report.csv`, and its rows in the order of the sweep."""
    records = comparison.records
    options = [*comparison.varying, *_repeats(records)]
    metrics = metric_names(comparison)
    bounded = [m for m in metrics if any(m in record.intervals for record in records)]
    header = ["name", "state", *options, *(f"test/{metric}" for metric in metrics)]
    header += [f"test/{metric}/{end}" for metric in bounded for end in ("low", "high")]
    header += ["seconds", "error", "folder", "command"]
    rows = []
    for record in records:
        row = [record.name, record.state, *(record.options.get(key, "") for key in options)]
        row += [_exact(record.metrics.get(metric)) for metric in metrics]
        row += [_exact(e) for m in bounded for e in record.intervals.get(m, (None, None))]
        row += [_exact(record.seconds), record.error or "", _place(record, comparison.folder)]
        rows.append([*row, record.command])
    return header, rows


def metric_names(comparison: Comparison) -> list[str]:
    """All measured metrics, the yardstick first."""
    found = [metric for record in comparison.records for metric in record.metrics]
    return list(dict.fromkeys([*[m for m in found if m == comparison.yardstick], *found]))


def _repeats(records: Sequence[Record]) -> list[str]:
    """The seed, and whatever else was repeated."""
    several = [k for k in REPEATS if len({record.options.get(k) for record in records}) > 1]
    return list(dict.fromkeys([SEED, *several]))


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)


def _place(record: Record, folder: Path) -> str:
    if record.folder is None:
        return ""
    return Path(os.path.relpath(record.folder.resolve(), folder.resolve())).as_posix()
