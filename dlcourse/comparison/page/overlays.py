"""Curves of all runs laid over each other: ROC, precision and recall, calibration."""

from collections.abc import Mapping
from typing import Any

from dlcourse.comparison.page.charts import Axis, axis, guide, line, look, plot
from dlcourse.comparison.page.factors import Factor
from dlcourse.comparison.records import Comparison
from dlcourse.gallery import DIAGONAL

_SIZE = 260  # pixels
_LARGEST = 1e100  # of a number that can be drawn
_SHARES = (-0.02, 1.02)  # an axis of probabilities shows all of them


def overlay_titles(comparison: Comparison) -> list[str]:
    """What the runs left, each once."""
    return list(dict.fromkeys(t for record in comparison.records for t in record.overlays))


def draw_overlays(title: str, comparison: Comparison, factor: Factor) -> str:
    """The curves of a title, one a run, coloured by a factor; "" when none can be drawn."""
    curves = [
        (number, record.name, curve)
        for number, group in enumerate(comparison.groups)
        for record in group.records
        if title in record.overlays and is_curve(curve := record.overlays[title])
    ]
    if not curves:
        return ""
    first = curves[0][2]
    x = _axis([v for *_, curve in curves for v in curve["x"]], str(first.get("xlabel", "")))
    y = _axis([v for *_, curve in curves for v in curve["y"]], str(first.get("ylabel", "")))
    drawn = [guide(x, y)] if any(c.get("guide") == DIAGONAL for *_, c in curves) else []
    for number, _, curve in curves:
        classes = f"line thin {look(factor.of[number])}"
        drawn.append(line(x, y, curve["x"], curve["y"], class_=classes, data_group=number))
    names = ", ".join(name for _, name, _ in curves)
    return plot(x, y, *drawn, label=f"{title}, {y.label} by {x.label}: {names}", height=_SIZE)


def is_curve(curve: Any) -> bool:
    """Whether it can be drawn: as many x as y, all of them numbers, at least one."""
    if not isinstance(curve, Mapping):
        return False
    xs, ys = curve.get("x"), curve.get("y")
    if not isinstance(xs, list) or not isinstance(ys, list) or not 0 < len(xs) == len(ys):
        return False
    return all(isinstance(v, int | float) and abs(v) < _LARGEST for v in [*xs, *ys])


def _axis(values: list[float], label: str) -> Axis:
    if all(0 <= value <= 1 for value in values):
        return Axis(label, *_SHARES)
    return axis(values, label)
