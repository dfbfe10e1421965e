"""What a detector is worth, as files: tables, curves, where its maps lie, and the failure atlas.

evaluation.json, results.md      numbers, with intervals and baselines
roc.png, precision_recall.png, reliability.png
predictions.csv                  a row an image of the split
atlas/index.html                 the images it was most wrong about, with their maps
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.files import write_json, write_rows, write_text
from dlcourse.xray.atlas import write_atlas
from dlcourse.xray.atlas_records import AtlasEntry, outcome, wrongness
from dlcourse.xray.evaluation import Scored, evaluate, evaluate_findings
from dlcourse.xray.evaluation_figures import draw_figures
from dlcourse.xray.evaluation_text import as_markdown
from dlcourse.xray.localisation import outlined_mask, truth_mask
from dlcourse.xray.localisation_report import localisation_report
from dlcourse.xray.operating import choose_threshold
from dlcourse.xray.predictions import Predictions
from dlcourse.xray.studies import PNEUMOTHORAX, Study

THRESHOLD = "chosen on validation: most sensitivity + specificity (Youden)"


def write_evaluation(
    folder: str | Path, test: Predictions, val: Predictions, train: Sequence[Study], *,
    finding: str, title: str,
) -> dict[str, Any]:  # fmt: skip
    """Evaluate on test, with thresholds of val and baselines of train; leave tables and figures.

    Returns:
        What `evaluation.json` holds.
    """
    folder = Path(folder)
    scored = [_scored(predictions, finding) for predictions in (test, val)]
    evaluation = evaluate(*scored, train, finding=finding)
    if len(test.findings) > 1:
        every = Scored(test.truths, test.probabilities, test.studies)
        evaluation["findings"] = evaluate_findings(every, findings=test.findings)
    evaluation["localisation"] = localised(test, finding)
    draw_figures(evaluation, folder)
    write_scores(test, folder / "predictions.csv", threshold=threshold_of(val, finding))
    write_text(folder / "results.md", as_markdown(evaluation, title=title))
    write_json(folder / "evaluation.json", evaluation)
    return evaluation


def _scored(predictions: Predictions, finding: str) -> Scored:
    place = predictions.findings.index(finding)
    columns = predictions.truths[:, place], predictions.probabilities[:, place]
    return Scored(*columns, predictions.studies)


def threshold_of(val: Predictions, finding: str) -> float:
    """See `THRESHOLD`; 0.5 where validation has one class only, which `threshold_origin` says."""
    chosen = _chosen(val, finding)
    return 0.5 if chosen is None else chosen


def threshold_origin(val: Predictions, finding: str) -> str:
    """Where `threshold_of` is from, for a reader."""
    lacking = f"0.5: the validation split has {finding} in none of its images, or in all"
    return lacking if _chosen(val, finding) is None else THRESHOLD


def _chosen(val: Predictions, finding: str) -> float | None:
    scored = _scored(val, finding)
    return choose_threshold(scored.truths, scored.probabilities, "youden")


def localised(predictions: Predictions, finding: str) -> dict[str, Any] | None:
    """How the maps of positives with a mask or boxes localise; None where nothing is marked."""
    size = predictions.image(0).shape
    marked = [
        (i, truth)
        for i, study in enumerate(predictions.studies)
        if study.has(finding) and (truth := _marked(study, size, finding)) is not None
    ]
    if not marked:
        return None
    items, truths = [i for i, _ in marked], [truth for _, truth in marked]
    studies = [predictions.studies[i] for i in items]
    boxes = [[box for box in study.boxes if box.finding == finding] for study in studies]
    from_boxes = finding != PNEUMOTHORAX or all(study.mask is None for study in studies)
    return localisation_report(
        predictions.evidence(finding)[items],
        truths,
        [study.patient for study in studies],
        boxes=boxes if from_boxes else None,
        tolerance=15 * size[0] / 224,  # as far as Zhang et al.'s 15 px are in theirs
    )


def _marked(study: Study, size: tuple[int, int], finding: str) -> np.ndarray | None:
    """Where (H, W) the finding was marked: the mask's outline, else boxes; None without any."""
    if study.mask is not None and finding == PNEUMOTHORAX:
        mask = outlined_mask(study.mask, size)
        if mask is not None:
            return mask
    boxes = [box for box in study.boxes if box.finding == finding]
    return truth_mask(boxes, size) if boxes else None


def write_scores(predictions: Predictions, path: str | Path, *, threshold: float) -> None:
    """Write a row an image: its patient, label, and the probability of every finding."""
    names = predictions.findings
    labels = [f"label {name}" for name in names] if len(names) > 1 else ["label"]
    columns = [f"probability {name}" for name in names] if len(names) > 1 else ["probability"]
    own = ["outcome", "threshold"] if len(names) == 1 else []
    rows: list[list[object]] = [["file", "patient", *labels, *columns, *own]]
    for i, study in enumerate(predictions.studies):
        p = [float(value) for value in predictions.probabilities[i]]
        truths = [""] * len(p) if predictions.truths is None else predictions.truths[i].tolist()
        label = None if predictions.truths is None else truths[0]
        more = [outcome(p[0], label, threshold=threshold), threshold] if own else []
        rows.append([study.file, study.patient, *truths, *p, *more])
    write_rows(path, rows)


def write_failures(
    folder: str | Path, predictions: Predictions, *, finding: str, threshold: float,
    most: int | None, title: str, facts: Mapping[str, object], command: str,
) -> Path:  # fmt: skip
    """The failure atlas of the images it was most wrong about; of all when `most` is None."""
    place = predictions.findings.index(finding)
    p = predictions.probabilities[:, place]
    # Of two logits both maps; of several findings that of this one.
    shown = slice(None) if len(predictions.findings) == 1 else [place]
    truths = predictions.truths
    labels = [None] * len(p) if truths is None else [int(value) for value in truths[:, place]]
    wrong = [wrongness(float(a), b, threshold=threshold) for a, b in zip(p, labels, strict=True)]
    chosen = np.argsort(-np.array(wrong), kind="stable")[:most]
    entries = [
        AtlasEntry(
            predictions.studies[i],
            predictions.image(i),
            float(p[i]),
            predictions.cams[i][shown],
            labels[i],
        )
        for i in chosen
    ]
    if len(chosen) < len(p):
        facts = {**facts, "shown": f"the {len(chosen)} of {len(p)} images it was most wrong about"}
    return write_atlas(
        entries, folder, title=title, finding=finding, threshold=threshold, facts=facts,
        command=command, bias=predictions.bias[shown],
    )  # fmt: skip
