"""The tables of results in a Markdown file: rows that begin with a command, filled in again.

A table is one of these when its first heading is `python scripts/train.py`. The first cell of a row
holds, between the first two backticks, the rest of the command; what else stands in it stays.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

HEADING = "`python scripts/train.py`"
Command = tuple[str, ...]  # its options, in the order of the alphabet


@dataclass(frozen=True)
class TableRow:
    """A row of a table of results.

    Attributes:
        line: Its place in the text.
        columns: The table's headings but the first, in small letters.
        cells: All of them, as they are.
    """

    line: int
    command: Command
    columns: tuple[str, ...]
    cells: tuple[str, ...]

    def filled(self, numbers: Mapping[str, str]) -> str:
        """The row with other numbers, by column; a cell without one becomes a dash."""
        cells = [self.cells[0], *(numbers.get(column, "-") for column in self.columns)]
        return f"| {' | '.join(cells)} |"


def command(options: str) -> Command:
    """The options of a line, in an order that is always the same."""
    return tuple(sorted(shlex.split(options)))


def table_rows(text: str) -> list[TableRow]:
    """The rows of all tables of results."""
    rows: list[TableRow] = []
    columns: tuple[str, ...] = ()
    for place, line in enumerate(text.split("\n")):
        cells = tuple(cell.strip() for cell in line.strip().strip("|").split("|"))
        if not line.startswith("|"):
            columns = ()
        elif cells[0] == HEADING:
            columns = tuple(cell.lower() for cell in cells[1:])
        elif columns and (typed := re.search(r"`([^`]*)`", cells[0])):
            rows.append(TableRow(place, command(typed[1]), columns, cells))
    return rows


def with_numbers(text: str, numbers: Mapping[Command, Mapping[str, str]]) -> str:
    """The text with the rows of these commands filled in; all else stays as it is.

    Args:
        numbers: For each command the text of its cells, by column.
    """
    lines = text.split("\n")
    for row in table_rows(text):
        if row.command in numbers:
            lines[row.line] = row.filled(numbers[row.command])
    return "\n".join(lines)
