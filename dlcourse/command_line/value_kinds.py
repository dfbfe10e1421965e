"""Values of another kind than an option has: a word for a number, a fraction for a count."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlcourse.command_line.override_grammar import parsed_override
from dlcourse.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Options of Lightning and Hydra, of which some take several kinds; they say what is wrong.
_LIBRARIES = ("trainer", "logger", "hydra")
_KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false is needed"),
    int: ((int,), "a whole number is needed"),
    float: ((int, float), "a number is needed"),
}


def refuse_other_kinds(words: Sequence[str], config: "DictConfig") -> None:
    """Refuse overrides whose values are no numbers, or not whole, where the option's are.

    What is null in conf/, or typed as null, or refers to another option, may be of any kind.

    Args:
        config: As composed of the same groups without these values.

    Raises:
        InputError: Names the option, what it is in conf/, and what is needed.
    """
    for word in words:
        override = parsed_override(word)
        if override is None or override.is_delete() or override.is_add():
            continue
        key = override.key_or_group
        usual = _value_of(config, key)
        kinds, needed = _KINDS.get(type(usual), ((), ""))
        if kinds and key.partition(".")[0] not in _LIBRARIES:
            for value in _values(override):
                if type(value) not in (*kinds, type(None)) and "${" not in str(value):
                    raise InputError(f"{word}: {needed}; {key} is {usual} unless it is typed")


def _value_of(config: "DictConfig", key: str) -> Any:
    """What an option is; None for one that is not there, or that nobody can tell yet."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return None


def _values(override: Any) -> list[Any]:
    """Those that it names one by one; a range is of numbers, and checked when it is swept over."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob, RangeSweep

    value = override.value()
    if isinstance(value, ChoiceSweep):
        return value.list
    return [] if isinstance(value, RangeSweep | Glob) else [value]
