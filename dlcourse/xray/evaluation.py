"""The honest table of a classifier of radiographs: it, and what never saw an image, on one test.

Intervals draw patients, not images: the images of one patient resemble each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlcourse.calibration import brier, reliability
from dlcourse.errors import InputError
from dlcourse.intervals import cluster_bootstrap
from dlcourse.xray.bootstrap import RESAMPLES, Resampled, bootstrap_ranking, interval
from dlcourse.xray.metadata import fit_metadata
from dlcourse.xray.numbers import check_numbers
from dlcourse.xray.operating import RULES, choose_threshold, confusion, share_interval
from dlcourse.xray.roc import compute_pr, compute_roc
from dlcourse.xray.studies import Study
from dlcourse.xray.subgroups import auroc_of, evaluate_subgroups

MODEL, METADATA, CONSTANT = "model", "metadata only", "constant"
INTERVAL = f"95 %, patients resampled {RESAMPLES} times"
_SURE = 1e-7  # a probability nearer to 0 or 1 is moved here: one image must not cost infinity
_POINTS = 200  # of a curve that is kept
_A_BIN = 10  # images that a bin of the reliability diagram has at least


@dataclass(frozen=True, eq=False)
class Scored:
    """What a classifier says of N images.

    Attributes:
        truths: (N,) whether each has the finding; (N, F) for `evaluate_findings`.
        probabilities: (N,) or (N, F).
        studies: N, at least one.

    Raises:
        InputError: There is no image, or a probability is no number.
    """

    truths: np.ndarray
    probabilities: np.ndarray
    studies: list[Study]

    def __post_init__(self) -> None:
        if not self.studies:
            raise InputError("no image to evaluate: every split needs at least one")
        check_numbers("the probability", self.probabilities, self.studies)

    @property
    def patients(self) -> list[str]:
        """Whose image each is."""
        return [study.patient for study in self.studies]


def evaluate(
    test: Scored, val: Scored, train_studies: Sequence[Study], *, finding: str
) -> dict[str, Any]:
    """Everything that is reported of a classifier of one finding, ready for JSON.

    What is not defined is None, never .5; `reason` says why when the test has one class only.
    `resamples_left_out` counts those of the bootstrap in which a class was missing.

    Args:
        test: At least one image; nothing is chosen on it.
        val: Where thresholds are chosen.
        train_studies: At least one; the baselines are fitted on their labels.
    """
    truths = np.asarray(test.truths).astype(bool)
    labels = np.array([study.has(finding) for study in train_studies])
    rows = {
        MODEL: np.asarray(test.probabilities, float),
        METADATA: fit_metadata(train_studies, labels).scores(test.studies),
        CONSTANT: np.full(len(truths), labels.mean()),
    }
    drawn = bootstrap_ranking(truths, np.stack(list(rows.values())), test.patients)
    table = {
        name: _row(truths, scores, test.patients, drawn, place)
        for place, (name, scores) in enumerate(rows.items())
    }
    return {
        "finding": finding,
        "images": len(truths),
        "patients": len(set(test.patients)),
        "positives": int(truths.sum()),
        "prevalence": float(truths.mean()),
        "reason": _one_class(truths),
        "test": table,
        "model_minus_metadata": _difference(table, drawn),
        "calibration": _calibration(truths, rows[MODEL]),
        "operating_points": [_operating_point(test, val, rule) for rule in RULES],
        "subgroups": evaluate_subgroups(truths, rows[MODEL], test.studies),
        "adjudicated": _adjudicated(test, finding),
        "curves": {name: _curves(truths, rows[name]) for name in (MODEL, METADATA)},
        "unit": "nats an image",
        "interval": INTERVAL,
        "resamples_left_out": RESAMPLES - drawn.auroc.shape[1] if drawn else None,
    }


def evaluate_findings(test: Scored, *, findings: Sequence[str]) -> dict[str, Any]:
    """AUROC and average precision of several findings, and their means over those defined.

    Args:
        test: Truths and probabilities (N, F).
        findings: F names.
    """
    rows = {}
    for place, finding in enumerate(findings):
        truths = np.asarray(test.truths)[:, place].astype(bool)
        scores = np.asarray(test.probabilities, float)[:, place]
        drawn = bootstrap_ranking(truths, scores, test.patients)
        row = {"positives": int(truths.sum()), "reason": _one_class(truths)}
        rows[finding] = row | _ranking(truths, scores, drawn, 0)
    defined = [row for row in rows.values() if row["reason"] is None]
    macro: dict[str, Any] = {"findings": len(defined)}
    for name in ("auroc", "average_precision"):
        macro[name] = float(np.mean([row[name] for row in defined])) if defined else None
    images, patients = len(test.studies), len(set(test.patients))
    counts = {"images": images, "patients": patients, "interval": INTERVAL}
    return counts | {"findings": rows, "macro": macro}


def _one_class(truths: np.ndarray) -> str | None:
    if truths.min() != truths.max():
        return None
    missing = "negative" if truths[0] else "positive"
    return f"the test split has no {missing}: AUROC and average precision are not defined"


def _ranking(
    truths: np.ndarray, scores: np.ndarray, drawn: Resampled | None, place: int
) -> dict[str, Any]:
    defined = _one_class(truths) is None
    return {
        "auroc": compute_roc(truths, scores)[2] if defined else None,
        "auroc_interval": interval(drawn.auroc[place]) if drawn else None,
        "average_precision": compute_pr(truths, scores)[2] if defined else None,
        "average_precision_interval": interval(drawn.average_precision[place]) if drawn else None,
    }


def _row(
    truths: np.ndarray,
    scores: np.ndarray,
    patients: Sequence[str],
    drawn: Resampled | None,
    place: int,
) -> dict[str, Any]:
    sure = np.clip(scores, _SURE, 1 - _SURE)
    nll = -np.log(np.where(truths, sure, 1 - sure))
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    sums, counts = np.bincount(owner, weights=nll), np.bincount(owner)
    return _ranking(truths, scores, drawn, place) | {
        "nll": float(nll.mean()),
        "nll_interval": cluster_bootstrap(sums, counts),
        "brier": brier(truths, scores),
    }


def _difference(table: dict[str, Any], drawn: Resampled | None) -> dict[str, Any]:
    """How much more than the metadata the model knows; paired, on the same resamples."""
    ours, theirs = table[MODEL]["auroc"], table[METADATA]["auroc"]
    return {
        "auroc": None if ours is None else ours - theirs,
        "auroc_interval": interval(drawn.auroc[0] - drawn.auroc[1]) if drawn else None,
    }


def _calibration(truths: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    bins = reliability(truths, scores, bins=int(np.clip(len(truths) // _A_BIN, 1, 10)))
    histogram = np.histogram(scores, bins=20, range=(0, 1))[0]
    return {
        "ece": bins.ece,
        "kind": "equal mass",
        "bins": {name: values.tolist() for name, values in vars(bins).items()},
        "histogram": histogram.tolist(),
    }


def _operating_point(test: Scored, val: Scored, rule: str) -> dict[str, Any]:
    threshold = choose_threshold(val.truths, val.probabilities, rule)
    point: dict[str, Any] = {"rule": rule, "threshold": threshold, "chosen_on": "val"}
    if threshold is None:
        return point | {"reason": "the validation split lacks a class"}
    called = confusion(test.truths, test.probabilities, threshold, patients=test.patients)
    return point | {"reason": None} | called


def _adjudicated(test: Scored, finding: str) -> dict[str, Any] | None:
    """The images that a panel of radiologists read anew; the mined label is judged there, too."""
    asked = np.array([finding in study.adjudicated for study in test.studies])
    if not asked.any():
        return None
    studies = [study for study in test.studies if finding in study.adjudicated]
    panel = np.array([study.adjudicated[finding] for study in studies])
    mined = np.asarray(test.truths).astype(bool)[asked]
    owner = np.array([study.patient for study in studies])
    table: dict[str, Any] = {"images": len(studies), "positives": int(panel.sum())}
    table |= auroc_of(panel, np.asarray(test.probabilities, float)[asked], studies, fewest=1)
    right = panel == mined
    for name, among in (("sensitivity", panel), ("ppv", mined)):
        table[f"label_{name}"] = float(right[among].mean()) if among.any() else None
        table[f"label_{name}_interval"] = share_interval(right[among], owner[among])
    return table


def _curves(truths: np.ndarray, scores: np.ndarray) -> dict[str, Any] | None:
    if _one_class(truths):
        return None
    fpr, tpr, _ = compute_roc(truths, scores)
    precision, recall, _ = compute_pr(truths, scores)
    return {
        "roc": dict(zip(("fpr", "tpr"), _thinned(fpr, tpr), strict=True)),
        "precision_recall": dict(
            zip(("recall", "precision"), _thinned(recall, precision), strict=True)
        ),
    }


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[list[float], list[float]]:
    """At most `_POINTS` points about equally far apart along the curve, both ends among them."""
    way = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    keep = np.unique(np.searchsorted(way, np.linspace(0, way[-1], _POINTS)).clip(max=len(x) - 1))
    if len(x) <= _POINTS:
        keep = np.arange(len(x))
    return x[keep].tolist(), y[keep].tolist()
