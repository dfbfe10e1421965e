"""The areas are those of scikit-learn and of counting pairs, ties and all."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from dlcourse.xray.roc import compute_pr, compute_roc
from dlcourse.xray.studies import FINDINGS, PNEUMOTHORAX
from tests.xray.chexnet import chexnet

PLACE = FINDINGS.index(PNEUMOTHORAX)
# Few distinct scores, so that most are tied; both classes.
SAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: len({truth for truth, _ in rows}) == 2
)


def _arrays(rows: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([row[0] for row in rows]), np.array([row[1] / 7 for row in rows])


@given(SAMPLES)
@settings(max_examples=150, deadline=None)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[bool, int]]) -> None:
    truths, scores = _arrays(rows)
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in scores[truths]
        for low in scores[~truths]
    ]
    assert compute_roc(truths, scores)[2] == pytest.approx(np.mean(pairs))


@given(SAMPLES)
@settings(max_examples=150, deadline=None)
def test_curves_and_average_are_those_of_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    truths, scores = _arrays(rows)
    fpr, tpr, _ = compute_roc(truths, scores)
    expected = roc_curve(truths, scores, drop_intermediate=False)
    np.testing.assert_allclose((fpr, tpr), expected[:2])
    precision, recall, average = compute_pr(truths, scores)
    expected = precision_recall_curve(truths, scores)
    np.testing.assert_allclose((precision[::-1], recall[::-1]), expected[:2])
    assert average == pytest.approx(average_precision_score(truths, scores))


@given(SAMPLES)
@settings(max_examples=100, deadline=None)
def test_only_the_order_counts_and_swapping_the_classes_mirrors(
    rows: list[tuple[bool, int]],
) -> None:
    truths, scores = _arrays(rows)
    area = compute_roc(truths, scores)[2]
    bent = np.exp(3 * scores) - 5
    assert compute_roc(truths, bent)[2] == area
    assert compute_pr(truths, bent)[2] == compute_pr(truths, scores)[2]
    assert compute_roc(~truths, scores)[2] == pytest.approx(1 - area)
    assert compute_roc(~truths, -scores)[2] == pytest.approx(area)


def test_a_constant_score_has_one_half_and_its_prevalence() -> None:
    truths = np.array([1, 0, 0, 0, 1])
    assert compute_roc(truths, np.full(5, 0.3))[2] == 0.5
    assert compute_pr(truths, np.full(5, 0.3))[2] == 0.4


@pytest.mark.parametrize("truths", [[0, 0, 0], [1, 1, 1]])
def test_one_class_has_no_area(truths: list[int]) -> None:
    scores = np.array([0.1, 0.2, 0.3])
    assert math.isnan(compute_roc(np.array(truths), scores)[2])
    assert math.isnan(compute_pr(np.array(truths), scores)[2]) == (truths[0] == 0)


def test_the_published_predictions_reach_their_published_areas() -> None:
    scored = chexnet()
    truths = scored.truths[:, PLACE]
    areas = [compute_roc(truths, column)[2] for column in scored.probabilities.T]
    assert areas[PLACE] == pytest.approx(0.8776145, abs=1e-6)
    assert compute_pr(truths, scored.probabilities[:, PLACE])[2] == pytest.approx(0.342, abs=5e-4)
    # The neighbouring columns would be read by a list of findings in another order.
    assert all(area < 0.85 for place, area in enumerate(areas) if place != PLACE)
