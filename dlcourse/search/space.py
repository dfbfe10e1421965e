"""What a search may vary, written as Hydra writes sweeps: from text to dimensions and back.

    optimizer: choice(adam, sgd)                    one of these; adam,sgd says the same
    net.hidden: int(interval(16, 256))              a whole number between, both ends included
    net.layers: range(1, 4)                         1, 2 or 3, as everywhere in Hydra
    net.dropout: interval(0, 0.6)                   any number between
    optimizer.lr: tag(log, interval(1e-4, 1e-1))    any, evenly over the powers of ten
    optimizer.lr: tag(log, times, interval(0.1, 10))   times what the chosen option file says

With `times` a space over several optimizers keeps each one's own scale: a good rate of plain
gradient descent is a thousand times Adam's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
)
from hydra.errors import HydraException

from dlcourse.errors import InputError
from dlcourse.sweep_names import parse

GRAMMAR = (
    "a,b  choice(a,b)  interval(0,1)  tag(log,interval(1e-4,1e-1))  int(interval(1,8))  range(1,4)"
)
_TAGS = {"log", "int", "float", "times"}


@dataclass(frozen=True)
class Choice:
    """One of several texts, as they are typed behind `key=`."""

    values: tuple[str, ...]

    def text(self, value: str) -> str:
        """Of the value, as it is typed."""
        return value


@dataclass(frozen=True)
class Interval:
    """A number; whole if both ends are.

    Attributes:
        low: Smallest value.
        high: Greatest value.
        log: Drawn evenly over the logarithm.
        step: Between two values; None where any number will do.
        times: A factor to the value that the config has without it.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None
    times: bool = False

    @property
    def whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int)

    def text(self, value: float) -> str:
        """Of the value, with all its digits."""
        return repr(int(value) if self.whole else float(value))


Dimension = Choice | Interval
Space = dict[str, Dimension]


def read_space(params: Mapping[str, Any], typed: Sequence[str] = ()) -> Space:
    """The dimensions of a search.

    Args:
        params: From a file: what may vary, by the key that is overridden.
        typed: Overrides of the command line. One with several values adds a dimension or takes
            the place of one; one with a single value takes its dimension out.

    Raises:
        InputError: Not in Hydra's sweep grammar, or nothing to choose from.
    """
    space: Space = {}
    for key, value in params.items():
        if value is None:  # a file that builds on another one drops a dimension with null
            continue
        override = _read(f"{key}={value}")
        if not override.is_sweep_override():
            raise InputError(f"{key}={value}: a single value is nothing to search; write {GRAMMAR}")
        space[key] = _dimension(override)
    for override in map(_read, typed):
        space.pop(override.get_key_element(), None)
        if override.is_sweep_override():
            space[override.get_key_element()] = _dimension(override)
    if not space:
        raise InputError(
            "nothing to search: choose a space of conf/search with search=<name>, or type options "
            "with several values: optimizer=adam,sgd 'net.dropout=interval(0,0.5)'"
        )
    return space


def column(key: str, dimension: Dimension) -> str:
    """How a drawn value is headed: `optimizer.lr*` for a factor to the option's own value."""
    return f"{key}*" if isinstance(dimension, Interval) and dimension.times else key


def varies(override: str) -> bool:
    """Whether something typed is an override with several values."""
    try:
        return parse([override])[0].is_sweep_override()
    except HydraException:
        return False  # whoever reads it next will say what is wrong with it


def _read(text: str) -> Override:
    try:
        return parse([text])[0]
    except HydraException as error:
        line = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(f"{text}: {line}; in a search write {GRAMMAR}") from error


def _dimension(override: Override) -> Dimension:
    value, text = override.value(), override.input_line
    tags = getattr(value, "tags", set())
    if tags - _TAGS:
        raise InputError(f"{text}: tag {min(tags - _TAGS)!r} means nothing here; log and times do")
    if isinstance(value, IntervalSweep):
        return _interval(value, text)
    if tags & {"log", "times"}:
        raise InputError(f"{text}: {min(tags)} belongs to an interval: tag(log, interval(1, 8))")
    if isinstance(value, RangeSweep):
        return _range(value, text)
    assert isinstance(value, ChoiceSweep) or override.is_choice_sweep()  # glob is one, too
    return Choice(tuple(dict.fromkeys(override.sweep_string_iterator())))


def _interval(value: IntervalSweep, text: str | None) -> Interval:
    kind = int if "int" in value.tags or isinstance(value.start, int) else float
    low, high = kind(value.start), kind(value.end)
    if not low < high:
        raise InputError(f"{text}: the first end has to be smaller than the second")
    log = "log" in value.tags
    if log and low <= 0:
        raise InputError(f"{text}: there is no logarithm of {low}: begin above 0")
    return Interval(low, high, log=log, times="times" in value.tags)


def _range(value: RangeSweep, text: str | None) -> Interval:
    values = sorted(value.range())
    if not values:
        raise InputError(f"{text}: no value lies in it")
    kind = int if all(isinstance(v, int) for v in values) else float
    return Interval(kind(values[0]), kind(values[-1]), step=kind(abs(value.step)))
