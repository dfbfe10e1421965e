"""The same AUROC among the images of one view, one sex, one age: where a classifier fails."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dlcourse.xray.bootstrap import bootstrap_ranking, interval
from dlcourse.xray.roc import compute_roc
from dlcourse.xray.studies import Study

FEWEST = 5  # images of a class below which an AUROC is noise
MOST_VALUES = 6  # of a note, above which it is a measurement and not a group


def evaluate_subgroups(
    truths: np.ndarray, probabilities: np.ndarray, studies: Sequence[Study]
) -> list[dict[str, Any]]:
    """`auroc_of` for every group that has an image, beside `group`, `value` and counts.

    Groups are view, sex, age, first visit, and every note with at most `MOST_VALUES` values.

    Args:
        truths: (N,) bool.
        probabilities: (N,).
        studies: N.
    """
    rows = []
    for group, values in _groups(studies):
        for value in sorted(set(values) - {""}):
            inside = np.array([other == value for other in values])
            members = [s for s, here in zip(studies, inside, strict=True) if here]
            row = {"group": group, "value": value, "images": len(members)}
            row["positives"] = int(truths[inside].sum())
            rows.append(row | auroc_of(truths[inside], probabilities[inside], members))
    return rows


def auroc_of(
    truths: np.ndarray, probabilities: np.ndarray, studies: Sequence[Study], *, fewest: int = FEWEST
) -> dict[str, Any]:
    """`auroc`, `auroc_interval` and `reason`: why there is no area; None where there is one."""
    positives = int(truths.sum())
    for count, name in ((positives, "positive"), (len(truths) - positives, "negative")):
        if count < fewest:
            reason = f"no {name}" if fewest == 1 else f"fewer than {fewest} {name}s"
            return {"auroc": None, "auroc_interval": None, "reason": reason}
    drawn = bootstrap_ranking(truths, probabilities, [s.patient for s in studies])
    return {
        "auroc": compute_roc(truths, probabilities)[2],
        "auroc_interval": interval(drawn.auroc[0]) if drawn else None,
        "reason": None,
    }


def _groups(studies: Sequence[Study]) -> Iterator[tuple[str, list[str]]]:
    """Names of groupings, each with the value of every study; "" where it is not known."""
    yield "view", [s.view for s in studies]
    yield "sex", [s.sex for s in studies]
    yield "age", [_age_group(s.age) for s in studies]
    yield "first visit", [_first_visit(s.follow_up) for s in studies]
    for key in dict.fromkeys(key for s in studies for key in s.notes):
        values = [s.notes.get(key, "") for s in studies]
        named = set(values) - {""}
        if len(named) <= MOST_VALUES and not any(map(_is_number, named)):
            yield key, values


def _is_number(text: str) -> bool:
    """Amounts make no groups."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _age_group(age: int | None) -> str:
    if age is None:
        return ""
    return "0-39" if age < 40 else "40-59" if age < 60 else "60+"


def _first_visit(follow_up: int | None) -> str:
    return "" if follow_up is None else "yes" if follow_up == 0 else "no"
