"""How large a config becomes once its interpolations are resolved, told without resolving them.

Thirty lines of `a: ${b}${b}`, `b: ${c}${c}` are a billion letters.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlcourse.errors import InputError

_MOST = 2**19  # characters, thirty times those of a config
_REFERENCE = re.compile(r"\$\{(?:oc\.[\w.]+:)?(\.*)([\w.\[\]-]*)")
_Place = tuple[Any, tuple[Any, ...]]  # a node and the containers around it, the inmost last


def check_growth(config: Mapping[str, Any]) -> None:
    """See that a config can be resolved.

    Raises:
        InputError: It grows beyond all bounds, or refers to itself.
    """
    size, left = 0, [(config, ())]
    while left:
        node, around = left.pop()
        size += len(node) if isinstance(node, str) else 1
        if size > _MOST:
            raise InputError("its interpolations grow beyond all bounds")
        left += [(inner, (*around, node)) for inner in _inner(node)]
        if isinstance(node, str):
            left += _referred(node, around)


def _inner(node: Any) -> Sequence[Any]:
    return list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []


def _referred(text: str, around: tuple[Any, ...]) -> Iterator[_Place]:
    """The nodes that a text's interpolations stand for."""
    for dots, path in _REFERENCE.findall(text):
        start = around[: len(around) + 1 - len(dots)] if dots else around[:1]
        found: _Place | None = (start[-1], start[:-1]) if start else None
        for key in re.findall(r"[\w-]+", path):
            found = found and _step(found, key)
        if found:
            yield found


def _step(place: _Place, key: str) -> _Place | None:
    node, around = place
    if isinstance(node, dict):
        keys = [k for k in node if str(k) == key]
        return (node[keys[0]], (*around, node)) if keys else None
    inside = isinstance(node, list) and key.isdigit() and int(key) < len(node)
    return (node[int(key)], (*around, node)) if inside else None
