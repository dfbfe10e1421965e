"""Bins and scores are those of scikit-learn, and a calibrated forecast is seen to be one."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from dlcourse.calibration import brier, reliability


def _forecast(images: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truths drawn from the very probabilities."""
    rng = np.random.default_rng(seed)
    probabilities = rng.beta(0.5, 3, images)
    return rng.random(images) < probabilities, probabilities


@pytest.mark.parametrize(
    ("kind", "strategy"), [("equal width", "uniform"), ("equal mass", "quantile")]
)
def test_bins_are_those_of_scikit_learn(kind: str, strategy: str) -> None:
    truths, probabilities = _forecast(500)
    bins = reliability(truths, probabilities, bins=8, kind=kind)
    observed, mean = calibration_curve(truths, probabilities, n_bins=8, strategy=strategy)
    np.testing.assert_allclose(bins.observed, observed)
    np.testing.assert_allclose(bins.mean, mean)
    assert bins.counts.sum() == 500


def test_brier_is_that_of_scikit_learn() -> None:
    truths, probabilities = _forecast(200)
    assert brier(truths, probabilities) == pytest.approx(brier_score_loss(truths, probabilities))


def test_brier_is_reliability_minus_resolution_plus_uncertainty() -> None:
    """Murphy, Journal of Applied Meteorology 1973: exact where a bin holds one probability."""
    rng = np.random.default_rng(0)
    probabilities = rng.choice([0.05, 0.25, 0.55, 0.95], 300)
    truths = rng.random(300) < 0.8 * probabilities
    bins, base = reliability(truths, probabilities, kind="equal width"), truths.mean()
    assert len(bins.counts) == 4
    unreliable = np.average((bins.mean - bins.observed) ** 2, weights=bins.counts)
    resolved = np.average((bins.observed - base) ** 2, weights=bins.counts)
    expected = unreliable - resolved + base * (1 - base)
    assert brier(truths, probabilities) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["equal width", "equal mass"])
def test_the_error_is_small_when_calibrated_and_the_shift_when_shifted(kind: str) -> None:
    truths, probabilities = _forecast(40_000)
    assert reliability(truths, probabilities, kind=kind).ece < 0.01
    shifted = 0.8 * probabilities + 0.2
    # Every forecast moved up by .2 (1 - p), on average as far as the mean moved.
    moved = float((shifted - probabilities).mean())
    assert reliability(truths, shifted, kind=kind).ece == pytest.approx(moved, abs=0.01)


def test_by_hand() -> None:
    """Two bins, gaps .1 and .3: ECE (3 * .1 + 1 * .3) / 4."""
    truths, probabilities = np.array([0, 0, 1, 1]), np.array([7 / 30, 7 / 30, 7 / 30, 0.7])
    bins = reliability(truths, probabilities, bins=2, kind="equal width")
    np.testing.assert_array_equal(bins.counts, [3, 1])
    np.testing.assert_allclose(bins.mean - bins.observed, [-0.1, -0.3])
    assert bins.ece == pytest.approx(0.15)


def test_equal_probabilities_share_a_bin() -> None:
    truths, probabilities = np.arange(50) % 5 == 0, np.full(50, 0.2)
    bins = reliability(truths, probabilities)
    np.testing.assert_array_equal(bins.counts, [50])
    assert bins.ece == pytest.approx(0)
