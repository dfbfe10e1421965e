"""Values of another kind than an option has: a word for a number, a fraction for a count."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dlcourse.command_line.override_grammar import named_values, parsed_override
from dlcourse.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

# Options of Lightning and Hydra, of which some take several kinds; they say what is wrong.
_LIBRARIES = ("trainer", "logger", "hydra")
# Numbers for which null is an answer, too; and names, which are null or nothing in conf/.
_OR_NULL = ("threads", "most", "max_images")
_NAMES = ("root", "index", "weights", "url", "resume", "run", "output", "folder", "data_dir")
_SHORT = 40  # characters
_KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false is needed"),
    int: ((int,), "a whole number is needed"),
    float: ((int, float), "a number is needed"),
}


def refuse_other_kinds(words: Sequence[str], config: "DictConfig") -> None:
    """Refuse overrides whose values are no numbers, or not whole, where the option's are.

    What is null in conf/ or refers to another option may be of any kind; a name is a text.

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
        kinds, needed = _kinds(key, usual)
        values = named_values(override) if kinds else []
        if any(type(value) not in kinds and "${" not in str(value) for value in values):
            shown = "null" if usual is None else str(usual).lower()
            others = f"; {key} is {shown} unless it is typed" if len(shown) < _SHORT else ""
            raise InputError(f"{word}: {needed}{others}")


def _kinds(key: str, usual: Any) -> tuple[tuple[type, ...], str]:
    """The types that an option takes, and how they are asked for; no types: all of them."""
    first, last = key.split(".")[0], key.split(".")[-1]
    if first in _LIBRARIES:
        return (), ""
    if last in _NAMES:
        kinds, needed = (str,), "a name is needed, in quotes if it is a number"
        return (*kinds, type(None)) if usual is None else kinds, needed
    if first == "callbacks" and key.count(".") == 1:
        return (dict,), f"~{key} leaves it out"
    kinds, needed = _KINDS.get(type(usual), ((), ""))
    return (*kinds, type(None)) if last in _OR_NULL else kinds, needed


def _value_of(config: "DictConfig", key: str) -> Any:
    """What an option is, in words where nobody can tell yet; None for one that is not there."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.select(config, key)
    except OmegaConfBaseException:
        return "made from others"
