"""The bootstrap over clusters covers what it says, and says nothing where it cannot."""

import numpy as np
import pytest

from dlcourse.intervals import cluster_bootstrap


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    """Clusters of unequal size with an effect of their own: frames alone would cover far less."""
    rng = np.random.default_rng(0)
    covered = dict.fromkeys((0.95, 0.5), 0)
    for _ in range(300):
        counts = rng.integers(20, 100, 40).astype(float)
        means = 1.3 + rng.normal(0, 0.4, 40)
        sums = counts * means + rng.normal(0, 1, 40) * np.sqrt(counts)
        for level in covered:
            low, high = cluster_bootstrap(sums, counts, level=level)
            covered[level] += low <= 1.3 <= high
    assert 0.90 < covered[0.95] / 300 < 0.985
    assert 0.41 < covered[0.5] / 300 < 0.59


def test_the_interval_is_that_of_draws_made_one_by_one() -> None:
    sums, counts = np.array([3.0, 10.0, 1.0, 7.0]), np.array([1.0, 5.0, 1.0, 2.0])
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(20_000):
        picks = rng.integers(4, size=4)
        draws.append(sum(sums[i] for i in picks) / sum(counts[i] for i in picks))
    expected = np.quantile(draws, [0.1, 0.9])
    assert cluster_bootstrap(sums, counts, level=0.8) == pytest.approx(expected, abs=0.08)


def test_clusters_that_agree_leave_no_doubt_and_one_cluster_leaves_nothing_to_say() -> None:
    counts = np.array([1.0, 20.0, 3.0])
    assert cluster_bootstrap(2.5 * counts, counts) == pytest.approx((2.5, 2.5))
    assert cluster_bootstrap(counts[:1], counts[:1]) is None
    assert cluster_bootstrap(counts[:0], counts[:0]) is None


def test_the_seed_decides_and_a_higher_level_is_wider() -> None:
    sums, counts = np.arange(10.0) ** 1.5, np.ones(10)
    assert cluster_bootstrap(sums, counts) == cluster_bootstrap(sums, counts)
    assert cluster_bootstrap(sums, counts, seed=1) != cluster_bootstrap(sums, counts)
    (wide_low, wide_high), (low, high) = (
        cluster_bootstrap(sums, counts, level=level) for level in (0.99, 0.9)
    )
    assert wide_low < low < high < wide_high
