"""The table says what the parts say, chooses nothing on the test, and None where it cannot know."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score

from dlcourse.xray.evaluation import Scored, evaluate, evaluate_findings
from dlcourse.xray.evaluation_text import as_markdown
from dlcourse.xray.metadata import fit_metadata
from dlcourse.xray.operating import choose_threshold, confusion
from dlcourse.xray.studies import FINDINGS, PNEUMOTHORAX
from tests.xray.chexnet import chexnet, index
from tests.xray.scored_samples import scored

TRAIN = scored(60, seed=8).studies


def _evaluate(test: Scored, val: Scored | None = None) -> dict[str, Any]:
    evaluation = evaluate(test, val or scored(40, seed=9), TRAIN, finding=PNEUMOTHORAX)
    return json.loads(json.dumps(evaluation, allow_nan=False))


def test_the_rows_are_what_scikit_learn_says() -> None:
    test = scored(80)
    evaluation = _evaluate(test)
    row = evaluation["test"]["model"]
    assert row["auroc"] == pytest.approx(roc_auc_score(test.truths, test.probabilities))
    expected = average_precision_score(test.truths, test.probabilities)
    assert row["average_precision"] == pytest.approx(expected)
    assert row["nll"] == pytest.approx(log_loss(test.truths, test.probabilities))
    for row in evaluation["test"].values():
        for name in ("auroc", "average_precision", "nll"):
            low, high = row[f"{name}_interval"]
            assert low <= row[name] <= high
    constant = evaluation["test"]["constant"]
    share = np.mean([study.has(PNEUMOTHORAX) for study in TRAIN])
    assert constant["auroc"] == 0.5
    assert constant["average_precision"] == pytest.approx(test.truths.mean())
    assert constant["brier"] == pytest.approx(np.mean((share - test.truths) ** 2))
    ours, theirs = (evaluation["test"][name]["auroc"] for name in ("model", "metadata only"))
    assert evaluation["model_minus_metadata"]["auroc"] == pytest.approx(ours - theirs)


def test_the_lead_over_the_metadata_is_paired() -> None:
    """A model that says what the metadata say leads by nothing, and surely so."""
    test = scored(40)
    labels = np.array([study.has(PNEUMOTHORAX) for study in TRAIN])
    told = fit_metadata(TRAIN, labels).scores(test.studies)
    evaluation = _evaluate(replace(test, probabilities=told))
    assert evaluation["model_minus_metadata"] == {"auroc": 0.0, "auroc_interval": [0.0, 0.0]}


def test_thresholds_come_from_the_validation_split() -> None:
    test, val = scored(80), scored(40, seed=9)
    for point in _evaluate(test, val)["operating_points"]:
        threshold = choose_threshold(val.truths, val.probabilities, point["rule"])
        assert point["threshold"] == threshold
        expected = confusion(test.truths, test.probabilities, threshold, patients=test.patients)
        assert point == point | json.loads(json.dumps(expected))
    assert choose_threshold(test.truths, test.probabilities, "youden") != choose_threshold(
        val.truths, val.probabilities, "youden"
    )


@pytest.mark.parametrize("truth", [False, True])
def test_a_test_of_one_class_gives_none_and_says_so(truth: bool) -> None:
    test = scored(20)
    evaluation = _evaluate(replace(test, truths=np.full(len(test.truths), truth)))
    for row in evaluation["test"].values():
        assert row["auroc"] is row["auroc_interval"] is row["average_precision"] is None
        assert row["nll"] > 0
    assert evaluation["model_minus_metadata"] == {"auroc": None, "auroc_interval": None}
    assert evaluation["curves"]["model"] is None
    missing = "negative" if truth else "positive"
    assert f"no {missing}" in evaluation["reason"]
    text = as_markdown(evaluation, title="One class")
    assert evaluation["reason"] in text
    assert "nan" not in text
    assert "| model | not defined | not defined | " in text


def test_a_validation_split_of_one_class_chooses_only_what_it_can() -> None:
    val = scored(20, prevalence=0.0)
    points = {point["rule"]: point for point in _evaluate(scored(30), val)["operating_points"]}
    assert points["0.5"]["threshold"] == 0.5
    for rule in ("youden", "sensitivity=0.90"):
        assert points[rule]["threshold"] is None
        assert "lacks a class" in points[rule]["reason"]
        assert "tp" not in points[rule]


def test_a_certain_mistake_costs_much_and_not_infinity() -> None:
    test = scored(20)
    evaluation = _evaluate(replace(test, probabilities=1.0 - test.truths))
    assert 10 < evaluation["test"]["model"]["nll"] < 20
    assert evaluation["test"]["model"]["auroc"] == 0


def test_subgroups_part_the_images_and_small_ones_have_no_area() -> None:
    test = scored(40)
    rows = _evaluate(test)["subgroups"]
    for group in ("view", "sex", "age", "first visit", "drain"):
        assert sum(row["images"] for row in rows if row["group"] == group) == len(test.studies)
    assert all(row["group"] != "id" for row in rows), "a note with a value an image is no group"
    by_name = {(row["group"], row["value"]): row for row in rows}
    for value, ages in (("0-39", range(40)), ("40-59", range(40, 60)), ("60+", range(60, 130))):
        assert by_name["age", value]["images"] == sum(s.age in ages for s in test.studies)
    assert by_name["first visit", "yes"]["images"] == sum(s.follow_up == 0 for s in test.studies)
    inside = np.array([study.view == "AP" for study in test.studies])
    expected = roc_auc_score(test.truths[inside], test.probabilities[inside])
    assert by_name["view", "AP"]["auroc"] == pytest.approx(expected)
    drained = by_name["drain", "yes"]
    assert drained["auroc"] is None
    assert drained["reason"] == "fewer than 5 negatives"


def test_the_panel_judges_the_model_and_the_label() -> None:
    test = scored(100)
    row = _evaluate(test)["adjudicated"]
    asked = [i for i, study in enumerate(test.studies) if study.adjudicated]
    panel = np.array([test.studies[i].adjudicated[PNEUMOTHORAX] for i in asked])
    assert row["images"] == len(asked) == 100
    assert row["auroc"] == pytest.approx(roc_auc_score(panel, test.probabilities[asked]))
    mined = test.truths[asked]
    assert row["label_sensitivity"] == pytest.approx(mined[panel].mean())
    assert row["label_ppv"] == pytest.approx(panel[mined].mean())
    bare = replace(test, studies=[replace(study, adjudicated={}) for study in test.studies])
    assert _evaluate(bare)["adjudicated"] is None


def test_intervals_shrink_with_more_patients_and_copies_of_images_change_nothing() -> None:
    def widths(test: Scored) -> np.ndarray:
        row = _evaluate(test)["test"]["model"]
        return np.array([np.diff(row[f"{name}_interval"])[0] for name in ("auroc", "nll")])

    few, many = scored(30), scored(480)
    assert np.all(widths(many) < 0.4 * widths(few))
    studies = [
        replace(study, file=f"{copy} {study.file}") for copy in "abcd" for study in few.studies
    ]
    copied = Scored(np.tile(few.truths, 4), np.tile(few.probabilities, 4), studies)
    np.testing.assert_allclose(widths(copied), widths(few))


def test_resamples_of_one_class_are_counted() -> None:
    """Two of four patients are positive: in one resample of eight, all four draws are alike."""
    test = scored(4, each=1)
    truths = np.array([True, True, False, False])
    evaluation = _evaluate(replace(test, truths=truths))
    assert evaluation["resamples_left_out"] / 2000 == pytest.approx(1 / 8, abs=0.03)
    named = f"({evaluation['resamples_left_out']} without a class left out)"
    assert named in as_markdown(evaluation, title="Few")
    many = _evaluate(scored(60))
    assert many["resamples_left_out"] == 0
    assert "left out" not in as_markdown(many, title="Many")
    assert _evaluate(replace(test, truths=truths[[0, 2, 2, 2]]))["resamples_left_out"] is None


def test_findings_are_averaged_over_those_that_are_defined() -> None:
    one, two = scored(50), scored(50, seed=1)
    truths = np.stack([one.truths, two.truths, np.zeros(100, bool)], axis=1)
    scores = np.stack([one.probabilities, two.probabilities, two.probabilities], axis=1)
    table = evaluate_findings(Scored(truths, scores, one.studies), findings=("A", "B", "C"))
    json.dumps(table, allow_nan=False)
    areas = [roc_auc_score(truths[:, i], scores[:, i]) for i in (0, 1)]
    assert [table["findings"][name]["auroc"] for name in "AB"] == pytest.approx(areas)
    assert table["findings"]["C"]["auroc"] is None
    assert "no positive" in table["findings"]["C"]["reason"]
    assert table["macro"]["findings"] == 2
    assert table["macro"]["auroc"] == pytest.approx(np.mean(areas))


def test_the_page_holds_every_row_and_the_warning() -> None:
    evaluation = _evaluate(scored(60))
    text = as_markdown(evaluation, title="A run")
    assert text.startswith("# A run\n")
    assert "Not for diagnosis." in text
    assert "95 %, patients resampled 2000 times" in text
    for name, row in evaluation["test"].items():
        assert f"| {name} | {row['auroc']:.3f} (" in text
    for row in evaluation["subgroups"]:
        assert f"| {row['group']}: {row['value']} | {row['images']} |" in text
    operating = text.partition("## Operating points")[2].partition("##")[0]
    rows = [line for line in operating.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert {row.count("|") for row in rows} == {11}


def test_the_published_predictions_beat_what_the_metadata_tell() -> None:
    every, place = chexnet(), FINDINGS.index(PNEUMOTHORAX)
    one = Scored(every.truths[:, place], every.probabilities[:, place], every.studies)
    seen = {study.file for study in every.studies}
    train = [study for name, study in index().items() if name not in seen]
    evaluation = evaluate(one, one, train, finding=PNEUMOTHORAX)
    assert evaluation["model_minus_metadata"]["auroc"] == pytest.approx(0.148, abs=0.007)
    assert evaluation["model_minus_metadata"]["auroc_interval"][0] > 0.1
    for curve in evaluation["curves"]["model"].values():
        x, y = curve.values()
        assert len(x) == len(y) <= 200
    roc = evaluation["curves"]["model"]["roc"]
    steps, tpr = np.diff(roc["fpr"]), np.array(roc["tpr"])
    assert (steps * (tpr[1:] + tpr[:-1]) / 2).sum() == pytest.approx(
        evaluation["test"]["model"]["auroc"], abs=0.003
    )
    # The panel of Majkowska et al. finds about half of the mined labels right.
    assert 0.3 < evaluation["adjudicated"]["label_ppv"] < 0.6
