"""The ROC curve, by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import Wrong, judging
from dlcourse.exercises.judging import right as passed
from dlcourse.exercises.lab2.curves import first_fault, read_curve
from dlcourse.exercises.lab2.diagnosis import wrong
from dlcourse.xray.roc import compute_roc as reference

_SKELETON = '''
def compute_roc(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The ROC curve of pneumothorax and the area below it, without scikit-learn.

    Formula: an image is called positive when its score is at least a threshold; the thresholds are
    the distinct scores, from the highest down. At each,

        TPR = called and positive / positives,   FPR = called and negative / negatives.

    Images of one score are called together. The curve begins at (0, 0), where none is called, and
    ends at (1, 1). The area (AUROC) is that of the trapezoids below it.

    Source: 2018 lab 2, part 2, `compute_roc`; Fawcett, An introduction to ROC analysis, 2006.

    Args:
        y_true: (N,) 1 for pneumothorax, else 0.
        y_score: (N, 2) probabilities of "no pneumothorax" and "pneumothorax".

    Returns:
        FPR (K,) and TPR (K,), both rising from 0 to 1, and the area.
    """
    raise NotImplementedError
'''
_SOLUTION = """
def compute_roc(y_true, y_score):
    from dlcourse.xray import roc

    return roc.compute_roc(y_true, y_score[:, 1])
"""


@judging
def check(compute_roc: Callable[[np.ndarray, np.ndarray], Any]) -> Iterator[Finding]:
    """Distinct scores that lie close together, then tied ones, then a constant classifier."""
    random = np.random.default_rng(31)
    truths = (np.arange(48) % 3 == 0).astype(int)
    tied = np.round(0.5 + 0.15 * truths + 0.2 * random.standard_normal(48), 1).clip(0, 1)
    close = 0.5 + 0.004 * truths + 0.005 * random.standard_normal(48)
    yield from _compared(
        compute_roc, truths, close, text="The curve is right where all scores differ."
    )
    yield from _compared(
        compute_roc,
        truths,
        tied,
        text="Images with equal scores are crossed on a straight line.",
        ties="Images with equal scores have to be called together, as one point of the curve; "
        "else it depends on the order of the images.",
    )
    yield from _compared(
        compute_roc,
        truths,
        np.full(48, 0.3),
        text="A constant classifier has an area of 0.5.",
        ties="A constant classifier (one score for all) has the diagonal as its curve and an area "
        "of 0.5.",
    )


def _compared(
    compute_roc: Callable[[np.ndarray, np.ndarray], Any],
    truths: np.ndarray,
    scores: np.ndarray,
    *,
    text: str,
    ties: str = "",
) -> Iterator[Finding]:
    both = np.stack([1 - scores, scores], axis=-1)
    got = read_curve(compute_roc(truths.copy(), both.copy()))
    if isinstance(got, str):
        raise Wrong(got)
    want = reference(truths, scores)
    fault = first_fault(got, truths=truths, scores=both)
    if fault is not None:
        raise Wrong(ties or fault)
    yield passed(text)
    yield _area(got[2], want)


def _area(got: float, want: tuple[np.ndarray, np.ndarray, float]) -> Finding:
    fpr, tpr, area = want
    if abs(got - area) < 1e-6:
        return passed(f"The area below it is right ({area:.3f}).")
    said = f"Your area is {got:.3f}, but that below this curve is {area:.3f}"
    if abs(got + area) < 1e-6:
        raise Wrong(f"{said}: it runs from right to left. Let FPR rise.")
    steps = [float((np.diff(fpr) * side).sum()) for side in (tpr[1:], tpr[:-1])]
    if min(abs(got - step) for step in steps) < 1e-6:
        raise Wrong(f"{said}: sum trapezoids, not rectangles, where scores are tied.")
    if abs(got - float(tpr.mean())) < 1e-6:
        raise Wrong(f"{said}: weight every TPR with the step in FPR.")
    raise Wrong(f"{said}.")


_SIGNATURE = "def compute_roc(y_true, y_score):"
_AREA = "return fpr, tpr, float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum())"
_SCORE = "score = y_score[:, 1]\n"
_CALLED = "called = score >= np.append(np.inf, np.unique(score)[::-1])[:, None]\n"
_COUNTS = "hits, alarms = (called & (y_true == 1)).sum(1), (called & (y_true == 0)).sum(1)\n"
_RATES = "tpr, fpr = hits / (y_true == 1).sum(), alarms / (y_true == 0).sum()\n"
_GOOD = _SCORE + _CALLED + _COUNTS + _RATES
_SORTED = (
    "truths = y_true[np.argsort(-y_score[:, 1], kind='stable')]\n"
    "tpr = np.append(0, np.cumsum(truths)) / truths.sum()\n"
    "fpr = np.append(0, np.cumsum(1 - truths)) / (1 - truths).sum()\n"
)
_GRID = "called = score >= np.linspace(1.01, 0, 102)[:, None]\n"
_MISTAKES = (
    ("column 0 of the scores", _GOOD.replace("[:, 1]", "[:, 0]", 1) + _AREA, "column 0"),
    ("ties not merged", _SORTED + _AREA, "equal scores"),
    ("TPR and FPR swapped", _GOOD + "tpr, fpr = fpr, tpr\n" + _AREA, "swapped"),
    ("first end point missing", _GOOD + "fpr, tpr = fpr[1:], tpr[1:]\n" + _AREA, r"\(0, 0\)"),
    ("last end point missing", _GOOD + "fpr, tpr = fpr[:-1], tpr[:-1]\n" + _AREA, r"\(1, 1\)"),
    (
        "shares of all images",
        _SCORE + _CALLED + _COUNTS + "tpr, fpr = hits / len(score), alarms / len(score)\n" + _AREA,
        "share of the positives",
    ),
    ("specificity", _GOOD + "fpr = 1 - fpr\n" + _AREA, "specificity"),
    ("laxest first", _GOOD + "fpr, tpr = fpr[::-1], tpr[::-1]\n" + _AREA, r"backwards"),
    ("fixed thresholds", _SCORE + _GRID + _COUNTS + _RATES + _AREA, "fixed grid"),
    (
        "rectangles",
        _GOOD + "return fpr, tpr, float((np.diff(fpr) * tpr[1:]).sum())",
        "trapezoids",
    ),
    ("mean of the TPR", _GOOD + "return fpr, tpr, float(tpr.mean())", "step in FPR"),
    ("no area", _GOOD + "return fpr, tpr", "three things"),
)

EXERCISES = (
    Exercise(
        name="compute_roc",
        lab=2,
        title="The ROC curve and its area",
        source="2018 lab 2, part 2: evaluation",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
