"""Rows of text as a table, for a terminal and for Markdown."""

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table for a terminal: columns padded with blanks, no control characters."""
    lines = [[one_line(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    padded = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in padded)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table whose cells show what they hold, whatever it is."""
    cells = [[as_markdown(cell) for cell in row] for row in [header, *rows]]
    cells.insert(1, ["---"] * len(header))
    return [f"| {' | '.join(row)} |" for row in cells]


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def one_line(text: str) -> str:
    """The same without line ends and whatever else moves a terminal's cursor."""
    return "".join(c if c.isprintable() else " " for c in text)
