"""Diagrams as SVG inside a page: axes, lines, bands, dots.

Positions are shares of the plot, in percent, and lines are drawn into a stretched square whose
strokes are not stretched: a diagram takes the width that there is, and its text keeps its size on
a phone. Colours and dashes are classes of the page's style, so that they follow light and dark and
a script can change them.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dlcourse.pages import element, escape

WIDE, HIGH = 4000, 2000  # of the stretched square: whole numbers are fine enough for any screen
_ROW = 42  # pixels
_FEW = 15  # points that are marked
_COLOURS, _DASHES = 7, 4  # as many as the style has; without a common divisor: 28 pairs


@dataclass(frozen=True)
class Axis:
    """What a direction of a plot shows: from `low` to `high`, with marks at round numbers."""

    label: str
    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value lies: 0 at the low end, 1 at the high one."""
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[float]:
        """Two to six round numbers between the ends."""
        step = _round_step((self.high - self.low) / 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def axis(values: Iterable[float], label: str, *, margin: float = 0.04) -> Axis:
    """An axis around at least one finite value; a share of its length is free at the ends."""
    values = list(values)
    low, high = min(values), max(values)
    free = (high - low) * margin or abs(low) * margin or 1.0
    if high == low or margin:
        low, high = low - free, high + free
    return Axis(label, low, high)


def plot(x: Axis, y: Axis, *inner: str, label: str, height: int = 230) -> str:
    """A diagram with two axes.

    Args:
        inner: Elements from `line`, `band` or `guide`.
        label: What it shows, for readers who do not see it.
        height: Of the plot alone, in pixels.
    """
    marks = [_tick_x(x, v, height) for v in x.ticks] + [_tick_y(y, v) for v in y.ticks]
    square = element(
        "svg", *inner, viewBox=f"0 0 {WIDE} {HIGH}", preserveAspectRatio="none",
        width="100%", height="100%",
    )  # fmt: skip
    names = element("text", escape(x.label), class_="axis", x="50%", y=height + 36)
    if y.label:
        turned = {"transform": "rotate(-90)", "x": -height / 2, "y": -38}
        names += element("text", escape(y.label), class_="axis", **turned)
    return _svg("chart plot", *marks, square, names, label=label, height=height)


def rows(x: Axis, names: Sequence[str], marks: Sequence[str], *, label: str) -> str:
    """A diagram with a line for each name: the name above, its marks below.

    Args:
        marks: The elements of each line from `dot` or `span`, around a height of 0.
    """
    height = _ROW * len(names)
    inner = [_tick_x(x, value, height) for value in x.ticks]
    for place, (name, own) in enumerate(zip(names, marks, strict=True)):
        inner.append(element("text", _short(name), class_="name", x="-12", y=_ROW * place + 14))
        inner.append(element("g", own, transform=f"translate(0 {_ROW * place + 28})"))
    inner.append(element("text", escape(x.label), class_="axis", x="50%", y=height + 36))
    return _svg("chart rows", *inner, label=label, height=height)


def line(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float], **attributes: object) -> str:
    """Points joined by a line; a few of them are marked by dots, a single one is nothing else."""
    points = _points(x, y, xs, ys)
    attributes = {"class_": "line", **attributes}
    drawn = element("path", d=f"M{'L'.join(points)}", **attributes)
    if len(points) > _FEW:
        return drawn
    attributes["class_"] = f"{attributes['class_']} dots"
    return drawn + element("path", d="".join(f"M{point}h0" for point in points), **attributes)


def band(
    x: Axis, y: Axis, xs: Sequence[float], low: Sequence[float], high: Sequence[float],
    **attributes: object,
) -> str:  # fmt: skip
    """The area between two lines."""
    points = _points(x, y, xs, low) + _points(x, y, xs, high)[::-1]
    return element("path", d=f"M{'L'.join(points)}Z", **{"class_": "band", **attributes})


def guide(x: Axis, y: Axis) -> str:
    """The line y = x."""
    ends = [max(x.low, y.low), min(x.high, y.high)]
    return element("path", d=f"M{'L'.join(_points(x, y, ends, ends))}", class_="guide")


def dot(x: Axis, value: float, *, size: float, class_: str, title: str = "") -> str:
    """A value in a line of `rows`; the title is shown by a mouse that rests on it."""
    inner = element("title", escape(title)) if title else ""
    return element("circle", inner, cx=_percent(x.at(value)), cy=0, r=size, class_=class_)


def span(x: Axis, low: float, high: float, *, class_: str = "span") -> str:
    """An interval in a line of `rows`."""
    ends = {"x1": _percent(x.at(low)), "x2": _percent(x.at(high))}
    return element("line", y1=0, y2=0, class_=class_, **ends)


def mark(x: Axis, value: float) -> str:
    """A value in a line of `rows` that the others are seen against."""
    place = _percent(x.at(value))
    return element("line", x1=place, x2=place, y1=-11, y2=11, class_="mark")


def look(number: int) -> str:
    """The classes of the colour and the dash that stand for the number-th value of a factor."""
    return f"c{number % _COLOURS} d{number % _DASHES}"


def number_text(value: float) -> str:
    """A number at an axis: 0.25, 1500, 2e+06."""
    return f"{value:.6g}"


def _svg(kind: str, *inner: str, label: str, height: int) -> str:
    # The axes' numbers stand outside of it, in a margin that the style leaves.
    return element("svg", *inner, class_=kind, height=height, role="img", aria_label=label)


def _points(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float]) -> list[str]:
    return [f"{WIDE * x.at(a):.0f} {HIGH * (1 - y.at(b)):.0f}" for a, b in zip(xs, ys, strict=True)]


def _tick_x(axis: Axis, value: float, height: int) -> str:
    place = _percent(axis.at(value))
    drawn = element("line", x1=place, x2=place, y1=0, y2=height, class_="grid")
    return drawn + element("text", number_text(value), x=place, y=height + 17, class_="axis")


def _tick_y(axis: Axis, value: float) -> str:
    place = _percent(1 - axis.at(value))
    drawn = element("line", x1=0, x2="100%", y1=place, y2=place, class_="grid")
    return drawn + element("text", number_text(value), x=-6, y=place, dy=4, class_="side")


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _short(name: str, *, most: int = 44) -> str:
    if len(name) <= most:
        return escape(name)
    return element("title", escape(name)) + escape(name[: most - 1] + "…")


def _round_step(step: float) -> float:
    """The smallest of 1, 2, 5, 10, ... times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= step * (1 - 1e-9))
