"""The ledger of a run's data, read back: a CSV with a row a file, its fate, its split, its SHA-1.

Two runs had the same data when the rows of what they kept are the same.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.left_tables import read_csv

Rows = Mapping[str, Mapping[str, str]]  # by file: the row's cells by column

SHA1 = "sha1"


def read_ledger(path: str | Path) -> dict[str, dict[str, str]]:
    """The rows of what took part, by file.

    Raises:
        InputError: The file is damaged.
    """
    with read_csv(path) as rows:
        return {row["file"]: row for row in rows if row["kept"] == "yes"}


def fingerprint(path: str | Path) -> dict[str, Any]:
    """One hash of what took part: contents, splits, labels; the order of files does not matter.

    The files themselves are not read again: their hashes stand in the ledger.
    """
    rows, digest = read_ledger(path), hashlib.sha256()
    for file in sorted(rows):
        digest.update((repr(sorted(rows[file].items())) + "\n").encode())
    return {"ledger": Path(path).name, "sha256": digest.hexdigest(), "files": len(rows)}


@dataclass(frozen=True)
class LedgerDifference:
    """How two runs' data differ.

    Attributes:
        lost: Files that took part then and do not now.
        added: Files that take part now and did not then.
        changed: Files with another content.
        read_otherwise: Files of the same content of which something else is known now (a split, a
            label), with the columns.
        checked: Whether contents could be compared: both ledgers have their hashes.
    """

    lost: list[str]
    added: list[str]
    changed: list[str]
    read_otherwise: dict[str, list[str]]
    checked: bool

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not (self.lost or self.added or self.changed or self.read_otherwise)

    def sentences(self) -> list[str]:
        """What differs, the first file of each kind by name."""
        columns = sorted({name for names in self.read_otherwise.values() for name in names})
        kinds = [
            ("that took part is left out or missing now", self.lost),
            ("takes part that did not", self.added),
            ("has another content", self.changed),
            (f"has another {' and '.join(columns)}", list(self.read_otherwise)),
        ]
        return [_sentence(what, files) for what, files in kinds if files]


def _sentence(what: str, files: list[str]) -> str:
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return f"{files[0]}{more} {what}"


def ledger_difference(then: Rows, now: Rows) -> LedgerDifference:
    """Compare what took part; columns that only one of the ledgers has are left out."""
    both = [file for file in then if file in now]
    unlike = {file: _columns(then[file], now[file]) for file in both}
    return LedgerDifference(
        lost=[file for file in then if file not in now],
        added=[file for file in now if file not in then],
        changed=[file for file in both if SHA1 in unlike[file]],
        read_otherwise={f: names for f, names in unlike.items() if names and SHA1 not in names},
        checked=all(then[file].get(SHA1) and now[file].get(SHA1) for file in both),
    )


def _columns(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name, cell in then.items() if name in now and now[name] != cell]
