"""Small directed graphs: boxes with lines of text, and arrows between them."""

from dataclasses import dataclass

INPUT, PARAMETER, CONSTANT, OPERATION, OUTPUT = (
    "input", "parameter", "constant", "operation", "output",
)  # fmt: skip
LETTER, LINE, PAD = 8.0, 19, 12  # pixels

Arrow = tuple[str, str]


@dataclass(frozen=True)
class Box:
    """A node: what it is called in the arrows, what is written in it, and what it is."""

    key: str
    lines: tuple[str, ...]
    kind: str = OPERATION

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in pixels."""
        longest = max(map(len, self.lines))
        return LETTER * longest + 2 * PAD, LINE * len(self.lines) + PAD


@dataclass(frozen=True)
class Diagram:
    """A directed graph without cycles; an arrow is (from, to) by keys."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
