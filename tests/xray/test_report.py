"""What is written of predictions is what they are: thresholds, tables, marked places, failures."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcourse.xray.predictions import Predictions
from dlcourse.xray.report import (
    localised,
    threshold_of,
    write_evaluation,
    write_failures,
    write_scores,
)
from dlcourse.xray.studies import PNEUMOTHORAX, Box, Study

SIZE, CELLS = 32, 8
OTHER = "Effusion"


def marked_study(i: int, folder: Path | None = None, *, findings: tuple[str, ...]) -> Study:
    """Two cells wide and high, somewhere; as a box, and as a mask when there is a folder."""
    row, column = np.random.default_rng(i).integers(0, CELLS - 1, 2)
    box = Box(findings[0], column / CELLS, row / CELLS, 2 / CELLS, 2 / CELLS) if findings else None
    mask = None
    if folder is not None and box is not None:
        pixels = np.zeros((CELLS, CELLS), np.uint8)
        pixels[row : row + 2, column : column + 2] = 255
        mask = folder / f"{i}.png"
        Image.fromarray(pixels).resize((2 * SIZE, 2 * SIZE), Image.Resampling.NEAREST).save(mask)
    return Study(
        f"{i}.png", None, str(i // 2), frozenset(findings), age=30 + i, sex="MF"[i % 2],
        view="PA", follow_up=i % 2, boxes=() if box is None else (box,), mask=mask,
    )  # fmt: skip


def truth_of(study: Study) -> np.ndarray:
    """The box as cells (h, w)."""
    cells = np.zeros((CELLS, CELLS), np.float32)
    for box in study.boxes:
        row, column = round(box.y * CELLS), round(box.x * CELLS)
        cells[row : row + 2, column : column + 2] = 1
    return cells


def predictions(
    studies: list[Study],
    probabilities: np.ndarray,
    *,
    findings: tuple[str, ...] = (PNEUMOTHORAX,),
    labelled: bool = True,
) -> Predictions:
    """Whose maps are the truth."""
    truths = np.array([[study.has(f) for f in findings] for study in studies], np.uint8)
    cams = np.stack([truth_of(study) for study in studies])[:, None]
    cams = np.concatenate([-cams, cams], 1) if len(findings) == 1 else cams.repeat(len(findings), 1)
    images = np.random.default_rng(0).integers(0, 256, (len(studies), SIZE, SIZE), np.uint8)
    return Predictions(
        studies, lambda part: images[part], truths if labelled else None,
        np.asarray(probabilities, float).reshape(len(studies), -1), cams,
        np.zeros(cams.shape[1], np.float32), findings,
    )  # fmt: skip


def half_positive(count: int, folder: Path | None = None) -> list[Study]:
    kinds = [(PNEUMOTHORAX,), (), (PNEUMOTHORAX,), ()]
    return [marked_study(i, folder, findings=kinds[i % 4]) for i in range(count)]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as lines:
        return [*csv.DictReader(lines)]


@pytest.mark.parametrize("seed", range(5))
def test_the_threshold_is_the_best_of_all_on_validation(seed: int) -> None:
    studies = half_positive(30)
    p = np.random.default_rng(seed).random(30).round(1)
    truths = np.array([study.has(PNEUMOTHORAX) for study in studies])

    def youden(threshold: float) -> float:
        return (p[truths] >= threshold).mean() + (p[~truths] < threshold).mean() - 1

    chosen = threshold_of(predictions(studies, p), PNEUMOTHORAX)
    assert youden(chosen) == pytest.approx(max(youden(t) for t in [*p, 2.0]))


def test_the_threshold_of_one_class_is_one_half() -> None:
    healthy = [marked_study(i, findings=()) for i in range(4)]
    assert threshold_of(predictions(healthy, np.linspace(0.1, 0.3, 4)), PNEUMOTHORAX) == 0.5


def test_the_threshold_is_of_the_finding_that_is_asked_for() -> None:
    kinds = [(PNEUMOTHORAX,), (OTHER,), ("Mass",), ()]
    studies = [marked_study(i, findings=kinds[i % 4]) for i in range(12)]
    findings = ("Mass", PNEUMOTHORAX, OTHER)
    truths = np.array([[study.has(f) for f in findings] for study in studies])
    p = np.where(truths, [0.3, 0.6, 0.9], 0.1)
    seen = predictions(studies, p, findings=findings)
    assert [threshold_of(seen, finding) for finding in findings] == [0.3, 0.6, 0.9]


def test_scores_are_written_to_the_last_digit(tmp_path: Path) -> None:
    studies, p = half_positive(9), np.random.default_rng(0).random(9)
    write_scores(predictions(studies, p), tmp_path / "scores.csv", threshold=0.4)
    rows = table(tmp_path / "scores.csv")
    assert [float(row["probability"]) for row in rows] == p.tolist()
    assert [row["file"] for row in rows] == [study.file for study in studies]
    outcomes = {(True, True): "TP", (True, False): "FP", (False, True): "FN", (False, False): "TN"}
    for row, study, value in zip(rows, studies, p, strict=True):
        assert row["outcome"] == outcomes[value >= 0.4, study.has(PNEUMOTHORAX)]
        assert row["label"] == str(int(study.has(PNEUMOTHORAX)))


def test_unknown_labels_are_empty_and_several_findings_have_a_column_each(tmp_path: Path) -> None:
    studies, findings = half_positive(6), (PNEUMOTHORAX, OTHER, "Mass")
    p = np.random.default_rng(0).random((6, 3))
    seen = predictions(studies, p, findings=findings, labelled=False)
    write_scores(seen, tmp_path / "scores.csv", threshold=0.5)
    rows = table(tmp_path / "scores.csv")
    for place, finding in enumerate(findings):
        assert [float(row[f"probability {finding}"]) for row in rows] == p[:, place].tolist()
        assert {row[f"label {finding}"] for row in rows} == {""}


@pytest.mark.parametrize("masks", [True, False])
def test_maps_of_the_truth_lie_where_it_is(tmp_path: Path, masks: bool) -> None:
    studies = half_positive(16, tmp_path if masks else None)
    report = localised(predictions(studies, np.full(16, 0.5)), PNEUMOTHORAX)
    assert (report["images"], report["grid"]) == (8, [CELLS, CELLS])
    # Enlarging softens the edges of a map: its box is wider than its cells by half of one.
    for name, least in {"pointing": 1, "auprc": 0.95, "iou": 0.5, "iou > 0.5": 1}.items():
        best = report["scores"][name]["model"]["mean"]
        assert best >= least, name
        assert best > report["scores"][name]["random"]["mean"]
    assert report["scores"]["iou"]["ceiling"]["mean"] == pytest.approx(1)


def test_boxes_and_masks_of_the_same_place_are_scored_alike(tmp_path: Path) -> None:
    rows = [
        localised(predictions(half_positive(16, folder), np.full(16, 0.5)), PNEUMOTHORAX)["scores"]
        for folder in (None, tmp_path)
    ]
    for name in ("pointing", "auprc", "iou"):
        assert rows[0][name]["model"] == rows[1][name]["model"]


def test_a_mask_is_of_the_pneumothorax_and_of_nothing_else(tmp_path: Path) -> None:
    both = [marked_study(i, tmp_path, findings=(PNEUMOTHORAX, OTHER)) for i in range(6)]
    seen = predictions(both, np.full((6, 3), 0.5), findings=(OTHER, PNEUMOTHORAX, "Mass"))
    assert localised(seen, OTHER) is None
    assert localised(seen, PNEUMOTHORAX)["images"] == 6


def test_a_mask_thinner_than_a_pixel_still_marks_its_place(tmp_path: Path) -> None:
    pixels = np.zeros((16 * SIZE, 16 * SIZE), np.uint8)
    pixels[:, 40] = 255  # one of 16 columns of a pixel
    Image.fromarray(pixels).save(tmp_path / "rim.png")
    cells = np.zeros((1, 2, SIZE, SIZE), np.float32)
    cells[:, 1, 7, 40 // 16] = 1
    study = Study("a.png", None, "1", frozenset({PNEUMOTHORAX}), mask=tmp_path / "rim.png")
    seen = Predictions(
        [study], lambda part: np.zeros((1, SIZE, SIZE), np.uint8)[part], None,
        np.full((1, 1), 0.5), cells, np.zeros(2, np.float32), (PNEUMOTHORAX,),
    )  # fmt: skip
    report = localised(seen, PNEUMOTHORAX)
    assert report["share of pixels that are true"]["mean"] == pytest.approx(1 / SIZE)
    assert report["scores"]["pointing"]["model"]["mean"] == 1


def test_without_a_mark_nothing_is_said_of_places(tmp_path: Path) -> None:
    studies = [Study(f"{i}.png", None, str(i), frozenset({PNEUMOTHORAX})) for i in range(4)]
    assert localised(predictions(studies, np.full(4, 0.5)), PNEUMOTHORAX) is None


def test_a_perfect_detector_is_reported_as_one(tmp_path: Path) -> None:
    studies, val = half_positive(40), half_positive(20)
    p = [np.where([s.has(PNEUMOTHORAX) for s in some], 0.9, 0.2) for some in (studies, val)]
    evaluation = write_evaluation(
        tmp_path, predictions(studies, p[0]), predictions(val, p[1]), half_positive(24),
        finding=PNEUMOTHORAX, title="perfect",
    )  # fmt: skip
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written == json.loads(json.dumps(evaluation))  # tuples become lists
    model = evaluation["test"]["model"]
    assert (model["auroc"], model["average_precision"]) == (1, 1)
    youden = next(o for o in evaluation["operating_points"] if o["rule"] == "youden")
    assert (youden["threshold"], youden["sensitivity"], youden["specificity"]) == (0.9, 1, 1)
    text = (tmp_path / "results.md").read_text()
    assert "| model | 1.000" in text
    assert "## Where the maps lie" in text
    assert "findings" not in evaluation


def test_failures_are_the_most_wrong_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    studies = half_positive(12)
    truths = np.array([study.has(PNEUMOTHORAX) for study in studies])
    distance = np.random.default_rng(1).permutation(12) * 0.3 - 1.5  # in log-odds from 0
    p = 1 / (1 + np.exp(np.where(truths, distance, -distance)))  # wrong by `distance`
    page = write_failures(
        tmp_path / "atlas", predictions(studies, p), finding=PNEUMOTHORAX, threshold=0.5, most=5,
        title="t", facts={}, command="",
    )  # fmt: skip
    expected = [studies[i].file for i in np.argsort(-distance)[:5]]
    assert [row["file"] for row in table(page.parent / "predictions.csv")] == expected
    assert "the 5 of 12 images it was most wrong about" in page.read_text()
