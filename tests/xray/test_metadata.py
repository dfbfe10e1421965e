"""The baseline is scikit-learn's logistic regression, and reaches its measured area."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from dlcourse.xray.metadata import FEATURES, features, fit_metadata
from dlcourse.xray.roc import compute_roc
from dlcourse.xray.studies import PNEUMOTHORAX, Study
from tests.xray.chexnet import DATA, chexnet, index


def _studies(images: int) -> list[Study]:
    rng = np.random.default_rng(0)
    return [
        Study(
            f"{i}.png",
            None,
            str(i),
            age=None if rng.random() < 0.1 else int(rng.integers(5, 90)),
            sex=str(rng.choice(["M", "F"])),
            view=str(rng.choice(["PA", "AP"])),
            follow_up=int(rng.integers(0, 20)),
        )
        for i in range(images)
    ]


def _truths(studies: Sequence[Study]) -> np.ndarray:
    """More likely at later visits and in AP views."""
    odds = np.array([0.2 * s.follow_up + (s.view == "AP") - 3 for s in studies])
    return np.random.default_rng(1).random(len(studies)) < 1 / (1 + np.exp(-odds))


def test_it_is_the_logistic_regression_of_scikit_learn() -> None:
    studies = _studies(300)
    truths = _truths(studies)
    model = fit_metadata(studies, truths, l2=0.5)
    inputs = (features(studies) - model.centre) / model.scale
    reference = LogisticRegression(C=2.0, tol=1e-10, max_iter=1000).fit(inputs, truths)
    np.testing.assert_allclose(model.weights, reference.coef_[0], atol=1e-5)
    expected = reference.predict_proba(inputs)[:, 1]
    np.testing.assert_allclose(model.scores(studies), expected, atol=1e-6)


def test_only_what_it_names_counts_and_an_unknown_age_is_a_feature() -> None:
    studies = _studies(200)
    model = fit_metadata(studies, _truths(studies))
    other = [replace(s, patient="x", findings=frozenset({"Mass"})) for s in studies]
    np.testing.assert_array_equal(model.scores(other), model.scores(studies))
    one = replace(studies[0], age=50)
    unknown = features([one, replace(one, age=None)])
    changed = np.flatnonzero(unknown[0] != unknown[1])
    assert [FEATURES[place] for place in changed] == ["age unknown"]


@pytest.mark.parametrize("positives", [0, 1, 7, 8])
def test_poor_inputs_still_give_probabilities(positives: int) -> None:
    """Eight studies of which nothing is known, or that one feature separates."""
    blank = [Study(f"{i}.png", None, str(i)) for i in range(8)]
    truths = np.arange(8) < positives
    scores = fit_metadata(blank, truths).scores(blank)
    expected = positives / 8 if 0 < positives < 8 else (positives + 0.5) / 9
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    split = [replace(s, view="AP" if t else "PA") for s, t in zip(blank, truths, strict=True)]
    separated = fit_metadata(split, truths).scores(split)
    assert np.all((separated > 0) & (separated < 1))
    if 0 < positives < 8:
        assert separated[truths].min() > separated[~truths].max()
    alone = fit_metadata(blank[:1], truths[:1]).scores(blank)
    assert np.all((alone > 0) & (alone < 1))


def test_it_reaches_what_was_measured_on_the_archive() -> None:
    scored = chexnet()
    tested = {study.file for study in scored.studies}
    official = set((DATA / "test_list.txt").read_text(encoding="utf-8").split())
    for held_out, expected in ((official, 0.646), (tested, 0.729)):
        train = [study for name, study in index().items() if name not in held_out]
        test = [study for name, study in index().items() if name in held_out]
        model = fit_metadata(train, np.array([study.has(PNEUMOTHORAX) for study in train]))
        truths = np.array([study.has(PNEUMOTHORAX) for study in test])
        assert compute_roc(truths, model.scores(test))[2] == pytest.approx(expected, abs=0.006)
