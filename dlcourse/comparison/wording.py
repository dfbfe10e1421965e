"""Settings and numbers as a sentence has them."""

import math
import re
from collections.abc import Iterable, Sequence

from dlcourse.comparison.options import FOLD, REPEATS, SEED
from dlcourse.comparison.records import Group, Record

_WORD = re.compile(r"(?!true$|false$|null$|none$)[A-Za-z][\w ./+-]*")


def setting(group: Group) -> str:
    """`focal, sgd`, and with the option's name where the value says nothing: `hidden 64`."""
    parts = [
        value if _WORD.fullmatch(value) else f"{key.rpartition('.')[2]} {value}"
        for key, value in group.options.items()
    ]
    return ", ".join(parts) or "all runs"


def counted(number: int, records: Iterable[Record]) -> str:
    """`3 seeds`, `5 folds`, or `10 runs` where both are repeated."""
    return plural(number, repetition(records))


def repetition(records: Iterable[Record]) -> str:
    """What repeats a setting: seed, fold, or run where it is several things."""
    records = list(records)
    repeated = [k for k in REPEATS if len({record.options.get(k) for record in records}) > 1]
    if set(repeated) <= {SEED}:
        return "seed"
    return "fold" if repeated == [FOLD] else "run"


def plural(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def places(values: Iterable[float | None]) -> int:
    """Decimals with which the smallest of some numbers still shows a figure; 3 to 6."""
    sizes = [abs(value) for value in values if value]
    return min(6, max(3, -math.floor(math.log10(min(sizes))))) if sizes else 3


def ends(interval: Sequence[float], decimals: int, *, sign: str = "") -> str:
    """`0.004 to 0.038`."""
    return " to ".join(f"{end:{sign}.{decimals}f}" for end in interval)


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
