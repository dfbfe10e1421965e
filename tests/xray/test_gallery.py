"""Runs on one test split show the same patients, whatever they learned, and their own curves."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import auc, average_precision_score, roc_auc_score, roc_curve

from dlcourse.gallery import MediaItem, read_gallery, read_overlays, write_overlays
from dlcourse.training import train
from dlcourse.xray.evaluation import Scored, evaluate
from dlcourse.xray.gallery import (
    NEGATIVES,
    POSITIVES,
    chosen_studies,
    draw_gallery,
    evaluation_overlays,
)
from dlcourse.xray.predictions import Predictions, predict
from dlcourse.xray.studies import PNEUMOTHORAX, Box, Study
from tests.composing import QUICK_XRAY, composed, saved
from tests.xray.scored_samples import scored
from tests.xray.tiny_gap import TinyGap, random_images

NAMES = ("ROC", "precision and recall", "calibration")
ROC, PR, CALIBRATION = (f"{PNEUMOTHORAX}: {name}" for name in NAMES)
TRAIN = scored(60, seed=8).studies


def positive(study: Study) -> bool:
    return study.has(PNEUMOTHORAX)


def seen_by(net: TinyGap, studies: list[Study]) -> Predictions:
    """The images belong to the files, in whatever order."""
    images = np.stack([random_images(1, 32, seed=int(s.file[:-4]))[0, 0].numpy() for s in studies])
    return predict(net, studies, lambda part: images[part], findings=(PNEUMOTHORAX,))


def drawn(folder: Path, predictions: Predictions) -> list[MediaItem]:
    return draw_gallery(folder, predictions, finding=PNEUMOTHORAX)


def constant_maps(value: float, study: Study) -> Predictions:
    """A network that adds the same everywhere; the probability is always the same."""
    cams = np.zeros((1, 2, 4, 4), np.float32)
    cams[:, 1] = value
    image = np.full((1, 16, 16), 128, np.uint8)
    return Predictions(
        [study], lambda part: image[part], None, np.array([[0.5]]), cams, np.zeros(2, np.float32),
        (PNEUMOTHORAX,),
    )  # fmt: skip


def test_two_networks_show_the_same_patients_and_say_their_own_of_them(tmp_path: Path) -> None:
    studies = scored(20, prevalence=0.5).studies
    one = drawn(tmp_path / "one", seen_by(TinyGap(seed=1).eval(), studies))
    shuffled = [studies[i] for i in np.random.default_rng(0).permutation(len(studies))]
    other = drawn(tmp_path / "other", seen_by(TinyGap(num_features=7, seed=2).eval(), shuffled))
    assert [(i.kind, i.key, i.file) for i in one] == [(i.kind, i.key, i.file) for i in other]
    assert len(one) == POSITIVES + NEGATIVES
    for a, b in zip(one, other, strict=True):
        assert a.caption != b.caption
        assert all((tmp_path / run / a.file).is_file() for run in ("one", "other"))


def test_the_choice_is_of_different_patients_and_its_positives_are_positive() -> None:
    for seed in range(20):
        studies = scored(12, seed=seed, each=3, prevalence=0.4).studies
        chosen = [studies[i] for i in chosen_studies(studies, PNEUMOTHORAX)]
        assert [positive(s) for s in chosen] == [True] * POSITIVES + [False] * NEGATIVES
        assert len({study.patient for study in chosen}) == len(chosen)


def test_who_is_not_chosen_does_not_change_the_choice() -> None:
    studies = scored(40, each=1, prevalence=0.5).studies
    chosen = [studies[i].file for i in chosen_studies(studies, PNEUMOTHORAX)]
    fewer = [s for i, s in enumerate(studies) if s.file in chosen or i % 3 == 0]
    assert [fewer[i].file for i in chosen_studies(fewer, PNEUMOTHORAX)] == chosen
    first = [study.file for study in studies if positive(study)][:POSITIVES]
    assert set(chosen[:POSITIVES]) != set(first), "not the first ones: files come in some order"


def test_a_split_with_too_few_shows_all_it_has() -> None:
    studies = scored(30, each=1, prevalence=0.0).studies[:1]
    assert chosen_studies(studies, PNEUMOTHORAX) == [0]


def test_the_scale_of_colours_does_not_follow_the_network(tmp_path: Path) -> None:
    """The same pattern ten times as strong is another picture: nothing is scaled by its maximum."""
    study = Study("a.png", None, "1", frozenset({PNEUMOTHORAX}), age=50, sex="F", view="PA")

    def ink(value: float, name: str) -> float:
        """How much redder than grey the overlay's middle is."""
        item = drawn(tmp_path / name, constant_maps(value, study))[0]
        with Image.open(tmp_path / name / item.file) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        high, wide = pixels.shape[:2]
        red, green, _ = pixels[high // 2, round(wide * 0.75)]
        return float(red - green)

    weak, strong, stronger = ink(1.5, "weak"), ink(15.0, "strong"), ink(30.0, "stronger")
    assert strong == pytest.approx(10 * weak, rel=0.15)
    assert stronger == pytest.approx(2 * strong, rel=0.05)
    assert ink(-15.0, "against") < 0 == ink(0.0, "nothing")


def test_the_caption_says_label_probability_patient_and_scale(tmp_path: Path) -> None:
    study = Study(
        "images/a.png", None, "17", frozenset({PNEUMOTHORAX}), age=0, sex="F", view="PA",
        boxes=(Box(PNEUMOTHORAX, 0.2, 0.2, 0.3, 0.3),),
    )  # fmt: skip
    item = drawn(tmp_path, constant_maps(-12.25, study))[0]
    assert (item.key, item.file) == ("images/a.png", "gallery/0-a.png")
    assert item.caption == (
        "label: Pneumothorax; probability 0.500; patient 17, 0 years, F, PA. "
        "Full colour at ±30 log-odds in every run; the largest here: -12.2"
    )
    healthy = replace(study, findings=frozenset({"Mass"}), age=None, sex="", view="")
    caption = drawn(tmp_path, constant_maps(1.0, healthy))[0].caption
    assert caption.startswith("label: no Pneumothorax; probability 0.500; patient 17. Full")


@pytest.mark.parametrize(("patients", "skill"), [(15, 1.0), (100, 2.0), (1000, 1.0), (2000, 3.0)])
def test_the_curves_are_those_of_scikit_learn(tmp_path: Path, patients: int, skill: float) -> None:
    test = scored(patients, skill=skill)
    curves = evaluation_overlays(evaluate(test, scored(40, seed=9), TRAIN, finding=PNEUMOTHORAX))
    write_overlays(tmp_path, curves)
    read = read_overlays(tmp_path)
    assert [*read] == [ROC, PR, CALIBRATION]
    assert all(len(curve.x) == len(curve.y) <= 100 for curve in read.values())

    roc = read[ROC]
    fpr, tpr, _ = roc_curve(test.truths, test.probabilities, drop_intermediate=False)
    points = np.stack([fpr, tpr], 1)
    kept = np.stack([roc.x, roc.y], 1)
    assert np.abs(kept[:, None] - points).sum(-1).min(1).max() < 1e-12, "all are points of the ROC"
    assert (np.diff(kept, axis=0) >= 0).all()
    area = roc_auc_score(test.truths, test.probabilities)
    assert auc(roc.x, roc.y) == pytest.approx(area, abs=1e-3)
    assert (roc.guide, read[PR].guide) == ("diagonal", None)

    average = average_precision_score(test.truths, test.probabilities)
    assert auc(read[PR].x, read[PR].y) == pytest.approx(average, abs=2e-3)


def test_few_points_are_kept_as_they_are_and_precision_falls_in_steps() -> None:
    """By hand: of 4 scores the 2nd is a negative's; precision is 1, then 1/2, 2/3, 1/2."""
    studies = [Study(f"{i}.png", None, str(i)) for i in range(4)]
    test = Scored(np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1]), studies)
    curves = evaluation_overlays(evaluate(test, test, TRAIN, finding=PNEUMOTHORAX))
    roc, pr = curves[ROC], curves[PR]
    assert (roc.x, roc.y) == ([0, 0, 0.5, 0.5, 1], [0, 0.5, 0.5, 1, 1])
    assert pr.x == [0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1, 1]
    assert pr.y == pytest.approx([1, 1, 1, 1 / 2, 1 / 2, 2 / 3, 2 / 3, 1 / 2, 1 / 2])


