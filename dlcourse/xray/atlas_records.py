"""What the failure atlas knows of each image: its outcome, how wrong it is, where its map peaks.

Shape legend: C classes, H W image pixels, h w feature-map cells.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import torch

from dlcourse.xray.cam import evidence
from dlcourse.xray.localisation import outlined_mask, truth_mask
from dlcourse.xray.studies import PNEUMOTHORAX, Study

OUTCOMES = ("TP", "FP", "FN", "TN", "-")  # the last where there is no label
_SURE = 1e-12  # a probability no closer to 0 or 1, whose log-odds would be infinite


@dataclass(frozen=True, eq=False)
class AtlasEntry:
    """One radiograph of the atlas, as the network saw it and what it said.

    Attributes:
        study: Its labels, boxes, mask and side facts.
        image: (H, W) uint8.
        probability: Of the finding.
        cams: (C, h, w) float32, what each cell adds to each class's logit.
        label: 1 with the finding, 0 without, None where nobody knows.
    """

    study: Study
    image: np.ndarray
    probability: float
    cams: np.ndarray
    label: int | None


@dataclass(frozen=True, eq=False)
class Record:
    """An entry and what follows from it.

    Attributes:
        stem: What the names of its pictures begin with.
        outcome: One of `OUTCOMES`.
        wrongness: See `wrongness`.
        evidence: (h, w) contributions to the log-odds of the finding.
        mask: (H, W) true where the finding was outlined; None without such a mask.
        peak: The evidence of the cell that has most.
        x: The middle of that cell, where the map in the size of the image has its maximum too, as a
            fraction of the width; None for a map that is flat.
        y: As a fraction of the height.
        inside: Whether the maximum lies in the mask or, without one, in a box of the finding;
            None where neither was marked or the map is flat.
    """

    entry: AtlasEntry
    stem: str
    outcome: str
    wrongness: float
    evidence: np.ndarray
    mask: np.ndarray | None
    peak: float
    x: float | None
    y: float | None
    inside: bool | None


def atlas_records(
    entries: Sequence[AtlasEntry], *, finding: str, threshold: float, index: int
) -> list[Record]:
    """Work out everything that is shown beside the pictures, in the order of the entries."""
    return [
        _record(entry, number, finding=finding, threshold=threshold, index=index)
        for number, entry in enumerate(entries, start=1)
    ]


def outcome(probability: float, label: int | None, *, threshold: float) -> str:
    """TP, FP, FN or TN; "-" without a label. The threshold itself is positive."""
    if label is None:
        return "-"
    positive = probability >= threshold
    return ("T" if positive == bool(label) else "F") + ("P" if positive else "N")


def wrongness(probability: float, label: int | None, *, threshold: float) -> float:
    """How far beyond the threshold the wrong way, in log-odds; below 0 where it is right.

    Differences of log-odds, because thresholds of rare findings lie near 0, where a difference of
    probabilities would make every false alarm look worse than every miss. -inf without a label.
    """
    if label is None:
        return -math.inf
    beyond = _log_odds(probability) - _log_odds(threshold)
    return -beyond if label else beyond


def _log_odds(probability: float) -> float:
    sure = min(max(float(probability), _SURE), 1 - _SURE)
    return math.log(sure) - math.log1p(-sure)


def safe_stem(number: int, file: str) -> str:
    """A name for pictures that no file system, link or shell trips over; unique by its number."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(file).stem).strip("-._")
    return f"{number:04d}-{plain[:60]}" if plain else f"{number:04d}"


def same_finding(one: str, other: str) -> bool:
    """Whether two spellings name one finding: "Pleural_Thickening", "pleural thickening"."""
    return one.replace("_", " ").casefold() == other.replace("_", " ").casefold()


def _record(
    entry: AtlasEntry, number: int, *, finding: str, threshold: float, index: int
) -> Record:
    cams = torch.from_numpy(np.asarray(entry.cams, np.float32))[None]
    cells = evidence(cams, finding=index)[0].numpy()  # (h, w)
    # A mask is of a pneumothorax, whatever else is on the page.
    masked = entry.study.mask is not None and same_finding(finding, PNEUMOTHORAX)
    mask = outlined_mask(entry.study.mask, entry.image.shape) if masked else None
    row, column = np.unravel_index(cells.argmax(), cells.shape)
    x, y = (int(column) + 0.5) / cells.shape[1], (int(row) + 0.5) / cells.shape[0]
    flat = bool(cells.min() == cells.max())
    truth = _truth(entry, mask, finding)
    return Record(
        entry=entry,
        stem=safe_stem(number, entry.study.file),
        outcome=outcome(entry.probability, entry.label, threshold=threshold),
        wrongness=wrongness(entry.probability, entry.label, threshold=threshold),
        evidence=cells,
        mask=mask,
        peak=float(cells.max()),
        x=None if flat else x,
        y=None if flat else y,
        inside=None if flat or truth is None else _holds(truth, x, y),
    )


def _holds(truth: np.ndarray, x: float, y: float) -> bool:
    high, wide = truth.shape
    return bool(truth[int(y * high), int(x * wide)])


def _truth(entry: AtlasEntry, mask: np.ndarray | None, finding: str) -> np.ndarray | None:
    if mask is not None:
        return mask
    boxes = [box for box in entry.study.boxes if same_finding(box.finding, finding)]
    return truth_mask(boxes, entry.image.shape) if boxes else None
