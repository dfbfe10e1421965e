"""The sections of a comparison's page that are diagrams and tables of settings."""

from collections.abc import Sequence

from dlcourse.comparison.page.curves import (
    caption,
    draw_curves,
    embedded,
    headline,
    learning_curves,
)
from dlcourse.comparison.page.effects import (
    draw_differences,
    draw_effect,
    heat_map,
    rings_are_settings,
    strongest_two,
)
from dlcourse.comparison.page.factors import Factor, legend
from dlcourse.comparison.page.overlays import draw_overlays, overlay_titles
from dlcourse.comparison.page.tables import sortable
from dlcourse.comparison.records import Comparison
from dlcourse.comparison.run_table import Row
from dlcourse.comparison.tables import group_table
from dlcourse.comparison.wording import ends, places, repetition, setting
from dlcourse.pages import element, escape


def verdict_section(comparison: Comparison) -> str:
    """The verdict, and what has to be known beside it."""
    notes = [element("li", escape(note)) for note in comparison.notes]
    listed = element("ul", *notes, class_="notes") if notes else ""
    return element("p", escape(comparison.verdict), class_="verdict") + listed


def settings_section(comparison: Comparison) -> str:
    """The table of settings; trivial baselines stay at its end."""
    header, rows = group_table(comparison)
    groups, baselines = rows[: len(comparison.groups)], rows[len(comparison.groups) :]
    said = (
        f"{comparison.unit}. Means ± sample standard deviation over every setting's "
        f"{repetition(comparison.records)}s"
    )
    said += "; differences are to the first setting." if comparison.differences else "."
    table = sortable(header, groups, last=baselines, caption="Settings and trivial baselines")
    return element("p", escape(said), class_="quiet") + table


def curves_section(comparison: Comparison, by: Sequence[Factor]) -> str:
    """A chart a quantity; "" when nothing was logged."""
    curves = learning_curves(comparison)
    if not curves:
        return ""
    labels = [setting(group) for group in comparison.groups]
    drawn = {
        name: _curves_figure(name, draw_curves(name, own, by[0], labels), comparison)
        for name, own in curves.items()
    }
    first = [name for name in drawn if name in headline(comparison)] or list(drawn)[:1]
    others = [figure for name, figure in drawn.items() if name not in first]
    said = (
        f"Lines are means over the {repetition(comparison.records)}s of a setting and end where "
        f"the first of them ends; bands reach from the lowest to the highest."
    )
    timed = any(record.times for record in comparison.records)
    shown = [_controls(by, timed=timed), legend(by[0]), element("p", said, class_="quiet")]
    shown.append(element("div", *(drawn[name] for name in first), class_="charts first"))
    if others:
        summary = element("summary", f"{len(others)} more quantities")
        shown.append(element("details", summary, element("div", *others, class_="charts")))
    return "".join([*shown, embedded(comparison, curves, list(by))])


def _curves_figure(name: str, drawn: str, comparison: Comparison) -> str:
    readout = element("p", class_="readout", aria_live="polite")
    return element(
        "figure",
        element("h3", escape(name)),
        drawn,
        readout,
        caption(name, comparison),
        data_curves=name,
    )


def _controls(by: Sequence[Factor], *, timed: bool) -> str:
    """What only a script can do; it is hidden without one."""
    options = [element("option", escape(factor.name)) for factor in by]
    parts = [element("label", "colour", element("select", *options, id="by"))]
    if timed:
        units = [element("option", unit, value=unit) for unit in ("steps", "seconds")]
        parts.append(element("label", "against", element("select", *units, id="x")))
    parts.append(element("label", element("input", type="checkbox", id="log"), "log scale"))
    return element("div", *parts, id="controls", class_="controls", hidden=True)


def effects_section(comparison: Comparison) -> str:
    """Every option by itself, and the two strongest against each other."""
    figures = [
        element(
            "figure",
            element("h3", escape(effect.option)),
            draw_effect(effect, comparison),
            "" if effect.balanced else element("figcaption", escape(_UNBALANCED)),
        )
        for effect in comparison.effects
    ]
    if not figures:
        return ""
    ring = "the mean of one setting" if rings_are_settings(comparison) else "one run"
    said = f"A ring is {ring}, a disc the mean of all that have the value."
    shown = element("p", said, class_="quiet") + element("div", *figures, class_="charts")
    options = strongest_two(comparison)
    return shown + (heat_map(*options, comparison) if len(options) == 2 else "")


_UNBALANCED = (
    "Not every value was run with the same other settings and seeds: these means are not to be "
    "compared."
)


def differences_section(comparison: Comparison) -> str:
    """Every setting against the best one."""
    found = comparison.differences
    if not found:
        return ""
    names = {group.label: setting(group) for group in comparison.groups}
    decimals = places([difference.mean for difference in found])
    rows: list[Row] = []
    for d in found:
        interval = ends(d.interval, decimals, sign="+") if d.interval else ""
        p = "" if d.p is None else "<0.001" if d.p < 0.001 else f"{d.p:.3f}"
        rows.append([names[d.group], f"{d.mean:+.{decimals}f}", interval, p, str(d.n)])
    said = (
        f"Each setting minus {names[found[0].reference]}, paired; 95 % intervals are of Student's "
        f"t, p-values adjusted by Holm's method. A ring has a single pair and no interval."
    )
    header = ["setting", "difference", "95 % interval", "p", "pairs"]
    table = sortable(header, rows, caption=f"Differences in {comparison.yardstick.upper()}")
    chart = element("figure", draw_differences(comparison))
    return element("p", escape(said), class_="quiet") + chart + table


def overlays_section(comparison: Comparison, by: Sequence[Factor]) -> str:
    """The curves that runs left to be laid over each other; "" when there are none."""
    drawn = {title: draw_overlays(title, comparison, by[0]) for title in overlay_titles(comparison)}
    figures = [
        element("figure", element("h3", escape(title)), chart)
        for title, chart in drawn.items()
        if chart
    ]
    if not figures:
        return ""
    said = element("p", "A line for every run.", class_="quiet")
    return legend(by[0]) + said + element("div", *figures, class_="charts small")
