"""The section of runs: what became of each, what it ran on, and the line that runs it again."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlcourse.comparison.options import REPEATS, SEED
from dlcourse.comparison.page.tables import Cell, sortable
from dlcourse.comparison.records import Comparison, Record
from dlcourse.comparison.run_table import metric_names
from dlcourse.comparison.wording import ends, places, plural
from dlcourse.pages import code, element, escape, facts
from dlcourse.runs import DONE

_REVISION = 10  # figures, enough to tell commits apart


def runs_section(comparison: Comparison) -> str:
    """A table with a row a run, and everything about each run below it."""
    records = comparison.records
    columns: dict[str, Sequence[str | Cell]] = {}
    columns["run"] = [_linked(number, record) for number, record in enumerate(records)]
    columns["state"] = [Cell(r.state, marked=r.state != DONE) for r in records]
    for option in [*comparison.varying, *_repeats(records)]:
        columns[option] = [record.options.get(option, "") for record in records]
    columns["seconds"] = ["" if r.seconds is None else f"{r.seconds:.0f}" for r in records]
    numbers = {metric: _numbers(records, metric) for metric in metric_names(comparison)}
    # The yardstick, and where it comes from, before what may need scrolling.
    columns |= {m: own for m, own in numbers.items() if m == comparison.yardstick}
    columns |= _provenance_columns(records) | numbers
    states = Counter(record.state for record in records)
    caption = ", ".join(f"{number} {state}" for state, number in states.items())
    table = sortable(list(columns), list(zip(*columns.values(), strict=True)), caption=caption)
    details = [_details(number, record, comparison) for number, record in enumerate(records)]
    said = "Everything about a run, and the line that runs it again from the repository's folder:"
    return "".join([_errors(records), table, element("p", said), *details])


def _errors(records: Sequence[Record]) -> str:
    """What went wrong, before all numbers."""
    wrong = [
        element("li", escape(f"{record.name}: {record.error}"))
        for record in records
        if record.error
    ]
    return element("ul", *wrong, class_="notes errors") if wrong else ""


def _linked(number: int, record: Record) -> Cell:
    return Cell(record.name, link=f"run-{number}")


def _numbers(records: Sequence[Record], metric: str) -> list[str]:
    values = [record.metrics.get(metric) for record in records]
    return ["" if value is None else f"{value:.4f}" for value in values]


def _repeats(records: Sequence[Record]) -> list[str]:
    several = [k for k in REPEATS if len({r.options.get(k, "") for r in records}) > 1]
    return list(dict.fromkeys([SEED, *several]))


def _provenance_columns(records: Sequence[Record]) -> dict[str, list[Cell]]:
    """Revision and changes; Python, machine and versions only where runs differ in them."""
    values = {
        "revision": [_revision(record) for record in records],
        "code": [_changes(record) for record in records],
    }
    same = [_environment(record) for record in records]
    for key in dict.fromkeys(key for own in same for key in own):
        found = [own.get(key, "") for own in same]
        if len({value for value in found if value}) > 1:
            values[key] = found
    return {key: _odd_ones_marked(found) for key, found in values.items() if any(found)}


def _odd_ones_marked(values: Sequence[str]) -> list[Cell]:
    """What differs from the most frequent value stands out."""
    usual = Counter(value for value in values if value).most_common(1)[0][0]
    return [Cell(value, marked=bool(value) and value != usual) for value in values]


def _revision(record: Record) -> str:
    return str(record.provenance.get("git_revision") or "")[:_REVISION]


def _changes(record: Record) -> str:
    """Whether the code was what its revision says; nothing where no revision is known."""
    if not _revision(record):
        return ""
    number = len(_listed(record.provenance.get("git_changes")))
    return f"{plural(number, 'file')} changed" if number else "clean"


def _environment(record: Record) -> dict[str, str]:
    versions = record.provenance.get("versions")
    found = {key: record.provenance.get(key) for key in ("python", "machine")}
    found |= versions if isinstance(versions, dict) else {}
    return {key: str(value) for key, value in found.items() if value}


def _listed(value: Any) -> list[str]:
    return [str(item).strip() for item in value] if isinstance(value, list) else []


def _details(number: int, record: Record, comparison: Comparison) -> str:
    known = {
        "error": record.error,
        "folder": _place(record, comparison.folder),
        **{metric: _measured(record, metric) for metric in record.metrics},
        "started": record.provenance.get("started"),
        "git revision": record.provenance.get("git_revision"),
        "changed files": ", ".join(_listed(record.provenance.get("git_changes"))),
        **_environment(record),
    }
    summary = element("summary", escape(f"{record.name}: {record.state}"))
    line = code(record.command, label=f"Command of {record.name}") if record.command else ""
    shown = facts({key: value for key, value in known.items() if value})
    return element("details", summary, line, shown, id=f"run-{number}", class_="run")


def _measured(record: Record, metric: str) -> str:
    value, interval = record.metrics[metric], record.intervals.get(metric)
    decimals = max(4, places([value]))
    around = f" (95 % {ends(interval, decimals)})" if interval else ""
    return f"{value:.{decimals}f}{around}"


def _place(record: Record, folder: Path) -> str:
    return Path(os.path.relpath(record.folder, folder)).as_posix() if record.folder else ""
