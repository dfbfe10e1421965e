"""How the frames of one class each were foreseen: ranks, changes, calibration."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dlcourse.calibration import reliability
from dlcourse.gallery import DIAGONAL, Overlay
from dlcourse.music.class_encoding import NO_CLASS, ClassEncoding
from dlcourse.music.corpus import Entry
from dlcourse.music.scoring.baselines import COPY, INTERPOLATED, Baseline
from dlcourse.music.scoring.measures import Files, Measures, Sums, decimals, ratio

_BINS = 12  # of the reliability diagram
_MOST_NATS = 709  # whose exponential is still a number
SUMS = ("nll", "top1", "top3", "change", "changes", "frames")


@dataclass
class FrameScores:
    """How each scored frame was predicted, and the class that came; all arrays (M,)."""

    targets: np.ndarray
    nll: np.ndarray
    top1: np.ndarray
    top3: np.ndarray
    changes: np.ndarray
    confidence: np.ndarray  # the probability of the most probable class

    def sums(self, rows: np.ndarray | slice = slice(None)) -> Sums:
        """`SUMS` over some of the frames."""
        changed = self.changes[rows]
        return {
            "nll": float(self.nll[rows].sum()),
            "top1": float(self.top1[rows].sum()),
            "top3": float(self.top3[rows].sum()),
            "change": float((self.top1[rows] & changed).sum()),
            "changes": float(changed.sum()),
            "frames": float(len(changed)),
        }


def score_frames(
    probabilities: np.ndarray,
    targets: np.ndarray,
    changes: np.ndarray,
    *,
    nats: np.ndarray | None = None,
) -> FrameScores:
    """Scores from probabilities (M, K), the classes that came (M,), and where something changed.

    Args:
        nats: (M,) that each of these classes costs, where it is known better than from the
            probabilities, of which those beyond 745 nats are 0.
    """
    true = probabilities[np.arange(len(targets)), targets]
    rank = (probabilities > true[:, None]).sum(axis=1)
    best = probabilities.argmax(axis=1) == targets
    highest = probabilities.max(axis=1)
    nll = -np.log(true) if nats is None else nats
    return FrameScores(targets, nll, best, rank < 3, changes, highest)


def by_class(scores: FrameScores, encoding: ClassEncoding) -> list[dict[str, Any]]:
    """For every class that came, the most frequent first: how often, and how often foreseen."""
    counts = np.bincount(scores.targets, minlength=encoding.num_classes)
    right = np.bincount(scores.targets, weights=scores.top1, minlength=encoding.num_classes)
    return [
        {
            "class": encoding.class_name(int(index)),
            "frames": int(counts[index]),
            "top1": float(right[index] / counts[index]),
        }
        for index in np.argsort(-counts, kind="stable")
        if counts[index]
    ]


def calibration(scores: FrameScores) -> dict[str, Any]:
    """Whether of the frames whose most probable class is given 80 % it comes in four of five.

    Returns:
        `ece`, the mean distance of confidence from what came, over frames; and `bins` of as many
        frames each, in rising order: their `counts`, `mean` confidence, and the share `observed`
        in which the class came.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    bins = reliability(scores.top1, scores.confidence, bins=_BINS)
    columns = {"counts": bins.counts, "mean": bins.mean, "observed": bins.observed}
    return {"ece": bins.ece, "bins": {name: values.tolist() for name, values in columns.items()}}


def calibration_overlay(calibrated: dict[str, Any]) -> Overlay:
    """The reliability diagram of `calibration`."""
    bins = calibrated["bins"]
    names = "mean probability of the most probable class", "share of frames in which it came"
    return Overlay(bins["mean"], bins["observed"], *names, guide=DIAGONAL)


def score_baseline(
    baseline: Baseline,
    entries: Sequence[Entry],
    scored: Sequence[np.ndarray],
    encoding: ClassEncoding,
) -> Files:
    """A baseline on the scored frames of every file."""
    files = {}
    for entry, mask in zip(entries, scored, strict=True):
        frames = entry.encoded.frames
        before = np.concatenate([[NO_CLASS], frames[:-1]])
        changes = encoding.changes(torch.from_numpy(before), torch.from_numpy(frames)).numpy()
        probabilities = baseline.probabilities(entry.encoded)[mask]
        files[entry.file] = score_frames(probabilities, frames[mask], changes[mask]).sums()
    return files


def _figures(total: Mapping[str, float]) -> dict[str, float | None]:
    mean = total["nll"] / total["frames"]
    return {
        "perplexity": math.exp(mean) if mean < _MOST_NATS else None,
        "top1": total["top1"] / total["frames"],
        "top3": total["top3"] / total["frames"],
        "change": ratio(total["change"], total["changes"]),
    }


CLASS_MEASURES = Measures(
    name="classes",
    figures=_figures,
    columns={
        "perplexity": decimals("perplexity", 2),
        "top-1": decimals("top1"),
        "top-3": decimals("top3"),
        "top-1 at changes": decimals("change"),
    },
    likelihood="categorical likelihood of the next frame",
    copying=(COPY,),
    counts=(INTERPOLATED,),
)
