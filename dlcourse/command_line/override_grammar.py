"""Hydra's grammar of overrides: what a word means, and how to quote what it would misread."""

import re
import shlex
from typing import Any


def parsed_override(word: str) -> Any | None:
    """The override as Hydra's grammar reads it; None if it does not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def quoted_value(text: str) -> str:
    """A value that Hydra reads back as this text; backslashes are signs only before a quote."""
    return '"' + re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), text) + '"'


def quoted_override(key: str, text: str) -> str:
    """An override that hands over a text as it stands, as it is typed in a shell."""
    plain = parsed_override(f"{key}={text}")
    ready = plain is not None and not plain.is_sweep_override() and plain.value() == text
    return shlex.quote(f"{key}={text if ready else quoted_value(text)}")


def named_values(parsed: Any) -> list[Any]:
    """The values that a parsed override names one by one; those of a range or a glob are none."""
    from hydra.core.override_parser.types import ChoiceSweep, Glob, QuotedString, RangeSweep

    value = parsed.value()
    if isinstance(value, ChoiceSweep):
        return [one.text if isinstance(one, QuotedString) else one for one in value.list]
    return [] if isinstance(value, RangeSweep | Glob) else [value]


def chosen_options(parsed: Any) -> list[str]:
    """The options that a parsed override of a group names; not those of a glob."""
    from hydra.core.override_parser.types import Glob

    if isinstance(parsed.value(), Glob):
        return []
    values = parsed.sweep_iterator() if parsed.is_sweep_override() else [parsed.value()]
    lists = [value if isinstance(value, list) else [value] for value in values]
    return ["null" if name is None else str(name) for names in lists for name in names]
