"""By what the lines of a page are coloured: a value of one varying option each."""

from collections.abc import Sequence
from dataclasses import dataclass

from dlcourse.comparison.page.charts import look
from dlcourse.comparison.records import Comparison, Effect, Group
from dlcourse.comparison.wording import setting
from dlcourse.pages import element, escape


@dataclass(frozen=True)
class Factor:
    """An option, its values, and which of them each group has.

    Attributes:
        values: In numeric order, or as the runs come.
        of: Index into `values`, by group.
    """

    name: str
    values: list[str]
    of: list[int]


def factors(comparison: Comparison) -> list[Factor]:
    """The varying options, the one with the largest main effect first, and last all in one."""
    ranges = {effect.option: effect_range(effect) for effect in comparison.effects}
    options = sorted(comparison.varying, key=lambda option: -ranges.get(option, 0.0))
    groups = comparison.groups
    found = [_factor(option, [g.options[option] for g in groups], comparison) for option in options]
    if len(found) != 1:
        found.append(_factor("setting", [setting(group) for group in groups], comparison))
    return found


def effect_range(effect: Effect) -> float:
    """The largest difference between the means of two values."""
    means = [spread.mean for spread in effect.means.values()]
    return max(means) - min(means)


def in_order(values: Sequence[str]) -> list[str]:
    """Different values: numbers by size, others as they come."""
    different = list(dict.fromkeys(values))
    try:
        return sorted(different, key=float)
    except ValueError:
        return different


def legend(factor: Factor) -> str:
    """The factor's values with their colours; a script may make buttons of it."""
    items = [
        element("li", _swatch(number), escape(value)) for number, value in enumerate(factor.values)
    ]
    name = element("span", escape(factor.name), class_="quiet")
    return element("div", name, element("ul", *items), class_="legend")


def _swatch(number: int) -> str:
    stroke = element("path", d="M1 6H29", class_=f"line {look(number)}")
    return element("svg", stroke, width=30, height=12, aria_hidden="true")


def _factor(name: str, by_group: Sequence[str], comparison: Comparison) -> Factor:
    place = {record.name: n for n, record in enumerate(comparison.records)}

    def first_run(pair: tuple[str, Group]) -> int:
        return min(place[record.name] for record in pair[1].records)

    pairs = sorted(zip(by_group, comparison.groups, strict=True), key=first_run)
    values = in_order([value for value, _ in pairs])
    return Factor(name, values, [values.index(value) for value in by_group])
