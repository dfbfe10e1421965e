"""Ranking metrics of the detector; they see what every metric sees: questions (M, 2) and (M,).

For single numbers of a curve while training; `evaluation` has the intervals.
"""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc, binary_average_precision


class _Ranking(Metric):
    """The mean over the findings that have positives and negatives; NaN when none has.

    Args:
        num_findings: F; questions come image by image, F at a time.
    """

    full_state_update = False
    higher_is_better = True

    def __init__(self, num_findings: int) -> None:
        super().__init__()
        self.num_findings = num_findings
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("truths", [], dist_reduce_fx="cat")

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Add images: (N * F, 2) and (N * F,)."""
        self.scores.append(probabilities[:, 1].reshape(-1, self.num_findings))
        self.truths.append(targets.reshape(-1, self.num_findings))

    def compute(self) -> Tensor:
        """In [0, 1]."""
        values = [
            self.of_one(scores, truths)
            for scores, truths in zip(*map(self._columns, (self.scores, self.truths)), strict=True)
            if 0 < truths.sum() < len(truths)
        ]
        return torch.stack(values).mean() if values else torch.tensor(torch.nan, device=self.device)

    def _columns(self, parts: list[Tensor] | Tensor) -> Tensor:
        """(F, N), also before torchmetrics has joined what several processes gathered."""
        parts = parts if isinstance(parts, list) else [parts]
        return torch.cat(parts).T if parts else torch.zeros(self.num_findings, 0)

    def of_one(self, scores: Tensor, truths: Tensor) -> Tensor:
        """The metric of one finding: scores (N,) and truths (N,) of 0 and 1."""
        raise NotImplementedError


class AUROC(_Ranking):
    """Area under the ROC curve: how often a positive is ranked above a negative."""

    def of_one(self, scores: Tensor, truths: Tensor) -> Tensor:
        """See `_Ranking`."""
        return binary_auroc(scores, truths)


class AveragePrecision(_Ranking):
    """Area under the precision-recall curve; the share of positives for a coin."""

    def of_one(self, scores: Tensor, truths: Tensor) -> Tensor:
        """See `_Ranking`."""
        return binary_average_precision(scores, truths)
