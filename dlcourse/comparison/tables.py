"""A comparison as a table with a row a setting, and `report.md` around it."""

from collections import Counter
from pathlib import Path
from statistics import fmean

from dlcourse.comparison.records import Comparison, Difference, Group, Spread
from dlcourse.comparison.run_table import Row, metric_names
from dlcourse.comparison.wording import ends, places, repetition
from dlcourse.files import write_text
from dlcourse.runs import DONE, FAILED
from dlcourse.text_tables import as_markdown, markdown_table

_READING = (
    "Mean ± sample standard deviation over what is repeated. Difference: to the first row, paired, "
    "with its 95 % interval (Student's t); p: of the same t, adjusted by Holm's method."
)


def write_markdown(comparison: Comparison, path: str | Path) -> None:
    """`report.md`: the verdict, the table of settings, notes, and what failed."""
    failed = [record for record in comparison.records if record.state == FAILED]
    sections = {
        "Notes": comparison.notes,
        "Failed": [f"{record.name}: {record.error or 'no error noted'}" for record in failed],
    }
    lines = [f"# {as_markdown(comparison.title)}", "", as_markdown(comparison.verdict), ""]
    lines += [*markdown_table(*group_table(comparison)), ""]
    lines += [as_markdown(f"{comparison.unit}. {_READING}"), ""]
    for title, items in sections.items():
        if items:
            lines += [f"## {title}", "", *(f"- {as_markdown(item)}" for item in items), ""]
    write_text(path, "\n".join(lines))


def group_table(comparison: Comparison) -> tuple[Row, list[Row]]:
    """The settings: the yardstick, its differences, the other metrics; baselines are last."""
    metrics = metric_names(comparison) or [comparison.yardstick]
    names = comparison.varying or ["setting"]
    repeated = repetition(comparison.records)
    header = [*names, metrics[0], f"{repeated}s", "difference", "p", *metrics[1:]]
    decimals = {metric: _decimals(comparison, metric) for metric in metrics}
    differences = {difference.group: difference for difference in comparison.differences}
    rows = []
    for group in comparison.groups:
        first, *others = [_spread(group.spreads.get(m), decimals[m]) for m in metrics]
        own = group.spreads.get(comparison.yardstick)
        row = [*(group.options.values() or ["all runs"]), first, str(own.n if own else 0)]
        row += _difference(differences.get(group.label), decimals[metrics[0]])
        rows.append([*row, *others, _seconds(group), _states(group)])
    for name, values in comparison.baselines.items():
        first, *others = [_number(values.get(m), decimals[m]) for m in metrics]
        rows.append(
            [name, *[""] * (len(names) - 1), first, "", "", "", *others, "", "trivial baseline"]
        )
    return [*header, "seconds", "state"], rows


def _decimals(comparison: Comparison, metric: str) -> int:
    spreads = [group.spreads[metric] for group in comparison.groups if metric in group.spreads]
    return places([spread.sd for spread in spreads])


def _spread(spread: Spread | None, decimals: int) -> str:
    if spread is None:
        return ""
    deviation = "" if spread.sd is None else f" ± {spread.sd:.{decimals}f}"
    return f"{spread.mean:.{decimals}f}{deviation}"


def _difference(difference: Difference | None, decimals: int) -> Row:
    """The difference with its interval, and its p-value."""
    if difference is None:
        return ["", ""]
    text = f"{difference.mean:+.{decimals}f}"
    if difference.interval is not None:
        text += f" ({ends(difference.interval, decimals, sign='+')})"
    p = difference.p
    return [text, "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"]


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _seconds(group: Group) -> str:
    """The mean duration of a finished run."""
    known = [r.seconds for r in group.records if r.state == DONE and r.seconds is not None]
    return f"{fmean(known):.0f}" if known else ""


def _states(group: Group) -> str:
    counts = Counter(record.state for record in group.records)
    ordered = sorted(counts, key=lambda state: (state != DONE, state))
    return ", ".join(f"{counts[state]} {state}" for state in ordered)
