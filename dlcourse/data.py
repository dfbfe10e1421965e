"""Batches as a pure function of (seed, step), and the data module both wings build on.

Nothing about the order of the data has to be saved: whoever knows the step knows the batch, so a
resumed run sees what the uninterrupted one would have seen. Where several processes (ranks) train
one network, each takes its share of the same batch.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningDataModule
from torch import Tensor

from dlcourse.alone import alone
from dlcourse.errors import InputError
from dlcourse.files import clear_partials
from dlcourse.splits import TEST, TRAIN, VAL

Batch = dict[str, Any]


class BatchPlan:
    """Which items make up the batch of a step.

    Without weights every epoch is a fresh permutation, cut into equal batches (what is left over
    rests until the next permutation). With weights every batch is drawn with replacement.

    Args:
        size: Number of items, or of weights.
        batch_size: Items a batch; at most `size`.
        seed: The training seed.
        weights: (size,) relative chances of being drawn.
    """

    def __init__(
        self, size: int, batch_size: int, *, seed: int, weights: np.ndarray | None = None
    ) -> None:
        if size < 1 or batch_size < 1:
            raise InputError(f"{size} training items in batches of {batch_size}: both at least 1")
        self.size, self.seed = size, seed
        self.batch_size = min(batch_size, size)
        self.steps_per_epoch = max(1, size // batch_size)
        self._cumulative = None if weights is None else np.cumsum(weights) / np.sum(weights)
        self._epoch, self._order = -1, np.zeros(0, dtype=np.int64)

    def indices(self, step: int) -> np.ndarray:
        """The items (batch_size,) int64 of optimizer step `step`, counted from 0."""
        epoch, batch = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._epoch_order(epoch)
        return self._order[batch * self.batch_size : (batch + 1) * self.batch_size]

    def _epoch_order(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, epoch])
        if self._cumulative is None:
            return rng.permutation(self.size)
        draws = rng.random(self.steps_per_epoch * self.batch_size)
        return np.searchsorted(self._cumulative, draws, side="right").clip(max=self.size - 1)


class StepBatches:
    """An epoch's batches from the current step on, for Lightning to iterate over.

    Args:
        plan: Of the whole batches.
        fetch: Makes a batch of items.
        current_step: Optimizer steps done.
        rank: Whose share of every batch: the items `rank`, `rank + ranks`, ... of it. Shares need
            not be equal; see `Task.training_step`.
        ranks: Processes among which a batch is divided.
    """

    def __init__(
        self,
        plan: BatchPlan,
        fetch: Callable[[np.ndarray], Batch],
        *,
        current_step: Callable[[], int],
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if plan.batch_size < ranks:
            raise InputError(
                f"{ranks} devices, but a batch has {plan.batch_size} items: at least one item for "
                f"each; raise data.batch_size or lower trainer.devices"
            )
        self.plan, self.fetch, self.current_step = plan, fetch, current_step
        self.share = slice(rank, None, ranks)

    def __len__(self) -> int:
        return self.plan.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        first = self.current_step()
        last = (first // len(self) + 1) * len(self)
        return (self.fetch(self.plan.indices(step)[self.share]) for step in range(first, last))

    # Lightning asks for these before it believes that a loader can go on in mid-epoch.
    def state_dict(self) -> dict[str, Any]:
        """Nothing: the step is all there is to know."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: the step is all there is to know."""


class HeldOutBatches:
    """The same batches in the same order every time.

    Of several ranks each takes the items `rank`, `rank + ranks`, ...: every item once, none twice
    to make shares equal, so that the metrics are those of one process.

    Args:
        size: Items of the split.
        batch_size: Items a batch.
        fetch: Makes a batch of items.
        rank: Whose share.
        ranks: Processes among which the split is divided.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        fetch: Callable[[np.ndarray], Batch],
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        if size < ranks:  # who has no batch never comes to where the others wait with their metrics
            raise InputError(
                f"{ranks} devices, but a held-out split has {size} items: at least one for each; "
                f"lower trainer.devices or hold out more"
            )
        self.items = np.arange(rank, size, ranks)
        self.batch_size, self.fetch = batch_size, fetch

    def __len__(self) -> int:
        return -(-len(self.items) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, len(self.items), self.batch_size):
            yield self.fetch(self.items[first : first + self.batch_size])


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process after the other come in: what the first has fetched, the others find.

    What a killed one has left half written is removed. In a folder that nobody may write into
    nothing is fetched, and nobody waits.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        yield
        return
    with alone(folder / "preparing"):
        for pattern in ("", "*/"):  # no deeper: there may be 100,000 images
            clear_partials(folder, pattern)
        yield


class CourseData(LightningDataModule, ABC):
    """What the two data modules share: three splits, one way to make a loader.

    Args:
        batch_size: Items an optimizer step.
        seed: The training seed; the split has its own.

    Attributes:
        ledger: The file that `write_ledger` leaves.
    """

    ledger: str

    def __init__(self, *, batch_size: int, seed: int) -> None:
        super().__init__()
        self.batch_size, self.seed = batch_size, seed

    @abstractmethod
    def batch_plan(self) -> BatchPlan:
        """The plan of the training split."""

    @abstractmethod
    def fetch(self, split: str, items: np.ndarray) -> Batch:
        """The batch of these items (N,) of a split, gathered without a loop over them."""

    @abstractmethod
    def class_counts(self) -> Tensor:
        """How often each class (K,) occurs in the training split."""

    @abstractmethod
    def write_ledger(self, folder: Path) -> None:
        """Leave a list of everything that was found: kept or dropped, why, its split and SHA-1."""

    @abstractmethod
    def facts(self) -> list[str]:
        """What the ledger comes to, in lines for the log."""

    @abstractmethod
    def held_out_size(self, split: str) -> tuple[int, int]:
        """Number of items of a held-out split, and how many of them make a batch."""

    def train_dataloader(self) -> StepBatches:
        """Keyed by (seed, step); this rank's share."""
        return StepBatches(
            self.batch_plan(),
            lambda items: self.fetch(TRAIN, items),
            current_step=lambda: self.trainer.global_step,
            **self._share(),
        )

    def val_dataloader(self) -> HeldOutBatches:
        """The validation split, in order."""
        return self._held_out(VAL)

    def test_dataloader(self) -> HeldOutBatches:
        """The test split, in order."""
        return self._held_out(TEST)

    def _held_out(self, split: str) -> HeldOutBatches:
        size, batch_size = self.held_out_size(split)
        return HeldOutBatches(
            size, batch_size, lambda items: self.fetch(split, items), **self._share()
        )

    def _share(self) -> dict[str, int]:
        if self.trainer is None:  # looked at without a Trainer
            return {}
        return {"rank": self.trainer.global_rank, "ranks": self.trainer.world_size}
