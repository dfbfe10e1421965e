"""Metrics of next-note prediction; all see probabilities (M, K) and targets (M,).

Accuracy alone misleads here: most frames repeat the one before, so that copying is "good".
"""

import torch
from torch import Tensor
from torchmetrics import Metric

# Run folders of before call the accuracy by this module's name.
from dlcourse.metrics import Accuracy, MeanNLL

__all__ = ["Accuracy", "ChangeAccuracy", "MeanNLL", "Perplexity"]


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
