"""What a table of results says of a row besides its likelihood; one set for each kind of frame."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODEL = "model"
Sums = dict[str, float]  # over frames
Files = dict[str, Sums]  # by file: the sums over its frames


@dataclass(frozen=True)
class Measures:
    """Figures of a row, and how a table shows them.

    Attributes:
        name: What `results.json` calls them, so that its runs can be pooled again.
        figures: From the sums over all frames of the split; None where one is not defined.
        columns: The headings and, for each, the text of a row's cell.
        likelihood: What is likely or not, for a reader of the table.
        copying: The rows that copy; a README shows the one of the model's own kind.
        counts: The rows that count; a README shows the best one of the model's own kind.
    """

    name: str
    figures: Callable[[Mapping[str, float]], dict[str, float | None]]
    columns: Mapping[str, Callable[[Mapping[str, Any]], str]]
    likelihood: str
    copying: Sequence[str]
    counts: Sequence[str]


def decimals(key: str, places: int = 3) -> Callable[[Mapping[str, Any]], str]:
    """A cell: one of the row's numbers, or a dash."""

    def cell(row: Mapping[str, Any]) -> str:
        return "-" if row[key] is None else f"{row[key]:.{places}f}"

    return cell


def ratio(part: float, whole: float) -> float | None:
    """`part / whole`; None of nothing."""
    return part / whole if whole else None
