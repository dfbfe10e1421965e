"""What weights were trained on, kept with them, and held against what they are evaluated on.

A ledger names every item of the training split by its content and by its group (song, patient). A
checkpoint keeps hashes of both: 16 bytes an item. An item is known again by its content wherever it
comes from. A group is known by its name only where an item of that content has that group here,
too: otherwise these are two archives, whose patients are numbered alike and are not the same.
"""

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.ledgers import SHA1, Rows, ledger_difference, read_ledger
from dlcourse.runs import weights_file
from dlcourse.splits import TEST, TRAIN, VAL
from dlcourse.trust.checkpoints import read_checkpoint

TRAINED_ON = "trained_on"  # in a checkpoint
CONTENT, GROUP = 0, 1  # columns of a list
_GROUPS = ("group", "patient")  # columns of ledgers
_LEDGERS = ("corpus.csv", "studies.csv")
_NAMED = 3
log = logging.getLogger(__name__)


class KeepsLedger(Protocol):
    """Data that can say what they are.

    Attributes:
        ledger: The name of the file that `write_ledger` leaves.
    """

    ledger: str

    def write_ledger(self, folder: Path) -> None:
        """Leave the ledger in a folder."""
        ...


@dataclass(frozen=True, eq=False)
class TrainingList:
    """What weights have seen.

    Attributes:
        items: (n, 2) int64: hashes of the content and of the group of each.
    """

    items: Tensor

    def __or__(self, other: "TrainingList") -> "TrainingList":
        """What either has seen: weights that were trained further."""
        return TrainingList(torch.cat([self.items, other.items]).unique(dim=0))


def training_list(rows: Rows) -> TrainingList:
    """The list of what a ledger has in its training split."""
    return TrainingList(_items(row for row in rows.values() if row["split"] == TRAIN))


def kept_list(checkpoint: Mapping[str, Any]) -> TrainingList | None:
    """What an opened checkpoint says it has seen; None of one that says nothing."""
    items = checkpoint.get(TRAINED_ON)
    known = isinstance(items, Tensor) and items.dtype == torch.int64
    return TrainingList(items) if known and items.shape[1:] == (2,) else None


def list_of_checkpoint(path: str | Path) -> TrainingList | None:
    """The list that a checkpoint keeps, or else the ledger of its run folder; None without any.

    Nor of a file that cannot be read: whoever loads its weights says why.
    """
    try:
        kept = kept_list(read_checkpoint(path))
    except InputError:
        return None
    if kept is not None:
        return kept
    ledgers = (Path(path).parent.parent / name for name in _LEDGERS)
    return next((training_list(read_ledger(p)) for p in ledgers if p.is_file()), None)


def list_to_begin_with(weights: str | None, rows: Rows) -> TrainingList:
    """What a run's weights will have seen: its training split, and all that its first ones had.

    Args:
        weights: `net.weights`: a run folder, a file, the name of published ones, or None.
        rows: Of the run's data.

    Raises:
        InputError: The first weights were trained on what this run holds out.
    """
    own = training_list(rows)
    if weights is None:
        return own
    seen = list_of_checkpoint(weights_file(weights))
    if seen is None:
        log.warning("net.weights=%s: nobody knows what these were trained on", weights)
        return own
    check_unseen(seen, rows, source=f"net.weights={weights}")
    return own | seen


def check_checkpoint(path: str | Path, rows: Rows, *, splits: Iterable[str]) -> None:
    """Stop where a checkpoint is to be evaluated on what it was trained on; see `check_unseen`."""
    seen = list_of_checkpoint(path)
    held = sorted({*splits} - {TRAIN})
    if seen is not None:
        check_unseen(seen, rows, splits=held, source=path)


def check_unseen(
    seen: TrainingList,
    rows: Rows,
    *,
    splits: Sequence[str] = (VAL, TEST),
    source: object,
) -> None:
    """Stop where weights were trained on what they are to be held to.

    What the training split of these rows shares with a held-out one is left to whoever made the
    splits: a benchmark's own leaks are told in its ledger.

    Args:
        seen: By the weights.
        rows: Of the data now.
        splits: The held-out ones that are used.
        source: Of the weights, for the message.

    Raises:
        InputError: Naming how many and the first ones.
    """
    held = {file: row for file, row in rows.items() if row["split"] in splits}
    own, items = training_list(rows).items, _items(held.values())
    columns = (CONTENT, GROUP) if _agree(seen.items, _items(rows.values())) else (CONTENT,)
    known = sum(_among(items, seen.items, c) & ~_among(items, own, c) for c in columns) > 0
    leaked = [file for file, is_known in zip(held, known.tolist(), strict=True) if is_known]
    if leaked:
        named = ", ".join(leaked[:_NAMED]) + (", ..." if len(leaked) > _NAMED else "")
        raise InputError(
            f"leak: {source} was trained on {len(leaked)} of the {len(held)} items of "
            f"{' and '.join(splits)}, or on the same song or patient: {named}; take its run's "
            f"split (split=listed split.file=<its corpus.csv or studies.csv>) or other weights"
        )


def check_same_data(data: KeepsLedger, folder: str | Path) -> None:
    """Stop a run that would go on with other data than it was begun with.

    Args:
        data: As they are now.
        folder: Of the run; without a ledger it was stopped before it had begun.

    Raises:
        InputError: Naming what has changed.
    """
    then = Path(folder) / data.ledger
    if not then.is_file():
        return
    with TemporaryDirectory() as place:
        data.write_ledger(Path(place))
        difference = ledger_difference(read_ledger(then), read_ledger(Path(place) / data.ledger))
    if not difference.same:
        raise InputError(
            f"{folder}: its data have changed since it was begun: "
            f"{'; '.join(difference.sentences())}; bring them back, or begin a new run"
        )


def _items(rows: Iterable[dict[str, str]]) -> Tensor:
    """(n, 2); a row without a hash, of an old ledger, has a content of its own."""
    numbers = [
        (_number(row.get(SHA1) or f"file {row['file']}"), _number(_group(row))) for row in rows
    ]
    return torch.tensor(numbers, dtype=torch.int64).reshape(-1, 2)


def _group(row: dict[str, str]) -> str:
    return next((row[name] for name in _GROUPS if row.get(name)), f"file {row['file']}")


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha1(text.encode()).digest()[:8], "big", signed=True)


def _among(items: Tensor, others: Tensor, column: int) -> Tensor:
    """Which of the items (n, 2) have the content, or the group, of one of the others."""
    return torch.isin(items[:, column], others[:, column])


def _agree(items: Tensor, others: Tensor) -> bool:
    """Whether both have an item of the same content in the same group."""
    return bool({*map(tuple, items.tolist())} & {*map(tuple, others.tolist())})
