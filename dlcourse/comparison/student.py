"""Student's t for whole degrees of freedom, in closed form.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.7.3 and 26.7.4.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev

_LEVEL = 0.95


def central_probability(t: float, df: int) -> float:
    """P(|T| <= |t|) of Student's distribution with `df` degrees of freedom, at least 1."""
    angle = math.atan2(abs(t), math.sqrt(df))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = df % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(1 + odd, df, 2):  # the series' factors are 2/3, 4/5, ... or 1/2, 3/4, ...
        total += term
        term *= k / (k + 1) * cosine**2
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def quantile(level: float, df: int) -> float:
    """The t for which P(|T| <= t) is `level`, by bisection."""
    low, high = 0.0, 1.0
    while central_probability(high, df) < level:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if central_probability(middle, df) < level else (low, middle)
    return high


def vary(values: Sequence[float]) -> bool:
    """Whether values differ, by more than rounding."""
    return bool(values) and max(values) - min(values) > 1e-9 * max(map(abs, values))


def mean_interval(values: Sequence[float], *, level: float = _LEVEL) -> tuple[float, float] | None:
    """The interval of a mean whose values are taken to be normal; None where they do not vary.

    Fewer than two do not, nor do equal ones: on a small test split metrics come in steps, and the
    same step twice is no certainty.
    """
    if not vary(values):
        return None
    half = quantile(level, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def two_sided_p(values: Sequence[float]) -> float | None:
    """Of the hypothesis that the values' mean is 0; None where they do not vary."""
    if not vary(values):
        return None
    mean, error = fmean(values), stdev(values) / math.sqrt(len(values))
    return 1 - central_probability(mean / error, len(values) - 1)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusted for all of them being looked at; those that are None are not counted.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    places = sorted((i for i, p in enumerate(ps) if p is not None), key=lambda i: ps[i] or 0.0)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, place in enumerate(places):
        highest = max(highest, min(1.0, (len(places) - rank) * (ps[place] or 0.0)))
        adjusted[place] = highest
    return adjusted
