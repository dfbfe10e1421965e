"""Radiographs as batches: read, split by patient, decoded once, and cut out of memory."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlcourse.data import Batch, BatchPlan, CourseData, one_at_a_time
from dlcourse.errors import InputError
from dlcourse.splits import SPLITS, TRAIN, Split
from dlcourse.xray.archive import write_ledger
from dlcourse.xray.radiographs import Radiographs, read_radiographs
from dlcourse.xray.sources import Source
from dlcourse.xray.studies import Study
from dlcourse.xray.subset import Subset


class RadiographData(CourseData):
    """Radiographs from a folder in the archive's layout.

    Args:
        source: Where the folder comes from when `root` does not name one.
        findings: Those that are asked for, in the order of the targets' columns.
        size: Pixels; images are squares of this size.
        split: Who is trained on and who is held out; None where the source has its own.
        subset: How many images with and without the (first) finding take part.
        balanced: Draw training batches with as many positives as negatives, with replacement.
        root: A folder in the archive's layout to use instead of the source's.
        index: The folder of its CSV files, where they are not in the root.
        data_dir: Where sources keep what they download or draw, and the cache lies.
    """

    ledger = "studies.csv"

    def __init__(
        self,
        *,
        source: Source,
        findings: Sequence[str],
        size: int,
        split: Split | None,
        subset: Subset,
        batch_size: int,
        seed: int,
        balanced: bool = False,
        root: str | None = None,
        index: str | None = None,
        data_dir: str = "data",
    ) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        if size < 16:
            raise InputError(f"data.size={size}: at least 16 pixels")
        self.source, self.findings, self.size = source, tuple(findings), size
        self.split, self.subset, self.balanced = split, subset, balanced
        self.root, self.index, self.data_dir = root, index, Path(data_dir)
        self.radiographs: Radiographs | None = None

    def prepare_data(self) -> None:
        """Download or draw the radiographs, once."""
        if self.root is None:
            with one_at_a_time(self.data_dir):
                self.source.folder(self.data_dir)

    def __getstate__(self) -> dict[str, Any]:
        """A process that is started reads them itself: a copy would be all images in memory."""
        return self.__dict__ | {"radiographs": None}

    def setup(self, stage: str = "fit") -> None:
        """Read, split and decode them, once."""
        if self.radiographs is None:
            self.radiographs = self._read()
            self._check_classes()

    def _read(self) -> Radiographs:
        folder = self.source.folder(self.data_dir) if self.root is None else Path(self.root)
        options = {"size": self.size, "subset": self.subset, "split": self.split}
        return read_radiographs(
            folder, index=self.index, cache=self.data_dir / "decoded", **options
        )

    def _check_classes(self) -> None:
        """Nothing can be learned or said of a finding that a split has not, or has nothing but."""
        for split in SPLITS:
            truths = self.truths[split]
            both = (truths.sum(axis=0) > 0) & (truths.sum(axis=0) < len(truths))
            if not both.any():
                raise InputError(
                    f"the split {split!r} has {len(truths)} images, {int(truths.any(1).sum())} of "
                    f"them with {' or '.join(self.findings)}: both kinds are needed; take other "
                    f"shares, another split_seed or more images"
                )

    @cached_property
    def items(self) -> dict[str, np.ndarray]:
        """For each split, the places (n,) of its images among all."""
        splits = np.array([study.split for study in self.radiographs.kept])
        return {split: np.flatnonzero(splits == split) for split in SPLITS}

    @cached_property
    def truths(self) -> dict[str, np.ndarray]:
        """For each split, the labels (n, F) uint8."""
        labels = [[study.has(f) for f in self.findings] for study in self.radiographs.kept]
        table = np.array(labels, dtype=np.uint8).reshape(-1, len(self.findings))
        return {split: table[items] for split, items in self.items.items()}

    def studies(self, split: str) -> list[Study]:
        """Those of a split, in the order of its items."""
        return [self.radiographs.kept[i] for i in self.items[split]]

    def images(self, split: str, items: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Images (N, H, W) uint8 of a split, copied out of the cache."""
        rows = self.radiographs.rows[self.items[split][items]]
        return np.asarray(self.radiographs.images[rows])

    def batch_plan(self) -> BatchPlan:
        """Over the training images; see `balanced`."""
        positive = self.truths[TRAIN].any(axis=1).astype(int)
        weights = 1.0 / np.bincount(positive)[positive] if self.balanced else None
        return BatchPlan(len(positive), self.batch_size, seed=self.seed, weights=weights)

    def held_out_size(self, split: str) -> tuple[int, int]:
        """All images, 64 a batch."""
        return len(self.items[split]), 64

    def fetch(self, split: str, items: np.ndarray) -> Batch:
        """Images (N, 1, H, W) uint8, targets (N, F) uint8, and the items (N,) int64 themselves."""
        return {
            "images": torch.from_numpy(self.images(split, items))[:, None],
            "targets": torch.from_numpy(self.truths[split][items]),
            "item": torch.from_numpy(items),
        }

    def class_counts(self) -> Tensor:
        """How many questions of the training split are answered "not so" and "so" (2,)."""
        truths = torch.from_numpy(self.truths[TRAIN]).long()
        return torch.bincount(truths.flatten(), minlength=2)

    def write_ledger(self, folder: Path) -> None:
        """`studies.csv`: every image found, and what became of it."""
        found = self.radiographs
        write_ledger(found.studies, folder / self.ledger, without_image=found.without_image)

    def facts(self) -> list[str]:
        """How many images take part."""
        found = self.radiographs
        left_out = len(found.studies) - len(found.kept)
        return [
            f"{len(found.kept)} images kept, {left_out} left out, {found.without_image} rows of "
            f"the index have no image here"
        ]
