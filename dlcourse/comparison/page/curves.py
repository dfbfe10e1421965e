"""Learning curves: a mean over the seeds of every setting, and how far the seeds lie apart."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.comparison.page.charts import axis, band, line, look, plot
from dlcourse.comparison.page.factors import Factor
from dlcourse.comparison.records import Comparison, Group, Record
from dlcourse.comparison.wording import setting
from dlcourse.pages import element, escape
from dlcourse.runs import DONE

POINTS = 200  # of a line at most
_ALL_POINTS = 24_000  # of all lines together, which keeps a page below a megabyte
_FEWEST = 24  # of a line, however many there are
_TIME_POINTS = 50  # seconds grow almost evenly with the steps


@dataclass(frozen=True)
class Curve:
    """The curve of one group.

    Attributes:
        group: Index into the comparison's groups.
        steps: (P,), ascending.
        mean: (P,) over the seeds.
        low: (P,) the lowest seed; the mean itself for a single one.
        high: (P,)
    """

    group: int
    steps: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def learning_curves(comparison: Comparison) -> dict[str, list[Curve]]:
    """By quantity, the most telling first, a curve for every group that logged it."""
    found = {
        name: [c for n, g in enumerate(comparison.groups) if (c := _of_group(n, g, name))]
        for name in _quantities(comparison)
    }
    number = sum(map(len, found.values()))
    points = max(_FEWEST, min(POINTS, _ALL_POINTS // max(1, number)))
    return {
        name: [thinned(curve, points=points) for curve in curves]
        for name, curves in found.items()
        if curves
    }


def headline(comparison: Comparison) -> list[str]:
    """The quantities that are shown at once."""
    return [f"val/{comparison.yardstick}", "val/loss", "train/loss"]


def draw_curves(name: str, curves: Sequence[Curve], factor: Factor, labels: Sequence[str]) -> str:
    """One quantity against the steps, coloured by a factor."""
    x = axis([step for c in curves for step in (c.steps[0], c.steps[-1])], "step", margin=0.0)
    y = axis([v for c in curves for v in (c.low.min(), c.high.max())], "")
    drawn = []
    for c in curves:
        if (c.low < c.high).any():
            drawn.append(band(x, y, c.steps, c.low, c.high, class_=f"band {_look(c, factor)}"))
    for c in curves:
        drawn.append(line(x, y, c.steps, c.mean, class_=f"line {_look(c, factor)}"))
    settings = ", ".join(labels[curve.group] for curve in curves)
    return plot(x, y, *drawn, label=f"{name} by step: {settings}")


def embedded(comparison: Comparison, curves: Mapping[str, list[Curve]], by: list[Factor]) -> str:
    """All that a script needs to draw the curves anew, inside a script element."""
    data = {
        "labels": [setting(group) for group in comparison.groups],
        "factors": [vars(factor) for factor in by],
        "seconds": [_seconds(number, group) for number, group in enumerate(comparison.groups)],
        "charts": {name: list(map(_numbers, own)) for name, own in curves.items()},
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # Inside a script element only its own end tag and comments mean anything.
    text = text.replace("<", "\\u003c")
    return element("script", text, type="application/json", id="curves-data")


def averaged(group: int, series: Sequence[Mapping[int, float]]) -> Curve | None:
    """Mean and range over the steps that all series span, with straight lines between points.

    Past the end of the shortest one the mean would be over other runs than before, and would jump.

    Args:
        series: Values by step, none of them empty.
    """
    if not series:
        return None
    start, end = max(map(min, series)), min(map(max, series))
    steps = np.array(sorted({s for one in series for s in one if start <= s <= end}))
    if len(steps) == 0:
        return None
    values = np.stack([np.interp(steps, *_sorted(one)) for one in series])
    return Curve(group, steps, values.mean(0), values.min(0), values.max(0))


def thinned(curve: Curve, *, points: int) -> Curve:
    """Some of a curve's own points: both ends, and of every stretch the highest and the lowest."""
    size = len(curve.steps)
    if size <= points:
        return curve
    stretches = np.array_split(np.arange(1, size - 1), (points - 2) // 2)
    keep = {0, size - 1}
    for own in stretches:
        keep |= {int(own[curve.low[own].argmin()]), int(own[curve.high[own].argmax()])}
    kept = sorted(keep)
    parts = (curve.steps, curve.mean, curve.low, curve.high)
    return Curve(curve.group, *(part[kept] for part in parts))


def _of_group(number: int, group: Group, name: str) -> Curve | None:
    series = [
        finite
        for record in _shown(group)
        if (finite := _finite({s: row[name] for s, row in record.curves.items() if name in row}))
    ]
    return averaged(number, series)


def _shown(group: Group) -> list[Record]:
    """Runs that are done; if there are none, what there is of the others."""
    return [record for record in group.records if record.state == DONE] or group.records


def _quantities(comparison: Comparison) -> list[str]:
    names = {name for r in comparison.records for row in r.curves.values() for name in row}
    # What the best weights are worth on the test split is a point, not a curve.
    names = {name for name in names if name.partition("/")[0] in ("train", "val")}
    first = [name for name in dict.fromkeys(headline(comparison)) if name in names]
    return [*first, *sorted(names - set(first), key=lambda n: (not n.startswith("val/"), n))]


def _finite(values: Mapping[int, float]) -> dict[int, float]:
    return {step: value for step, value in values.items() if np.isfinite(value)}


def _sorted(series: Mapping[int, float]) -> tuple[list[int], list[float]]:
    steps = sorted(series)
    return steps, [series[step] for step in steps]


def _seconds(number: int, group: Group) -> list[list[float]] | None:
    """Steps and the mean seconds at them."""
    curve = averaged(number, [times for r in _shown(group) if (times := _finite(r.times))])
    if curve is None:
        return None
    curve = thinned(curve, points=_TIME_POINTS)
    return [_short(curve.steps), _short(curve.mean)]


def _numbers(curve: Curve) -> dict[str, Any]:
    numbers = {"g": curve.group, "x": _short(curve.steps), "m": _short(curve.mean)}
    if (curve.low < curve.high).any():
        numbers |= {"lo": _short(curve.low), "hi": _short(curve.high)}
    return numbers


def _short(values: np.ndarray) -> list[float]:
    """Five figures, and whole numbers without a point; steps stay what they are."""
    if np.issubdtype(values.dtype, np.integer):
        return values.tolist()
    rounded = [float(f"{value:.5g}") for value in values]
    return [int(v) if v.is_integer() and abs(v) < 1e6 else v for v in rounded]


def _look(curve: Curve, factor: Factor) -> str:
    return look(factor.of[curve.group])


def caption(name: str, comparison: Comparison) -> str:
    """What has to be known of a quantity before its lines are compared; mostly nothing."""
    losses = any(option.partition(".")[0] == "loss" for option in comparison.varying)
    if not losses or not name.endswith("/loss"):
        return ""
    text = "Every loss has a scale of its own: compare shapes here, not heights."
    return element("figcaption", escape(text))
