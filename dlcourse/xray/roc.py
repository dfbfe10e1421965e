"""How well a score ranks: the ROC curve, the precision-recall curve, and the areas below them.

Source: Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 2006; the 2018 lab,
section 3, where `compute_roc` is to be written.
"""

import numpy as np


def compute_roc(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """ROC curve of the positive class, from the strictest threshold to the laxest.

    Args:
        y_true: (N,) 1 or True for a positive, else 0.
        y_score: (N,) higher for what is rather positive; any monotone scale.

    Returns:
        False positive rate (K,) and true positive rate (K,) from (0, 0) to (1, 1), a point a
        distinct score, so that ties are crossed on a straight line; and the area below it: the
        probability that a positive scores above a negative, ties counting half. With one class
        only, the area and the rate that divides by the missing class are nan.
    """
    _, hits, alarms = cumulative_counts(y_true, y_score)
    hits, alarms = np.insert(hits, 0, 0), np.insert(alarms, 0, 0)
    fpr, tpr = _share(alarms), _share(hits)
    auroc = float((np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum()) if len(y_true) else np.nan
    return fpr, tpr, auroc


def compute_pr(y_true: np.ndarray, y_score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Precision-recall curve of the positive class, from the strictest threshold to the laxest.

    Args:
        y_true: (N,) 1 or True for a positive, else 0.
        y_score: (N,) higher for what is rather positive.

    Returns:
        Precision (K,) and recall (K,), the first point at precision 1 and recall 0; and the average
        precision, the sum of precision times the step in recall (no interpolation, which would be
        too good: Davis and Goadrich, ICML 2006). Without a positive, recall and average are nan.
    """
    _, hits, alarms = cumulative_counts(y_true, y_score)
    precision = np.insert(hits / (hits + alarms), 0, 1.0)
    recall = _share(np.insert(hits, 0, 0))
    average = float((np.diff(recall) * precision[1:]).sum()) if len(y_true) else np.nan
    return precision, recall, average


def cumulative_counts(
    y_true: np.ndarray, y_score: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is called positive at each distinct score.

    Returns:
        The distinct scores (K,) in falling order, and how many positives (K,) and how many
        negatives (K,) score at least as much.
    """
    truths, scores = np.asarray(y_true).astype(bool), np.asarray(y_score)
    order = np.argsort(-scores, kind="stable")
    truths, scores = truths[order], scores[order]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True)[: len(scores)])
    hits = np.cumsum(truths)[last]
    return scores[last], hits, last + 1 - hits


def _share(counts: np.ndarray) -> np.ndarray:
    return counts / counts[-1] if counts[-1] else np.full(len(counts), np.nan)
