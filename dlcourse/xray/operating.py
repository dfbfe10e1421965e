"""From a score to a decision: where the threshold is put, and what comes of it.

Sources: Youden, Index for rating diagnostic tests, Cancer 1950; Wilson, Probable inference, the law
of succession, and statistical inference, JASA 1927; Rao and Scott, A simple method for the analysis
of clustered binary data, Biometrics 1992.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlcourse.errors import InputError
from dlcourse.xray.roc import cumulative_counts

RULES = ("youden", "sensitivity=0.90", "0.5")
_SENSITIVITY = "sensitivity="


def choose_threshold(y_true: np.ndarray, y_score: np.ndarray, rule: str) -> float | None:
    """The threshold that a rule picks; an image is called positive from it on upwards.

    Choose on validation images: on the test's, sensitivity and specificity come out too good.

    Args:
        y_true: (N,) 1 or True for a positive.
        y_score: (N,).
        rule: "youden" for the largest sensitivity + specificity - 1; "sensitivity=0.90" for the
            highest threshold at which at least this share of the positives is found; a number for
            itself. Of equal thresholds the highest is taken.

    Returns:
        None where the rule needs a class that is absent.

    Raises:
        InputError: The rule is none of these.
    """
    wanted = _number(rule.removeprefix(_SENSITIVITY)) if rule != "youden" else None
    if wanted is not None and not rule.startswith(_SENSITIVITY):
        return wanted
    truths = np.asarray(y_true).astype(bool)
    if not truths.any() or (wanted is None and truths.all()):
        return None
    thresholds, hits, alarms = cumulative_counts(truths, y_score)
    if wanted is None:
        # Whole numbers, lest rounding decides between thresholds that are equally good.
        place = np.argmax(hits * alarms[-1] - alarms * hits[-1])
    else:
        place = np.argmax(hits >= wanted * hits[-1] - 1e-9)
    return float(thresholds[place])


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise InputError(
            f"threshold rule {text!r}: use youden, sensitivity=<0 to 1>, or a number from 0 to 1"
        )
    return value


def confusion(
    y_true: np.ndarray,
    y_score: np.ndarray,
    threshold: float,
    *,
    patients: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What calling every score from the threshold on upwards positive gets right and wrong.

    Args:
        y_true: (N,) 1 or True for a positive.
        y_score: (N,).
        threshold: From which on an image is called positive.
        patients: (N,) whose image each is; None takes images as independent.

    Returns:
        Counts `tp`, `fp`, `fn`, `tn`; `sensitivity`, `specificity`, `ppv`, `npv`, each None where
        nothing is divided by nothing; and for each `<name>_interval`, see `share_interval`.
    """
    truths, called = np.asarray(y_true).astype(bool), np.asarray(y_score) >= threshold
    owner = np.arange(len(truths)) if patients is None else np.asarray(patients)
    right = truths == called
    tp, tn = int((right & truths).sum()), int((right & ~truths).sum())
    fp, fn = int((~right & ~truths).sum()), int((~right & truths).sum())
    table: dict[str, Any] = {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    for name, among in (
        ("sensitivity", truths),
        ("specificity", ~truths),
        ("ppv", called),
        ("npv", ~called),
    ):
        table[name] = float(right[among].mean()) if among.any() else None
        table[f"{name}_interval"] = share_interval(right[among], owner[among])
    return table


def share_interval(right: np.ndarray, patients: np.ndarray) -> tuple[float, float] | None:
    """95 % of the share of images that are right, when the images of a patient are alike.

    Wilson's interval for as many independent images as these are worth: N over the design effect,
    which is the share's variance over patients divided by that of independent images, at least 1.
    Images that are all right, or all wrong, are worth one a patient.

    Args:
        right: (N,) bool.
        patients: (N,) whose image each is.

    Returns:
        None for fewer than two patients, who say nothing of a spread.
    """
    names, owner = np.unique(patients, return_inverse=True)
    if len(names) < 2:
        return None
    share = float(right.mean())
    off = np.bincount(owner, weights=right - share)
    spread = len(names) / (len(names) - 1) * float((off**2).sum())  # N^2 times the variance
    alone = len(right) * share * (1 - share)  # the same for independent images
    worth = len(right) * min(1.0, alone / max(spread, 1e-9)) if 0 < share < 1 else len(names)
    return wilson(share * worth, worth)


def wilson(
    part: float, whole: float, *, z: float = 1.959963984540054
) -> tuple[float, float] | None:
    """Wilson's score interval of a share; 95 % by default, None of nothing."""
    if not whole:
        return None
    share, scale = part / whole, 1 + z * z / whole
    middle = share + z * z / (2 * whole)
    reach = z * math.sqrt(share * (1 - share) / whole + (z / (2 * whole)) ** 2)
    return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)
