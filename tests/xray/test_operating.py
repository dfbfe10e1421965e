"""Thresholds are the best by trying all; shares and their intervals are the textbook's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.xray.operating import choose_threshold, confusion, wilson
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
