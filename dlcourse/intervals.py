"""Intervals that respect how small the sample is: whole songs or patients are resampled."""

import numpy as np

_RESAMPLES = 2000


def cluster_bootstrap(
    sums: np.ndarray, counts: np.ndarray, *, level: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile interval of sum(sums) / sum(counts) when clusters are drawn with replacement.

    Args:
        sums: (S,) what each cluster (song, patient) adds to the numerator.
        counts: (S,) what it adds to the denominator.
        level: Probability covered.

    Returns:
        Lower and upper end; None for fewer than two clusters that add to the denominator, which
        say nothing of a spread. Resamples that divide by nothing are left out.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    if np.count_nonzero(counts) < 2:
        return None
    draws = np.random.default_rng(seed).integers(len(sums), size=(_RESAMPLES, len(sums)))
    parts, wholes = sums[draws].sum(axis=1), counts[draws].sum(axis=1)
    means = parts[wholes > 0] / wholes[wholes > 0]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
