"""What lets X-ray runs be laid beside each other: maps of the same patients, and their curves.

Which patients are shown is said by the test split alone, never by a model, so that all runs on the
split show the same ones. The colours are on one scale for all runs too: a network that says little
looks pale beside one that says much.

Shape legend: H W image pixels, h w feature-map cells.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.gallery import DIAGONAL, IMAGE, MediaItem, Overlay
from dlcourse.xray.evaluation import MODEL
from dlcourse.xray.overlay import PanelRow, draw_pair
from dlcourse.xray.predictions import Predictions
from dlcourse.xray.studies import Study

FOLDER = "gallery"  # in the run folder
POSITIVES, NEGATIVES = 4, 2
# Full colour, in log-odds. As a map's mean plus the bias is the log-odds, a tenth of an image in
# full colour moves them by 3, the odds 20 times. The small network reaches it in about a tenth of
# its cells on phantoms and a hundredth on radiographs. A limit that followed each network would
# paint the noise of one without skill in the colours of evidence.
LIMIT = 30.0


def chosen_studies(
    studies: Sequence[Study], finding: str, *, positives: int = POSITIVES,
    negatives: int = NEGATIVES,
) -> list[int]:  # fmt: skip
    """Which studies are shown, positives first: those whose file names have the lowest hashes.

    An image a patient. Fewer where there are not as many; another model, seed or order of the
    studies changes nothing, and of a larger split most stay the same.
    """
    left = {True: positives, False: negatives}
    chosen: dict[bool, list[int]] = {True: [], False: []}
    patients: set[str] = set()
    for item in sorted(range(len(studies)), key=lambda i: _hash(studies[i].file)):
        truth, patient = studies[item].has(finding), studies[item].patient
        if len(chosen[truth]) < left[truth] and patient not in patients:
            chosen[truth].append(item)
            patients.add(patient)
    return chosen[True] + chosen[False]


def _hash(file: str) -> str:
    return hashlib.sha256(file.encode()).hexdigest()


def draw_gallery(folder: str | Path, predictions: Predictions, *, finding: str) -> list[MediaItem]:
    """Draw radiograph and overlay of `chosen_studies` into `gallery/` of a run folder."""
    maps, place = predictions.evidence(finding), predictions.findings.index(finding)
    items = []
    for number, i in enumerate(chosen_studies(predictions.studies, finding)):
        study = predictions.studies[i]
        file = f"{FOLDER}/{number}-{Path(study.file).stem}.png"
        probability = predictions.probabilities[i, place]
        said = f"label: {_label(study, finding)}; probability {probability:.3f}"
        boxes = [box for box in study.boxes if box.finding == finding]
        row = PanelRow(predictions.image(i), maps[i], f"{study.file}: {said}", boxes=boxes)
        draw_pair(row, Path(folder) / file, limit=LIMIT)
        caption = f"{said}; {_facts(study)}. {_scale(maps[i])}"
        items.append(MediaItem(IMAGE, study.file, caption, file))
    return items


def _label(study: Study, finding: str) -> str:
    return finding if study.has(finding) else f"no {finding}"


def _facts(study: Study) -> str:
    """What is known of it without a model."""
    age = "" if study.age is None else f"{study.age} years"
    return ", ".join(filter(None, (f"patient {study.patient}", age, study.sex, study.view)))


def _scale(values: np.ndarray) -> str:
    largest = values.flat[np.abs(values).argmax()]
    return f"Full colour at ±{LIMIT:g} log-odds in every run; the largest here: {largest:+.3g}"


def evaluation_overlays(evaluation: dict[str, Any]) -> dict[str, Overlay]:
    """ROC, precision-recall and calibration of the model, as `evaluation.evaluate` has them.

    Where the test has one class only there is no ROC and no precision-recall curve.
    """
    finding, bins = evaluation["finding"], evaluation["calibration"]["bins"]
    overlays = {}
    if curves := evaluation["curves"][MODEL]:
        roc, pr = curves["roc"], curves["precision_recall"]
        names = "false positive rate (1 - specificity)", "sensitivity"
        overlays[f"{finding}: ROC"] = Overlay(roc["fpr"], roc["tpr"], *names, guide=DIAGONAL)
        stairs = _stairs(pr["recall"], pr["precision"])
        overlays[f"{finding}: precision and recall"] = Overlay(*stairs, "recall", "precision")
    names = "mean predicted probability", "share that is positive"
    overlays[f"{finding}: calibration"] = Overlay(
        bins["mean"], bins["observed"], *names, guide=DIAGONAL
    )
    return overlays


def _stairs(recall: Sequence[float], precision: Sequence[float]) -> tuple[list[float], list[float]]:
    """Precision falls at once: between two points a straight line would promise too much."""
    return np.repeat(recall, 2)[:-1].tolist(), np.repeat(precision, 2)[1:].tolist()
