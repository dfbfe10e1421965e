"""Median and 5 to 95 % range of a number over songs, and what lies outside."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LOW, HIGH = "low", "high"
OUTSIDE = 0.05  # share of real songs beyond each end of their range


@dataclass(frozen=True)
class Spread:
    """Quantiles over songs: `low` and `high` leave a share of `OUTSIDE` beyond each."""

    median: float
    low: float
    high: float

    def mark(self, value: float | None) -> str:
        """Where a value lies outside: "low", "high", or "" for inside and for no value."""
        if value is None:
            return ""
        return LOW if value < self.low else HIGH if value > self.high else ""


def spread(values: Iterable[float | None], *, outside: float = OUTSIDE) -> Spread | None:
    """The spread of the values that there are; None where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, median, high = np.quantile(known, [outside, 0.5, 1 - outside]).tolist()
    return Spread(median, low, high)
