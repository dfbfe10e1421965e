"""Whether of what is called 20 % likely one in five comes true.

Sources: Brier, Verification of forecasts, 1950; Guo et al., On calibration of modern neural
networks, ICML 2017 (the expected calibration error).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of similar probability, empty ones left out; all arrays (B,).

    Attributes:
        low: Where each bin begins.
        high: Where it ends.
        counts: How many predictions are in it.
        mean: Mean predicted probability.
        observed: Share of those that came true.
    """

    low: np.ndarray
    high: np.ndarray
    counts: np.ndarray
    mean: np.ndarray
    observed: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of what is predicted from what is seen.

        NaN of no prediction.
        """
        gaps, total = np.abs(self.mean - self.observed), self.counts.sum()
        return float((self.counts * gaps).sum() / total) if total else math.nan


def reliability(
    y_true: np.ndarray,
    probabilities: np.ndarray,
    *,
    bins: int = 10,
    kind: Literal["equal mass", "equal width"] = "equal mass",
) -> Reliability:
    """Sort predictions into bins by their probability.

    Args:
        y_true: (N,) 1 or True for what came true.
        probabilities: (N,) in 0..1.
        bins: How many at most; equal probabilities always stand in the same bin.
        kind: Bins of as many predictions each, which suits rare events; or [0, .1], (.1, .2], ...
    """
    truths, predicted = np.asarray(y_true, float), np.asarray(probabilities, float)
    if kind == "equal mass" and len(predicted):
        edges = np.quantile(predicted, np.linspace(0, 1, bins + 1))
    else:
        edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], predicted)
    counts = np.bincount(place, minlength=bins)
    full = counts > 0
    mean, observed = (
        np.bincount(place, weights=values, minlength=bins)[full] / counts[full]
        for values in (predicted, truths)
    )
    return Reliability(edges[:-1][full], edges[1:][full], counts[full], mean, observed)


def brier(y_true: np.ndarray, probabilities: np.ndarray) -> float:
    """Brier score: mean squared distance of the probability from what is true; 0 is best.

    NaN of no prediction.
    """
    squares = (np.asarray(probabilities, float) - np.asarray(y_true, float)) ** 2
    return float(squares.mean()) if len(squares) else math.nan