def test_the_gap_of_the_calibration_curve_is_an_independent_one() -> None:
    test = scored(250)
    evaluation = evaluate(test, scored(40, seed=9), TRAIN, finding=PNEUMOTHORAX)
    curve = evaluation_overlays(evaluation)[CALIBRATION]
    tenths = np.array_split(np.argsort(test.probabilities), 10)
    means = [test.probabilities[part].mean() for part in tenths]
    shares = [test.truths[part].mean() for part in tenths]
    assert curve.x == pytest.approx(means)
    assert curve.y == pytest.approx(shares)
    gap = np.mean(np.abs(np.subtract(means, shares)))
    weights = evaluation["calibration"]["bins"]["counts"]
    assert np.average(np.abs(np.subtract(curve.x, curve.y)), weights=weights) == pytest.approx(gap)
    assert evaluation["calibration"]["ece"] == pytest.approx(gap)


def test_of_one_class_only_the_calibration_is_left() -> None:
    test = scored(20)
    test = replace(test, truths=np.zeros(len(test.truths), bool))
    evaluation = evaluate(test, scored(40, seed=9), TRAIN, finding=PNEUMOTHORAX)
    assert [*evaluation_overlays(evaluation)] == [CALIBRATION]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    options = ["~callbacks.curves", "callbacks.evaluation.atlas=0"]
    train(saved(composed(folder, *QUICK_XRAY, *options, quick=False)))
    return folder


def test_a_run_leaves_a_gallery_of_its_test_split(run: Path) -> None:
    items = read_gallery(run)
    index = next((run.parent / "data").glob("phantoms-*/Data_Entry*.csv"))
    with open(index, newline="", encoding="utf-8") as lines:
        labels = {row["Image Index"]: row["Finding Labels"] for row in csv.DictReader(lines)}
    with open(run / "predictions.csv", newline="", encoding="utf-8") as lines:
        tested = {row["file"]: row for row in csv.DictReader(lines)}
    assert {item.kind for item in items} == {"image"}
    assert 1 < len(items) <= POSITIVES + NEGATIVES
    for item in items:
        with Image.open(run / item.file) as picture:
            picture.verify()
        row, has = tested[item.key], PNEUMOTHORAX in labels[Path(item.key).name]
        assert item.caption.startswith(f"label: {'' if has else 'no '}Pneumothorax; ")
        assert f"probability {float(row['probability']):.3f}; patient {row['patient']}," in (
            item.caption
        )
    truths = [item.caption.startswith("label: Pneumothorax") for item in items]
    assert truths == sorted(truths, reverse=True)
    assert {True, False} == set(truths)


def test_a_run_leaves_its_curves_and_its_results_last(run: Path) -> None:
    curves = read_overlays(run)
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    assert auc(curves[ROC].x, curves[ROC].y) == pytest.approx(results["test"]["model"]["auroc"])
    times = {path.name: path.stat().st_mtime_ns for path in run.glob("*.json")}
    assert max(times["gallery.json"], times["overlays.json"]) <= times["results.json"]
