"""How sure a ranking is: patients, who come with all their images, are drawn anew.

Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; for clustered
ROC curves: Rutter, Bootstrap estimation of diagnostic accuracy with patient-clustered data,
Academic Radiology 2000.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
_CHUNK = 2_000_000  # weights held at once: 16 MB


@dataclass(frozen=True, eq=False)
class Resampled:
    """What S rows of scores reach on the same R resamples of the patients.

    Attributes:
        auroc: (S, R).
        average_precision: (S, R).
    """

    auroc: np.ndarray
    average_precision: np.ndarray


def interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of resampled values (R,); of a difference: pass the paired difference."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_ranking(
    y_true: np.ndarray,
    scores: np.ndarray,
    patients: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Resampled | None:
    """AUROC and average precision when patients are drawn with replacement.

    Args:
        y_true: (N,) 1 or True for a positive.
        scores: (N,), or (S, N) for several rows on the same resamples.
        patients: (N,) whose image each is.

    Returns:
        None where fewer than two patients have a positive image, or fewer than two a negative: such
        a sample says nothing of a spread. Resamples with one class only are left out.
    """
    truths, rows = np.asarray(y_true).astype(bool), np.atleast_2d(scores)
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    if min(len(np.unique(owner[truths])), len(np.unique(owner[~truths]))) < 2:
        return None
    rankings = [_Ranking(truths, row, owner) for row in rows]
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // len(truths))
    parts = []
    for start in range(0, resamples, step):
        drawn = _draw(rng, min(step, resamples - start), len(names))
        positives, images = drawn[:, owner[truths]].sum(1), drawn[:, owner].sum(1)
        drawn = drawn[(positives > 0) & (positives < images)]
        parts.append([ranking.areas(drawn) for ranking in rankings])
    auroc, average = np.concatenate(parts, axis=2).transpose(1, 0, 2)
    return Resampled(auroc, average)


def _draw(rng: np.random.Generator, times: int, patients: int) -> np.ndarray:
    """How often each patient is drawn (times, patients)."""
    picks = rng.integers(patients, size=(times, patients))
    picks += patients * np.arange(times)[:, None]
    return np.bincount(picks.ravel(), minlength=times * patients).reshape(times, patients)


class _Ranking:
    """One row of scores, sorted once; every resample only weighs its images anew."""

    def __init__(self, truths: np.ndarray, scores: np.ndarray, owner: np.ndarray) -> None:
        order = np.argsort(-scores, kind="stable")
        truths, scores = truths[order], scores[order]
        self.owner = owner[order]
        self.positives = np.flatnonzero(truths)
        values = scores[self.positives]
        # Where among the positives each group of tied ones begins, and where among all images the
        # images of the same score begin and end. Other scores add nothing to either area.
        self.groups = np.flatnonzero(np.append(True, np.diff(values) != 0))
        self.begin = np.searchsorted(-scores, -values[self.groups], side="left")
        self.end = np.searchsorted(-scores, -values[self.groups], side="right")

    def areas(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """AUROC (R,) and average precision (R,) for patients drawn (R, P) times."""
        weights = drawn[:, self.owner]
        hits = np.add.reduceat(weights[:, self.positives], self.groups, axis=1)
        called = np.zeros((len(drawn), weights.shape[1] + 1), weights.dtype)
        np.cumsum(weights, axis=1, out=called[:, 1:])
        before, after, total = called[:, self.begin], called[:, self.end], called[:, -1]
        all_hits = hits.cumsum(axis=1)
        positives = all_hits[:, -1]
        alarms = (after - all_hits) + (before - (all_hits - hits))  # twice those above, ties half
        auroc = 1 - (hits * alarms).sum(1) / (2 * positives * (total - positives))
        average = (hits * all_hits / np.maximum(after, 1)).sum(1) / positives
        return auroc, average
