"""What options are worth: main effects, two of them against each other, differences to the best."""

from collections.abc import Sequence
from statistics import fmean

from dlcourse.comparison.page.charts import Axis, axis, dot, mark, rows, span
from dlcourse.comparison.page.factors import effect_range, in_order
from dlcourse.comparison.records import Comparison, Difference, Effect
from dlcourse.comparison.statistics import Yardstick
from dlcourse.comparison.wording import places, setting
from dlcourse.pages import element, escape, scrolling
from dlcourse.runs import DONE

_STRONGEST = 60  # percent of colour in the best cell; above, text on it is hard to read


def draw_effect(effect: Effect, comparison: Comparison) -> str:
    """A line for every value: settings, or runs, that have it as rings; their mean as a disc."""
    title = comparison.yardstick.upper()
    rings = _rings(effect, comparison)
    # One scale for all options, so that their effects can be seen beside each other.
    ends = [v for e in comparison.effects for v in _values(e, comparison)]
    x = axis(ends, title)
    values = in_order([*effect.means])
    marks = [_marks(x, effect.means[value].mean, rings[value]) for value in values]
    summary = ", ".join(f"{value} {effect.means[value].mean:.4g}" for value in values)
    names = [f"{value}: {_spread(effect, value)}" for value in values]
    return rows(x, names, marks, label=f"{title} by {effect.option}: {summary}")


def rings_are_settings(comparison: Comparison) -> bool:
    """Whether a value has several settings; with one option alone its runs are shown instead."""
    return len(comparison.varying) > 1


def _rings(effect: Effect, comparison: Comparison) -> dict[str, list[tuple[str, float]]]:
    """Name and yardstick of what is behind the mean of every value."""
    metric = comparison.yardstick
    found: dict[str, list[tuple[str, float]]] = {value: [] for value in effect.means}
    for group in comparison.groups:
        if metric not in group.spreads:
            continue
        own = found[group.options[effect.option]]
        if rings_are_settings(comparison):
            own.append((setting(group), group.spreads[metric].mean))
        else:
            done = [r for r in group.records if r.state == DONE and metric in r.metrics]
            own += [(record.name, record.metrics[metric]) for record in done]
    return found


def _values(effect: Effect, comparison: Comparison) -> list[float]:
    rings = [value for own in _rings(effect, comparison).values() for _, value in own]
    return [*rings, *(spread.mean for spread in effect.means.values())]


def _marks(x: Axis, mean: float, rings: Sequence[tuple[str, float]]) -> str:
    drawn = [
        dot(x, value, size=4.5, class_="ring", title=f"{name}: {value:.4g}")
        for name, value in rings
    ]
    return "".join([dot(x, mean, size=6, class_="disc", title=f"mean {mean:.4g}"), *drawn])


def _spread(effect: Effect, value: str) -> str:
    own = effect.means[value]
    decimals = places([s.sd for s in effect.means.values()])
    deviation = "" if own.sd is None else f" ± {own.sd:.{decimals}f}"
    return f"{own.mean:.{decimals}f}{deviation}"


def strongest_two(comparison: Comparison) -> list[str]:
    """The two options with the largest main effects; fewer where fewer vary."""
    ordered = sorted(comparison.effects, key=effect_range, reverse=True)
    return [effect.option for effect in ordered[:2]]


def heat_map(down: str, across: str, comparison: Comparison) -> str:
    """The yardstick for every pair of values of two options, averaged over the others."""
    values = cell_means(down, across, comparison)
    every = list(values.values())
    spreads = [group.spreads.get(comparison.yardstick) for group in comparison.groups]
    decimals = places([spread.sd for spread in spreads if spread])
    names = in_order([key[1] for key in values])
    head = element("th", escape(f"{down} \\ {across}"), scope="col")
    head += "".join(element("th", escape(name), scope="col", class_="number") for name in names)
    body = ""
    for row in in_order([key[0] for key in values]):
        cells = [_cell(values.get((row, name)), every, comparison, decimals) for name in names]
        body += element("tr", element("th", escape(row), scope="row"), *cells)
    best = "lowest" if comparison.lower_is_better else "highest"
    title = f"{comparison.yardstick.upper()}: the {best} has the most colour"
    inner = element("table", element("caption", escape(title)),
        element("thead", element("tr", head)), element("tbody", body), class_="heat")  # fmt: skip
    return scrolling("div", inner, title)


def cell_means(down: str, across: str, comparison: Comparison) -> dict[tuple[str, str], float]:
    """Means over the groups that share the values of two options."""
    found: dict[tuple[str, str], list[float]] = {}
    for group in comparison.groups:
        if spread := group.spreads.get(comparison.yardstick):
            key = (group.options[down], group.options[across])
            found.setdefault(key, []).append(spread.mean)
    return {key: fmean(values) for key, values in found.items()}


def _cell(value: float | None, every: list[float], comparison: Comparison, decimals: int) -> str:
    if value is None:
        return element("td", "–", class_="number")
    low, high = min(every), max(every)
    share = (value - low) / (high - low) if high > low else 0.0
    if comparison.lower_is_better:
        share = 1 - share
    return element("td", f"{value:.{decimals}f}", class_="number",
        style=f"--share: {_STRONGEST * share:.0f}%")  # fmt: skip


def draw_differences(comparison: Comparison) -> str:
    """A line for every setting: its mean difference to the best one, with its interval."""
    found = comparison.differences
    names = {group.label: setting(group) for group in comparison.groups}
    ends = [end for d in found for end in (d.interval or ()) or (d.mean,)]
    yardstick = Yardstick(comparison.yardstick, comparison.lower_is_better)
    worse = "right" if comparison.lower_is_better else "left"
    x = axis([0.0, *ends], f"difference in {yardstick.title} (worse to the {worse})")
    marks = [mark(x, 0.0) + _interval(x, difference) for difference in found]
    label = f"Differences in {yardstick.title} to {names[found[0].reference]}; all are in the table"
    return rows(x, [names[d.group] for d in found], marks, label=label)


def _interval(x: Axis, difference: Difference) -> str:
    said = f"{difference.mean:+.4g} over {difference.n} pairs"
    if difference.interval is None:
        return dot(x, difference.mean, size=5, class_="ring", title=said)
    middle = dot(x, difference.mean, size=5, class_="disc", title=said)
    return span(x, *difference.interval) + middle
