"""The archive's own split: its lists, and a share of the patients of the first for validation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlcourse.errors import InputError
from dlcourse.splits import TEST, TRAIN, VAL, names_listed, shuffled_groups

TRAIN_VAL_LIST, TEST_LIST = "train_val_list.txt", "test_list.txt"
MD5 = {
    TRAIN_VAL_LIST: "067e3a84206964892e6300e4a4c0a205",
    TEST_LIST: "adeeabf20ea2a8eb66ced87b78434400",
}


@dataclass(frozen=True, kw_only=True)
class Official:
    """See `splits.Split`.

    Args:
        val: Share of the patients of train_val_list.txt that choose the model.
        verify: Compare the lists with the published ones; false for lists of one's own.
        folder: Where the lists are; the folder of the data's index when None.
    """

    val: float = 0.1
    split_seed: int = 0
    verify: bool = True
    folder: str | None = None

    def within(self, folder: str | Path) -> "Official":
        """The same for lists in a folder, unless another is named already."""
        return replace(self, folder=self.folder or str(folder))

    def assign(self, groups: Sequence[str], names: Sequence[str]) -> list[str]:
        """See `Split`.

        Raises:
            InputError: A list is missing or is another than the published; an image stands in
                neither, or in both.
        """
        test, rest = (self._names(file) for file in (TEST_LIST, TRAIN_VAL_LIST))
        bases = [Path(name).name for name in names]
        for base in bases:
            if (base in test) == (base in rest):
                found = "both" if base in test else "neither"
                raise InputError(f"{base}: stands in {found} of {TEST_LIST} and {TRAIN_VAL_LIST}")
        others = [g for g, base in zip(groups, bases, strict=True) if base in rest]
        order = shuffled_groups(others, self.split_seed, need=2)
        val = set(order[: min(max(1, round(self.val * len(order))), len(order) - 1)])
        return [
            TEST if base in test else VAL if group in val else TRAIN
            for group, base in zip(groups, bases, strict=True)
        ]

    def _names(self, file: str) -> set[str]:
        path = Path(self.folder or ".") / file
        names = names_listed(path)
        found = hashlib.md5(path.read_bytes()).hexdigest()
        if self.verify and found != MD5[file]:
            raise InputError(
                f"{path}: is not the published list (md5 {found}, expected {MD5[file]}); "
                f"split.verify=false takes lists of one's own"
            )
        return names
