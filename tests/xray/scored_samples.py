"""Scored images of made-up patients, with what a classifier of some skill says of them."""

import numpy as np

from dlcourse.xray.evaluation import Scored
from dlcourse.xray.studies import PNEUMOTHORAX, Study


def scored(
    patients: int, *, seed: int = 0, each: int = 2, prevalence: float = 0.3, skill: float = 2.0
) -> Scored:
    """Every patient has `each` images; the label is the truth, the panel's is now and then not."""
    rng = np.random.default_rng(seed)
    studies, odds = [], []
    for number in range(patients * each):
        sick = bool(rng.random() < prevalence)
        studies.append(
            Study(
                f"{number}.png",
                None,
                str(number // each),
                findings=frozenset({PNEUMOTHORAX} if sick else ()),
                age=int(rng.integers(20, 80)),
                sex="MF"[number // each % 2],
                view="PA" if rng.random() < 0.6 else "AP",
                follow_up=number % each,
                adjudicated={PNEUMOTHORAX: sick != (rng.random() < 0.1)} if number % 2 else {},
                notes={"drain": "yes" if sick and rng.random() < 0.5 else "no", "id": str(number)},
            )
        )
        odds.append(skill * (sick - 0.5) + rng.normal(-0.5, 1))
    truths = np.array([study.has(PNEUMOTHORAX) for study in studies], dtype=bool)
    return Scored(truths, 1 / (1 + np.exp(-np.array(odds))), studies)
