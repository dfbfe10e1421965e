"""Who is trained on, who is held out: by group (song, patient), never by file or window.

Every split is a pure function of its own seed (`split_seed`, not the training seed; 0 is a seed)
and of the groups' names, so that neither the order of the files nor the training changes it.
"""

import csv
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from dlcourse.errors import InputError
from dlcourse.trust.strange_files import content_of

TRAIN, VAL, TEST = SPLITS = ("train", "val", "test")
_LARGEST_LIST = 2**25  # bytes; that of the 112,120 radiographs has 2 MB


class Split(Protocol):
    """Gives every item its split: one of `SPLITS`."""

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """The split of each item, from its group and its own name (both of length M)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fractions:
    """Shares of the groups, at least one group each. `train` is what `val` and `test` leave."""

    val: float = 0.15
    test: float = 0.15
    split_seed: int = 0

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """See `Split`."""
        if not (self.val > 0 and self.test > 0 and self.val + self.test < 1):
            raise InputError(f"val={self.val}, test={self.test}: both above 0, together below 1")
        order = shuffled_groups(groups, self.split_seed, need=3)
        num_test = min(max(1, round(self.test * len(order))), len(order) - 2)
        num_val = min(max(1, round(self.val * len(order))), len(order) - num_test - 1)
        test, val = set(order[:num_test]), set(order[num_test : num_test + num_val])
        return _assigned(groups, val, test)


@dataclass(frozen=True, kw_only=True)
class Folds:
    """Fold `fold` of `folds` is the test split: over all folds, every group is tested once.

    `val` is the share of the other groups that chooses the model.
    """

    fold: int = 0
    folds: int = 5
    val: float = 0.1
    split_seed: int = 0

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """See `Split`."""
        if self.folds < 2:
            raise InputError(f"split.folds={self.folds}: at least 2")
        if not 0 <= self.fold < self.folds:
            raise InputError(f"split.fold={self.fold}: choose 0 to {self.folds - 1}")
        need = 4 if self.folds == 2 else max(3, self.folds)
        order = shuffled_groups(groups, self.split_seed, need=need)
        test = order[self.fold :: self.folds]
        rest = [group for group in order if group not in set(test)]
        val = rest[: min(max(1, round(self.val * len(rest))), len(rest) - 1)]
        return _assigned(groups, set(val), set(test))


@dataclass(frozen=True, kw_only=True)
class Listed:
    """As a CSV says, with columns `file` and `split`: the ledger of an earlier run is one."""

    file: str

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """See `Split`. Items that the list does not name, or names otherwise, are an error."""
        try:
            with open(self.file, newline="", encoding="utf-8-sig") as lines:
                listed = {row["file"]: row["split"] for row in csv.DictReader(lines)}
        except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.file}: not a list of splits ({error}): a CSV with the columns file and "
                f"split is needed, such as the corpus.csv or studies.csv of a run"
            ) from error
        wrong = [name for name in names if listed.get(name) not in SPLITS]
        if wrong:
            raise InputError(
                f"{self.file}: {wrong[0]!r} has split {listed.get(wrong[0])!r}, {len(wrong)} such "
                f"in all: every file needs one of {', '.join(SPLITS)}"
            )
        return [listed[name] for name in names]


@dataclass(frozen=True, kw_only=True)
class Folders:
    """As the folder says in which a file lies: train, val (or valid, validation), test."""

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """See `Split`. A file in no such folder is an error."""
        spellings = {TRAIN: TRAIN, "training": TRAIN, VAL: VAL, "valid": VAL, "validation": VAL}
        spellings |= {TEST: TEST, "testing": TEST}
        splits = []
        for name in names:
            folders = name.casefold().split("/")[:-1]
            found = {spellings[folder] for folder in folders if folder in spellings}
            if len(found) != 1:
                raise InputError(
                    f"{name}: {'several' if found else 'none'} of its folders name a split; one "
                    f"of {', '.join(spellings)} is needed"
                )
            splits += found
        return splits


@dataclass(frozen=True, kw_only=True)
class FileLists:
    """As three text files say, a name on each line: with its folders, or without."""

    train: str
    val: str
    test: str

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """See `Split`. A file that no list names, or two do, is an error."""
        listed = {split: names_listed(getattr(self, split)) for split in SPLITS}
        splits = []
        for name in names:
            own = {name, name.rpartition("/")[2]}
            found = [split for split in SPLITS if own & listed[split]]
            if len(found) != 1:
                where = (
                    f"in the lists of {' and '.join(found)}" if found else "in none of the lists"
                )
                raise InputError(f"{name}: stands {where}; it has to stand in one")
            splits += found
        return splits


def names_listed(file: str | Path) -> set[str]:
    """The lines of a text file.

    Raises:
        InputError: It cannot be read, or is larger than any such list.
    """
    try:
        lines = content_of(file, most=_LARGEST_LIST).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not a readable list of file names ({error})") from error
    return {line.strip() for line in lines} - {""}


def connected_groups(keys: Sequence[Iterable[Hashable]]) -> list[int]:
    """Items that share any key, directly or through others, get the same number."""
    parent = list(range(len(keys)))

    def root(item: int) -> int:
        while parent[item] != item:
            item = parent[item]
        return item

    first_with: dict[Hashable, int] = {}
    for item, own in enumerate(keys):
        for key in own:
            a, b = root(item), root(first_with.setdefault(key, item))
            parent[max(a, b)] = min(a, b)
    return [root(item) for item in range(len(keys))]


def named_groups(keys: Sequence[Iterable[Hashable]], names: Sequence[str]) -> list[str]:
    """The group of each item, `connected_groups` under the first of its items' names.

    The first by the alphabet: the order of the items is nobody's.
    """
    roots = connected_groups(keys)
    first: dict[int, str] = {}
    for root, name in zip(roots, names, strict=True):
        first[root] = min(first.get(root, name), name)
    return [first[root] for root in roots]


def check_no_leak(
    groups: Sequence[str], splits: Sequence[str], names: Sequence[str], *, what: str
) -> None:
    """Stop when a group stands in two splits.

    Raises:
        InputError: Naming a pair, `what` they share, and how many such groups there are.
    """
    first: dict[str, int] = {}
    shared: dict[str, tuple[int, int]] = {}
    for item, group in enumerate(groups):
        other = first.setdefault(group, item)
        if splits[other] != splits[item]:
            shared.setdefault(group, (other, item))
    if not shared:
        return
    group, (one, other) = next(iter(shared.items()))
    named = ", ".join(repr(name) for name in [*shared][:5]) + (", ..." if len(shared) > 5 else "")
    raise InputError(
        f"leak: {names[one]!r} ({splits[one]}) and {names[other]!r} ({splits[other]}) "
        f"share {what} {group!r}: put both into one split"
        + (f"; {len(shared)} are in several: {named}" if len(shared) > 1 else "")
    )


def shuffled_groups(groups: Sequence[str], seed: int, *, need: int) -> list[str]:
    """The groups' names, each once, in an order that only the seed and the names decide.

    Raises:
        InputError: There are fewer than `need`.
    """
    names = sorted(set(groups))
    if len(names) < need:
        raise InputError(f"{len(names)} groups to split, at least {need} are needed")
    return [names[i] for i in np.random.default_rng(seed).permutation(len(names))]


def _assigned(groups: Sequence[str], val: set[str], test: set[str]) -> list[str]:
    return [TEST if g in test else VAL if g in val else TRAIN for g in groups]
