"""The archive's own split: its lists, and a share of the patients of the first for validation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlcourse.errors import InputError
from dlcourse.splits import TEST, TRAIN, VAL, check_no_leak, names_listed, shuffled_groups
from dlcourse.trust.strange_files import content_of
from dlcourse.xray.tables import MOST_BYTES

TRAIN_VAL_LIST, TEST_LIST = "train_val_list.txt", "test_list.txt"
MD5 = {
    TRAIN_VAL_LIST: "067e3a84206964892e6300e4a4c0a205",
    TEST_LIST: "adeeabf20ea2a8eb66ced87b78434400",
}


@dataclass(frozen=True, kw_only=True)
class Official:
    """See `splits.Split`; images are found in the lists by their base name.

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
            InputError: A list is missing, or is another than the published; an image stands in
                neither, or in both; a patient has images in both.
        """
        if not 0 < self.val < 1:
            raise InputError(f"split.val={self.val}: above 0 and below 1")
        listed = self._listed([Path(name).name for name in names])
        check_no_leak(groups, listed, names, what="the patient")
        others = [g for g, file in zip(groups, listed, strict=True) if file == TRAIN_VAL_LIST]
        order = shuffled_groups(others, self.split_seed, need=2)
        val = set(order[: min(max(1, round(self.val * len(order))), len(order) - 1)])
        return [
            TEST if file == TEST_LIST else VAL if group in val else TRAIN
            for group, file in zip(groups, listed, strict=True)
        ]

    def _listed(self, names: Sequence[str]) -> list[str]:
        """Which of the two files names each image."""
        test, rest = (self._names(file) for file in (TEST_LIST, TRAIN_VAL_LIST))
        for name in names:
            if (name in test) == (name in rest):
                found = "both" if name in test else "neither"
                raise InputError(
                    f"{name}: stands in {found} of {TEST_LIST} and {TRAIN_VAL_LIST} of "
                    f"{self.folder}; it has to stand in one"
                )
        return [TEST_LIST if name in test else TRAIN_VAL_LIST for name in names]

    def _names(self, file: str) -> set[str]:
        if self.folder is None or not (path := Path(self.folder) / file).is_file():
            raise InputError(
                f"{self.folder or 'split=official'}: no {file} here; split.folder=<folder> says "
                f"where {TRAIN_VAL_LIST} and {TEST_LIST} are"
            )
        found = hashlib.md5(content_of(path, most=MOST_BYTES), usedforsecurity=False).hexdigest()
        if self.verify and found != MD5[file]:
            raise InputError(
                f"{path}: is not the published list (MD5 {found}, expected {MD5[file]}); "
                f"split.verify=false takes lists of one's own"
            )
        return names_listed(path)
