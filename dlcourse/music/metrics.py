"""Metrics of next-note prediction; all see probabilities (M, K) and targets (M,).

Accuracy alone misleads here: most frames repeat the one before, so that copying is "good".
"""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy


class MeanNLL(Metric):
    """Mean negative log-likelihood of the targets, in nats a frame."""

    full_state_update = False
    higher_is_better = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("nats", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("frames", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Add frames: (M, K) and (M,)."""
        self.nats -= probabilities.gather(-1, targets[:, None]).double().log().sum()
        self.frames += len(targets)

    def compute(self) -> Tensor:
        """NaN when there was no frame."""
        return (self.nats / self.frames).float()


class Perplexity(MeanNLL):
    """exp of the mean negative log-likelihood: among how many equal choices the model wavers."""

    def compute(self) -> Tensor:
        """At least 1."""
        return super().compute().exp()


class ChangeAccuracy(Metric):
    """Accuracy over the frames where something happens; copying the last frame scores 0 there."""

    full_state_update = False
    higher_is_better = True

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("frames", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, targets: Tensor, changes: Tensor) -> None:
        """Add frames: (M, K), (M,) and a mask (M,)."""
        right = probabilities.argmax(-1) == targets
        self.right += (right & changes).sum()
        self.frames += changes.sum()

    def compute(self) -> Tensor:
        """NaN when nothing ever happened."""
        return self.right / self.frames


class Accuracy(MulticlassAccuracy):
    """torchmetrics' accuracy under this project's argument names."""

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        if len(targets):  # torchmetrics cannot reshape nothing
            super().update(probabilities, targets)

    def compute(self) -> Tensor:
        """NaN when there was no frame, where torchmetrics says 0."""
        counted = (self.tp + self.fn).sum() > 0
        return super().compute() if counted else torch.tensor(torch.nan, device=self.device)


def metric_collection(
    metrics: Mapping[str, Metric | Callable[[int], Metric]], num_classes: int
) -> MetricCollection:
    """The metrics of a config by the names they are logged under.

    A partial is one that needs the number of classes, and gets it here.
    """
    complete = {
        name: metric(num_classes) if isinstance(metric, partial) else metric
        for name, metric in metrics.items()
    }
    return MetricCollection(complete, compute_groups=False)
