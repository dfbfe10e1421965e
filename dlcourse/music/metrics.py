"""Metrics of next-note prediction; all see probabilities (M, K) and targets (M,).

Accuracy alone misleads here: most frames repeat the one before, so that copying is "good".
"""

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


def note_metrics(num_classes: int) -> MetricCollection:
    """The metrics of the course, by the names they are logged under."""
    return MetricCollection(
        {
            "nll": MeanNLL(),
            "perplexity": Perplexity(),
            "top1": _Accuracy(num_classes, average="micro"),
            "top3": _Accuracy(num_classes, average="micro", top_k=3),
            "per_class": _Accuracy(num_classes, average="macro"),
            "change": ChangeAccuracy(),
        },
        compute_groups=False,
    )


class _Accuracy(MulticlassAccuracy):
    """torchmetrics' accuracy under this project's argument names."""

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        if len(targets):  # torchmetrics cannot reshape nothing
            super().update(probabilities, targets)

    def compute(self) -> Tensor:
        """NaN when there was no frame, where torchmetrics says 0."""
        counted = (self.tp + self.fn).sum() > 0
        return super().compute() if counted else torch.tensor(torch.nan, device=self.device)
