"""The baseline that never looks at the image: what age, sex, view and follow-up already tell.

A network that does not beat it may have learnt who is X-rayed when, and not what a pneumothorax
looks like.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlcourse.xray.studies import Study

FEATURES = ("age", "age unknown", "male", "AP view", "log follow-up")
_STEPS, _CLOSE = 50, 1e-10


@dataclass(frozen=True, eq=False)
class MetadataModel:
    """A logistic regression on `FEATURES`.

    Attributes:
        centre: (F,) subtracted from the features.
        scale: (F,) that they are divided by.
        weights: (F,) log-odds a standardised feature.
        bias: Log-odds of an average image.
    """

    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: float

    def scores(self, studies: Sequence[Study]) -> np.ndarray:
        """Probability of the finding (N,)."""
        inputs = (features(studies) - self.centre) / self.scale
        return _sigmoid(inputs @ self.weights + self.bias)


def features(studies: Sequence[Study]) -> np.ndarray:
    """`FEATURES` of each study (N, F); an unknown age counts as 50 years, with its indicator set.

    An unknown follow-up number counts as 0, the first visit.
    """
    rows = [
        (
            50.0 if s.age is None else float(s.age),
            s.age is None,
            s.sex == "M",
            s.view == "AP",
            np.log1p(s.follow_up or 0),
        )
        for s in studies
    ]
    return np.array(rows, dtype=float).reshape(len(rows), len(FEATURES))


def fit_metadata(studies: Sequence[Study], y: np.ndarray, *, l2: float = 1.0) -> MetadataModel:
    """Fit by Newton's method.

    Args:
        studies: At least one; of training patients.
        y: (N,) whether each has the finding.
        l2: Weight of |weights|^2 / 2 beside the summed NLL. It also keeps the weights finite where
            a feature separates the classes or never varies. With one class only, half an image is
            added to either, so that the probability is neither 0 nor 1.
    """
    inputs, truths = features(studies), np.asarray(y, float)
    centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
    scale[scale < 1e-9] = 1.0
    if truths.min() == truths.max():
        share = (truths.sum() + 0.5) / (len(truths) + 1)
        weights = np.zeros(len(FEATURES))
        return MetadataModel(centre, scale, weights, float(np.log(share / (1 - share))))
    *weights, bias = logistic_regression((inputs - centre) / scale, truths, l2=l2)
    return MetadataModel(centre, scale, np.array(weights), float(bias))


def logistic_regression(inputs: np.ndarray, truths: np.ndarray, *, l2: float) -> np.ndarray:
    """Weights, and last the bias (F + 1,), that minimise summed NLL + l2 |weights|^2 / 2.

    Newton's method, its step halved while it would climb.

    Args:
        inputs: (N, F).
        truths: (N,) 0.0 or 1.0, both present.
    """
    design = np.column_stack([inputs, np.ones(len(inputs))])
    penalty = np.append(np.full(inputs.shape[1], l2), 0.0)

    def loss(at: np.ndarray) -> float:
        odds = design @ at
        return float((np.logaddexp(0, odds) - truths * odds).sum() + (penalty * at * at).sum() / 2)

    weights = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        p = _sigmoid(design @ weights)
        slope = design.T @ (p - truths) + penalty * weights
        bend = (design * (p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        while loss(weights - step) > loss(weights) and np.abs(step).max() > _CLOSE:
            step /= 2
        weights = weights - step
        if np.abs(step).max() < _CLOSE:
            break
    return weights


def _sigmoid(odds: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -odds))
