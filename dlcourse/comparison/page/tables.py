"""Tables whose rows a script can sort, and that are readable without it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dlcourse.pages import element, escape, scrolling

_NUMBER = re.compile(r"[<+-]?\d")


@dataclass(frozen=True)
class Cell:
    """Text with something to it.

    Attributes:
        marked: It stands out.
        link: The id of another place of the page.
    """

    text: str
    marked: bool = False
    link: str = ""


Row = Sequence[str | Cell]


def sortable(
    header: Sequence[str], rows: Sequence[Row], *, caption: str, last: Sequence[Row] = ()
) -> str:
    """A table that scrolls sideways on a phone.

    Args:
        last: Rows that stay at the end, set apart from the others.
    """
    columns = list(zip(*rows, *last, strict=True)) or [()] * len(header)
    numeric = [_is_numeric(column) for column in columns]
    head = "".join(
        element("th", escape(name), scope="col", class_="number" if right else None)
        for name, right in zip(header, numeric, strict=True)
    )
    inner = element("caption", escape(caption)) + element("thead", element("tr", head))
    inner += element("tbody", *(_row(row, numeric) for row in rows))
    if last:
        inner += element("tbody", *(_row(row, numeric) for row in last), class_="last")
    return scrolling("div", element("table", inner, class_="sortable"), caption)


def _row(row: Row, numeric: Sequence[bool]) -> str:
    cells = [
        element("td", _inner(cell), class_="number" if right else None)
        for cell, right in zip(row, numeric, strict=True)
    ]
    return element("tr", *cells)


def _inner(cell: str | Cell) -> str:
    if isinstance(cell, str):
        return escape(cell)
    inner = escape(cell.text)
    if cell.marked:
        inner = element("mark", inner)
    return element("a", inner, href=f"#{cell.link}") if cell.link else inner


def _is_numeric(column: Sequence[str | Cell]) -> bool:
    texts = [cell if isinstance(cell, str) else cell.text for cell in column]
    filled = [text for text in texts if text]
    return bool(filled) and all(map(_NUMBER.match, filled))
