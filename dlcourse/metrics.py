"""Metrics that both labs use; they see probabilities (M, K) and targets (M,), never logits.

Likelihoods see nats (M,), of each target: a probability is nothing from 745 nats on.
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy


class MeanNLL(Metric):
    """Mean negative log-likelihood of the targets, in nats a target (frame, radiograph)."""

    full_state_update = False
    higher_is_better = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nats", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("frames", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, nats: Tensor) -> None:
        """Add targets: (M,) float64, what each cost."""
        self.nats += nats.sum()
        self.frames += len(nats)

    def compute(self) -> Tensor:
        """NaN when there was no target."""
        return (self.nats / self.frames).float()


class Accuracy(MulticlassAccuracy):
    """torchmetrics' accuracy under this project's argument names."""

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        if len(targets):  # torchmetrics cannot reshape nothing
            super().update(probabilities, targets)

    def compute(self) -> Tensor:
        """NaN when there was no target, where torchmetrics says 0.

        Nor has a class that never came a share of the mean over classes: torchmetrics counts one
        that was predicted as one that was never got right.
        """
        right, came = self.tp, self.tp + self.fn
        if self.average in (None, "none"):
            return right / came
        return (
            (right / came)[came > 0].mean() if self.average == "macro" else right.sum() / came.sum()
        )


def metric_collection(
    metrics: Mapping[str, Metric | Callable[[int], Metric]], size: int
) -> MetricCollection:
    """The metrics of a config by the names they are logged under.

    A partial is one that needs the task's size (number of classes or findings), and gets it here.
    """
    complete = {
        name: metric(size) if isinstance(metric, partial) else metric
        for name, metric in metrics.items()
    }
    return MetricCollection(complete, compute_groups=False)
