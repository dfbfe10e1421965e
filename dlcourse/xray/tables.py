"""CSV files that others wrote, read row by row; what is wrong is named with its file and row."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlcourse.errors import InputError
from dlcourse.trust.strange_files import content_of
from dlcourse.trust.terminal import one_line

MOST_BYTES = 2**25  # of a file, four times the archive's index: in memory it is twenty times as big


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV file with a header: where each stands, and its cells by column.

    Empty rows are skipped, empty cells beyond the header's last name are allowed.

    Args:
        columns: Those that the file has to have; others are passed on.

    Raises:
        InputError: No such file, too large, not UTF-8, a column that is missing or stands twice, or
            a row of another length.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        header = _header(path, next(reader, []), columns)
        width = len(header)
        for cells in filter(None, reader):
            where = f"{path}, row {reader.line_num}"
            if len(cells) != width and (len(cells) < width or any(cells[width:])):
                raise InputError(f"{where}: {len(cells)} cells; the header names {width} columns")
            yield where, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise InputError(f"{path}, row {reader.line_num}: not CSV: {error}") from error


def _text(path: Path) -> str:
    content = content_of(path, most=MOST_BYTES)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise InputError(f"{path}, row {row}: byte 0x{byte:02x} is not UTF-8 text") from error


def _header(path: Path, cells: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The columns' names up to the last that is not empty."""
    header = [cell.strip() for cell in cells]
    while header and not header[-1]:
        header.pop()
    missing = [name for name in columns if name not in header]
    if missing:
        found = one_line(", ".join(header)) or "nothing"
        raise InputError(
            f"{path}, row 1: no column {missing[0]!r}; found {found}; needed {', '.join(columns)}"
        )
    if twice := [name for name in columns if header.count(name) > 1]:
        raise InputError(f"{path}, row 1: several columns {twice[0]!r}; remove all but one")
    return header
