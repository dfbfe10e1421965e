"""What an experiment is expected to give, and whether it did.

The numbers stand in its file, conf/experiment/<name>.yaml, by the names of the README's columns:

    expected: {nll: 0.907, copying: 1.745, counts: 1.090, minutes: 1.5}

and with them, where it is so, `download: true`: its data have to be fetched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import OmegaConf

from dlcourse.errors import InputError

MINUTES, DOWNLOAD = "minutes", "download"
AS_EXPECTED, WITHIN_INTERVAL, DIFFERENT = "as expected", "within its interval", "different"
CHEAP, ALL = "cheap", "all"
_CHEAP_MINUTES = 2.0
_HALF_DIGIT = 0.0005  # of three decimals
_SLACK = 1e-9  # for a number that lies on the edge of rounding


@dataclass(frozen=True)
class Figure:
    """A number of the README's tables: its value, None where it is not defined, and interval."""

    value: float | None
    interval: Sequence[float] | None = None

    def text(self) -> str:
        """`0.907 (0.866 to 0.950)`, or a dash."""
        if self.value is None:
            return "-"
        ends = self.interval
        return f"{self.value:.3f}" + (f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")


def agreement(figure: Figure, expected: float) -> str:
    """Whether a measured number is the expected one, which was rounded to three decimals.

    The same machine gives the same number. Another one rounds sums another way, which training
    amplifies: there the number counts as reproduced when it differs by no more than half of its
    interval's width. One without an interval is a baseline that is not trained.
    """
    if figure.value is None:
        return DIFFERENT
    distance = abs(figure.value - expected)
    if distance <= _HALF_DIGIT + _SLACK:
        return AS_EXPECTED
    low, high = figure.interval or (0.0, 0.0)
    return WITHIN_INTERVAL if distance <= (high - low) / 2 + _HALF_DIGIT else DIFFERENT


def expected_numbers(conf: Path) -> dict[str, dict[str, float]]:
    """The numbers of every experiment that has some, by its name.

    Args:
        conf: The folder of the configs.
    """
    found = {}
    for path in sorted((conf / "experiment").glob("*.yaml")):
        numbers = OmegaConf.to_container(OmegaConf.load(path)).get("expected") or {}
        known = {key: float(value) for key, value in numbers.items() if value is not None}
        if known:
            found[path.stem] = known
    return found


def chosen(names: Sequence[str], expected: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The experiments that are meant by names, "cheap" or "all", each once.

    Raises:
        InputError: One of them has no expected numbers.
    """
    found: dict[str, None] = {}
    for name in names:
        if name == ALL:
            found |= dict.fromkeys(expected)
        elif name == CHEAP:
            found |= dict.fromkeys(name for name, e in expected.items() if _is_cheap(e))
        elif name in expected:
            found[name] = None
        else:
            raise InputError(
                f"{name}: no experiment with expected numbers; choose of {', '.join(expected)}, "
                f"{CHEAP} or {ALL}"
            )
    return list(found)


def _is_cheap(expected: Mapping[str, float]) -> bool:
    """Whether it takes a few minutes, and nothing from elsewhere."""
    return expected[MINUTES] <= _CHEAP_MINUTES and not expected.get(DOWNLOAD)


def minutes_text(seconds: float) -> str:
    """Minutes as exactly as they can be told: `0.2`, `1.5`, `4`."""
    minutes = seconds / 60
    if minutes < 0.95:
        return f"{max(minutes, 0.1):.1f}"
    return f"{round(minutes * 2) / 2:g}" if minutes < 2.25 else f"{minutes:.0f}"
