"""Thresholds are the best by trying all; shares and their intervals are the textbook's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.intervals import cluster_bootstrap
from dlcourse.xray.operating import choose_threshold, confusion, share_interval, wilson
from dlcourse.xray.studies import FINDINGS, PNEUMOTHORAX
from tests.xray.chexnet import chexnet

SAMPLES = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40).filter(
    lambda rows: len({truth for truth, _ in rows}) == 2
)


@given(SAMPLES, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
@settings(max_examples=150, deadline=None)
def test_no_other_threshold_would_be_better(
    rows: list[tuple[bool, int]], sensitivity: float
) -> None:
    truths, scores = np.array([row[0] for row in rows]), np.array([row[1] / 7 for row in rows])
    tables = {value: confusion(truths, scores, value) for value in sorted(set(scores))}
    best = max(tables[value]["sensitivity"] + tables[value]["specificity"] for value in tables)
    chosen = tables[choose_threshold(truths, scores, "youden")]
    assert chosen["sensitivity"] + chosen["specificity"] == pytest.approx(best)
    enough = [v for v in tables if tables[v]["sensitivity"] >= sensitivity - 1e-12]
    assert choose_threshold(truths, scores, f"sensitivity={sensitivity}") == max(enough)


@given(SAMPLES, st.integers(0, 8))
@settings(max_examples=100, deadline=None)
def test_every_image_is_counted_once(rows: list[tuple[bool, int]], cut: int) -> None:
    truths, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    table = confusion(truths, scores, cut)
    counted = [sum(t and s >= cut for t, s in rows), sum(not t and s >= cut for t, s in rows)]
    assert [table["tp"], table["fp"]] == counted
    assert [table["tp"] + table["fn"], table["fp"] + table["tn"]] == [
        truths.sum(),
        (~truths).sum(),
    ]
    for name, part, rest in (
        ("sensitivity", "tp", "fn"),
        ("specificity", "tn", "fp"),
        ("ppv", "tp", "fp"),
        ("npv", "tn", "fn"),
    ):
        whole = table[part] + table[rest]
        assert table[name] == (pytest.approx(table[part] / whole) if whole else None)


def test_the_interval_of_a_share_is_wilsons() -> None:
    """Newcombe, Statistics in Medicine 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for part, whole, ends in (
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ):
        assert wilson(part, whole) == pytest.approx(ends, abs=5e-5)
        mirrored = tuple(1 - end for end in reversed(wilson(whole - part, whole)))
        assert mirrored == pytest.approx(ends, abs=5e-5)


def _shares_of_patients(patients: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that are right in 80 % of cases, one to eight of a patient, who has a share of his."""
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), rng.integers(1, 9, patients))
    return rng.random(len(owner)) < rng.beta(0.8, 0.2, patients)[owner], owner


def test_intervals_of_shares_cover_though_the_images_of_a_patient_are_alike() -> None:
    covered = np.zeros(2)
    for seed in range(400):
        right, owner = _shares_of_patients(60, seed=seed)
        for place, of in enumerate((owner, np.arange(len(owner)))):
            low, high = share_interval(right, of)
            covered[place] += low <= 0.8 <= high
    assert 0.91 < covered[0] / 400 < 0.97
    assert covered[1] / 400 < 0.8, "as if images were independent"


def test_a_share_of_patients_with_one_image_each_has_wilsons_interval() -> None:
    right = np.arange(40) < 31
    assert share_interval(right, np.arange(40)) == pytest.approx(wilson(31, 40), abs=4e-3)
    copied = share_interval(np.repeat(right, 5), np.repeat(np.arange(40), 5))
    assert copied == pytest.approx(share_interval(right, np.arange(40)))
    perfect = share_interval(np.ones(40, bool), np.repeat(np.arange(8), 5))
    assert perfect == pytest.approx(wilson(8, 8))
    assert share_interval(right, np.zeros(40)) is None


def test_what_is_not_defined_is_none() -> None:
    table = confusion(np.array([0, 0]), np.array([0.1, 0.2]), 0.5)
    for name in ("sensitivity", "ppv"):
        assert table[name] is None
        assert table[f"{name}_interval"] is None
    assert (table["specificity"], table["npv"]) == (1.0, 1.0)
    negatives, positives = np.zeros(3), np.ones(3)
    scores = np.array([0.2, 0.4, 0.6])
    assert choose_threshold(negatives, scores, "youden") is None
    assert choose_threshold(positives, scores, "youden") is None
    assert choose_threshold(negatives, scores, "sensitivity=0.90") is None
    assert choose_threshold(positives, scores, "sensitivity=0.90") == 0.2
    assert choose_threshold(np.array([]), np.array([]), "youden") is None
    assert choose_threshold(negatives, scores, "0.5") == 0.5


@pytest.mark.parametrize("rule", ["best", "1.5", "sensitivity=90", "sensitivity=", "nan"])
def test_an_unknown_rule_is_refused_in_one_line(rule: str) -> None:
    with pytest.raises(InputError, match="youden") as error:
        choose_threshold(np.array([0, 1]), np.array([0.1, 0.9]), rule)
    assert "\n" not in str(error.value)


def test_the_published_predictions_have_their_published_operating_points() -> None:
    scored, place = chexnet(), FINDINGS.index(PNEUMOTHORAX)
    truths, scores = scored.truths[:, place], scored.probabilities[:, place]
    assert confusion(truths, scores, 0.5)["sensitivity"] == pytest.approx(0.177, abs=5e-4)
    threshold = choose_threshold(truths, scores, "youden")
    assert threshold == pytest.approx(0.0278, abs=5e-5)
    table = confusion(truths, scores, threshold)
    assert table["sensitivity"] == pytest.approx(0.820, abs=5e-4)
    assert table["specificity"] == pytest.approx(0.783, abs=5e-4)
    # As wide as the bootstrap over patients, twice as wide as if images were independent.
    _, owner = np.unique(scored.patients, return_inverse=True)
    found = truths & (scores >= threshold)
    sums, counts = np.bincount(owner, weights=found), np.bincount(owner, weights=truths)
    by_patient = confusion(truths, scores, threshold, patients=scored.patients)
    expected = cluster_bootstrap(sums, counts)
    assert by_patient["sensitivity_interval"] == pytest.approx(expected, abs=0.006)
    widths = [np.diff(t["sensitivity_interval"])[0] for t in (table, by_patient)]
    assert widths[1] > 1.7 * widths[0]


def test_a_ranking_the_wrong_way_round_still_has_a_finite_youden_threshold() -> None:
    truths, scores = np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.8, 0.9])
    assert choose_threshold(truths, scores, "youden") == 0.1
