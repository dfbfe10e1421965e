"""Losses over logits, beside those of torch.nn.

A loss takes logits (N, K) and targets (N,) int64 and gives the mean over the N. One that needs the
training split's class counts is a partial in its config file and gets them when a run is built.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlcourse.errors import InputError


class FocalLoss(nn.Module):
    """(1 - p)^gamma times the cross-entropy: what is known already counts for less.

    Equals cross-entropy for gamma = 0. Source: Lin et al., Focal Loss for Dense Object Detection,
    ICCV 2017, equation 4.
    """

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Scalar mean over the targets."""
        log_p = F.log_softmax(logits, dim=-1).gather(-1, targets[:, None]).squeeze(-1)
        # The slope of x^gamma at 0 is infinite for gamma below 1: keep away from it.
        missing = (-torch.expm1(log_p)).clamp(min=1e-12)
        return -(missing**self.gamma * log_p).mean()


class ClassWeightedCrossEntropy(nn.Module):
    """Cross-entropy with rare classes weighted up by their effective number of samples.

    w_k is proportional to (1 - beta) / (1 - beta^n_k), scaled to a mean of 1 over the classes that
    occur; beta = 0 weights all alike, beta -> 1 by inverse frequency. A class that never occurs
    has weight 0: it cannot be a target. Source: Cui et al., Class-Balanced Loss Based on Effective
    Number of Samples, CVPR 2019, equation 3.
    """

    def __init__(self, class_counts: Tensor, *, beta: float = 0.999) -> None:
        super().__init__()
        if not 0 <= beta < 1:
            raise InputError(f"loss.beta={beta}: at least 0, below 1")
        counts = class_counts.double()
        weights = (1 - beta) / (1 - beta**counts).clamp(min=1e-12)
        weights = torch.where(counts > 0, weights, 0.0)
        mean = weights.sum() / (counts > 0).sum().clamp(min=1)
        self.register_buffer("weight", (weights / mean).float(), persistent=False)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Scalar mean, weighted by the targets' classes."""
        return F.cross_entropy(logits, targets, weight=self.weight)


class BrierLoss(nn.Module):
    """Squared distance between the predicted distribution and the one-hot truth, in [0, 2].

    A proper scoring rule, as cross-entropy is, but bounded. Source: Brier, Verification of
    Forecasts Expressed in Terms of Probability, Monthly Weather Review 1950.
    """

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Scalar mean over the targets."""
        p = logits.softmax(dim=-1)
        truth = p.gather(-1, targets[:, None]).squeeze(-1)
        return (p.square().sum(dim=-1) - 2 * truth + 1).mean()


class BinaryCrossEntropy(nn.Module):
    """Every class is asked whether it is the truth: -log p for the true one, -log(1 - p) else.

    The p are those of the softmax. Two classes have one question: then this is cross-entropy, but
    for `pos_weight`; with K classes it is the sum over K one-against-all questions. Source:
    Bishop, Pattern Recognition and Machine Learning, 2006, equation 4.90.

    Args:
        pos_weight: How much a yes counts against a no; above 1 where positives are rare.
    """

    def __init__(self, pos_weight: float = 1.0) -> None:
        super().__init__()
        if pos_weight <= 0:
            raise InputError(f"loss.pos_weight={pos_weight}: above 0")
        self.pos_weight = pos_weight

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Scalar mean over the targets."""
        first = 1 if logits.shape[-1] == 2 else 0  # of two questions one answers the other
        log_p = F.log_softmax(logits, dim=-1)
        log_not = (-torch.expm1(log_p)).clamp(min=1e-12).log() if first == 0 else log_p.flip(-1)
        truth = F.one_hot(targets, logits.shape[-1]).bool()
        each = -torch.where(truth, self.pos_weight * log_p, log_not)
        return each[:, first:].sum(dim=-1).mean()
