"""CSV that a run left, read back: whatever is damaged in it is told in one line."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlcourse.errors import InputError

# What a missing column, a cell of another kind, and the file itself raise.
_DAMAGE = (csv.Error, ValueError, LookupError, TypeError, AttributeError)


@contextmanager
def read_csv(path: str | Path) -> Iterator[Iterator[dict[str, str]]]:
    """Yield the rows, each by its columns, to a block that makes something of them.

    Raises:
        InputError: The file is damaged, or the block could make nothing of a row.
    """
    with open(path, newline="", encoding="utf-8") as lines:
        try:
            yield csv.DictReader(lines)
        except _DAMAGE as error:
            kind = "" if isinstance(error, (ValueError, csv.Error)) else f"{type(error).__name__} "
            line = " ".join(f"{kind}{error}".split())
            raise InputError(f"{path}: damaged: {line}; remove it, or run the job anew") from error
