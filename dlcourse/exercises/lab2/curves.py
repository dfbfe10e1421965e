"""What is wrong with a ROC curve, in a sentence.

Curves are compared as lines, so that points on a straight stretch may be there or not.
"""

from typing import Any

import numpy as np

from dlcourse.xray.roc import compute_roc

Curve = tuple[np.ndarray, np.ndarray, float]


def read_curve(returned: Any) -> Curve | str:
    """FPR, TPR and area as a function returned them, or what is wrong with their form."""
    if not isinstance(returned, (tuple, list)) or len(returned) != 3:
        return "Return three things: FPR, TPR and the area, `return fpr, tpr, auroc`."
    fpr, tpr = (np.asarray(values, float) for values in returned[:2])
    if fpr.ndim != 1 or fpr.shape != tpr.shape or len(fpr) < 1:
        return (
            f"FPR and TPR are a value for each threshold: two arrays of one length, not of the "
            f"shapes {fpr.shape} and {tpr.shape}."
        )
    if np.ndim(returned[2]) != 0 or returned[2] is None:
        return "The third thing returned is the area below the curve, one number."
    if not (np.isfinite(fpr).all() and np.isfinite(tpr).all()):
        return "Your curve holds nan: there are both positives and negatives, so none divides by 0."
    return fpr, tpr, float(returned[2])


def first_fault(got: Curve, *, truths: np.ndarray, scores: np.ndarray) -> str | None:
    """The sentence for a wrong curve; None for a right one.

    Args:
        truths: (N,) 0 or 1.
        scores: (N, 2) of "no pneumothorax" and "pneumothorax".
    """
    points, want = _line(*got[:2]), _right(truths, scores[:, 1])
    if _alike(points, want):
        return None
    for curve, text in _slips(want, _right(truths, scores[:, 0]), share=float(truths.mean())):
        if _alike(points, curve):
            return text
    if not np.allclose(points[0], 0):
        return (
            f"Your curve begins at {_point(points[0])}: (0, 0), where none is called, is missing."
        )
    if not np.allclose(points[-1], 1):
        return f"Your curve ends at {_point(points[-1])}: (1, 1), where all are called, is missing."
    if (np.diff(points, axis=0) < -1e-9).any():
        return "Your curve goes back: with a lower threshold no fewer images are called."
    missing = next((point for point in want if not _among(point, points)), None)
    if all(_on(point, want) for point in points) and missing is not None:
        return (
            f"Points of your curve are missing, such as {_point(missing)}: use every distinct "
            f"score as a threshold, not a fixed grid of them."
        )
    stray = next((point for point in points if not _on(point, want)), points[0])
    return (
        f"Your curve passes through {_point(stray)}, which is (FPR, TPR) of no threshold: count "
        f"again what is called positive there (score >= threshold)."
    )


def _right(truths: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return _line(*compute_roc(truths, scores)[:2])


def _slips(want: np.ndarray, column_0: np.ndarray, *, share: float) -> list[tuple[np.ndarray, str]]:
    """Curves of known slips; `share` is that of the positives among all images."""
    backwards = (
        "Your curve runs backwards, from (1, 1) to (0, 0): begin with the highest threshold."
    )
    column = "Your curve is that of column 0, no pneumothorax: the area is 1 minus the right one."
    swapped = "TPR and FPR are swapped: the function returns FPR first, then TPR."
    specificity = "Your first array is the specificity: FPR is 1 minus it."
    all_images = (
        "TPR is the share of the positives that are called, FPR that of the negatives: you divide "
        "by the number of all images."
    )
    ways = [
        (column_0, column),
        (want[:, ::-1], swapped),
        (want * np.array([-1, 1]) + np.array([1, 0]), specificity),
        (want * np.array([1 - share, share]), all_images),
    ]
    return [*ways, (want[::-1], backwards), (column_0[::-1], column)]


def _line(fpr: np.ndarray, tpr: np.ndarray) -> np.ndarray:
    """(K, 2) points of a line without repetitions and without those on a straight stretch."""
    kept: list[np.ndarray] = []
    for point in np.stack([fpr, tpr], axis=-1):
        if kept and np.allclose(point, kept[-1], atol=1e-9):
            continue
        while len(kept) > 1 and _straight(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return np.array(kept)


def _straight(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> bool:
    (ux, uy), (vx, vy) = b - a, c - b
    return bool(abs(ux * vy - uy * vx) < 1e-9 and ux * vx + uy * vy > 0)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, atol=1e-6)


def _among(point: np.ndarray, points: np.ndarray) -> bool:
    return bool((np.abs(points - point).max(axis=-1) < 1e-6).any())


def _on(point: np.ndarray, line: np.ndarray) -> bool:
    """Whether a point lies on one of a line's segments."""
    a, b = line[:-1], line[1:]
    along, to = b - a, point - a
    place = ((to * along).sum(-1) / (along**2).sum(-1)).clip(0, 1)
    return bool((np.abs(a + place[:, None] * along - point).max(axis=-1) < 1e-6).any())


def _point(point: np.ndarray) -> str:
    return f"({point[0]:.2g}, {point[1]:.2g})"
