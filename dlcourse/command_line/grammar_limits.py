"""What Hydra's grammar lets one type and nothing can be made of: endless grids, bottomless lists.

Hydra would multiply such a grid out, or end in a traceback of its own.
"""

import math
from collections.abc import Collection, Sequence
from itertools import accumulate

from dlcourse.command_line.override_grammar import named_values, parsed_override
from dlcourse.errors import InputError

_LONGEST = 10_000  # characters; Hydra's time for a list grows with the square of its length
_DEEPEST = 40  # brackets; OmegaConf and ANTLR go down by recursion
_JOBS = 10_000
_SHOWN = 60  # characters
_STEP = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}


def refuse_boundless(words: Sequence[str]) -> None:
    """Refuse overrides that would take forever to read, or a sweep of more jobs than anybody runs.

    Raises:
        InputError: Too long, nested too deep, too many values; or a range that never ends.
    """
    for word in words:
        shown = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."
        if len(word) > _LONGEST:
            raise InputError(
                f"{shown}: {len(word):,} characters; an option has at most {_LONGEST:,}: name a "
                f"folder or a file instead"
            )
        if max(accumulate(_STEP.get(letter, 0) for letter in word), default=0) > _DEEPEST:
            raise InputError(f"{shown}: brackets within brackets, at most {_DEEPEST} deep")
    values = {word.partition("=")[0]: (word, values_in(word)) for word in words}
    for word, count in values.values():
        if not 0 < count < math.inf:
            told = "that never ends" if count else "without a value"
            raise InputError(f"{word}: a range {told}; range(3) is 0,1,2, range(1,9,2) is 1,3,5,7")
    jobs = math.prod(count for _, count in values.values())
    if jobs > _JOBS:
        raise InputError(f"a sweep of {jobs:,} jobs: at most {_JOBS:,}: vary less at a time")


def is_bounded(word: str) -> bool:
    """Whether an override alone is none of these."""
    try:
        refuse_boundless([word])
    except InputError:
        return False
    return True


def values_in(word: str) -> float:
    """How many values an override sweeps over, without making them; infinite if it never ends."""
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep

    override = parsed_override(word)
    value = None if override is None else override.value()
    if isinstance(value, ChoiceSweep):
        return len(value.list)
    if not isinstance(value, RangeSweep):
        return 1
    try:
        return max(0, math.ceil((value.stop - value.start) / value.step))
    except (ArithmeticError, ValueError):  # by no step, or of what is no number
        return math.inf


def nameless_option(words: Sequence[str], groups: Collection[str]) -> str | None:
    """The first override of a group with what is no name, as in net=null; Hydra raises there."""
    from hydra.core.override_parser.types import RangeSweep

    for word in words:
        override = parsed_override(word)
        if override is None:
            continue
        value, group = override.value(), override.key_or_group
        lists = [one if isinstance(one, list) else [one] for one in named_values(override)]
        named = all(isinstance(name, str | dict) for names in lists for name in names)
        dropped = value is None and override.is_delete()
        is_group = group in {*groups, "", "hydra"} or group.startswith("hydra/")
        if is_group and not dropped and (not named or isinstance(value, RangeSweep)):
            return word
    return None
