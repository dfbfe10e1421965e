"""How well a map tells where: its maximum, the box around its hottest region, all of its pixels.

A map here is an evidence map in the size of the image (H, W), a truth is a mask (H, W) that is true
where the finding was marked. Scores are of one image each; `localisation_report` puts them
together and beside what can be had without looking at the image.

Shape legend: N images, H W image pixels.

Source: Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016 (pointing game);
Wang et al., ChestX-ray8, CVPR 2017, section 4.3 (boxes around regions, IoU and IoBB).
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from dlcourse.splits import connected_groups
from dlcourse.xray.images import read_image, with_margins
from dlcourse.xray.studies import Box

OVERLAPS = (0.1, 0.25, 0.5)  # T, what IoU and IoBB have to exceed
LEVEL = 180 / 255  # of Wang et al.'s two thresholds (60 and 180 of 255) the one for small regions

# Rows from `top` on and before `bottom`, columns from `left` on and before `right`.
PixelBox = tuple[int, int, int, int]


def outlined_mask(path: Path, size: tuple[int, int]) -> np.ndarray | None:
    """The pixels (H, W) that a mask fills by half or more, with the margins its image was given.

    A thin rim may fill none by half: those that it fills most stand for it. None for an empty mask.

    Raises:
        InputError: The file is no image.
    """
    mask = read_image(path)
    if size[0] == size[1]:
        mask = with_margins(mask)
    shares = np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.BOX))
    return shares >= np.clip(shares.max(), 1, 128) if shares.any() else None


def truth_mask(boxes: Iterable[Box], size: tuple[int, int]) -> np.ndarray:
    """The pixels (H, W) that lie in any of the boxes.

    A pixel is in when its centre is: the one of column i is at (i + 0.5) / W. The pixel in which
    the middle of a box lies is always in, so that none vanishes.
    """
    mask = np.zeros(size, bool)
    rows, columns = ((np.arange(n) + 0.5) / n for n in size)
    for box in boxes:
        inside_x = (columns >= box.x) & (columns < box.x + box.width)
        inside_y = (rows >= box.y) & (rows < box.y + box.height)
        mask |= inside_y[:, None] & inside_x
        middle = (box.y + box.height / 2, box.x + box.width / 2)
        mask[tuple(min(int(m * n), n - 1) for m, n in zip(middle, size, strict=True))] = True
    return mask


def widened(truth: np.ndarray, tolerance: float) -> np.ndarray:
    """The mask (H, W) and every pixel whose centre is at most so many pixels from one of it."""
    reach = int(tolerance)
    around = np.pad(truth, reach)
    wide = np.zeros_like(truth)
    for down, right in np.argwhere(np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1])
                                   <= tolerance):  # fmt: skip
        wide |= around[down : down + truth.shape[0], right : right + truth.shape[1]]
    return wide


def pointing(values: np.ndarray, truth: np.ndarray) -> float:
    """Whether the maximum lies in the truth: 1 or 0, or the share of equal maxima that do.

    For Zhang et al.'s tolerance (15 pixels, of pictures about 224 high) give the truth `widened`.
    """
    return float(truth[values == values.max()].mean())


def connected_regions(mask: np.ndarray) -> np.ndarray:
    """Number the regions of a mask (H, W): 0 outside, from 1 on in the order of reading.

    Pixels belong together when they share an edge; a corner is not enough.
    """
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)  # runs of true pixels, in the order of reading
    _, stops = np.nonzero(edges == -1)
    touching: list[list[tuple[int, int]]] = [[] for _ in rows]
    first = np.searchsorted(rows, np.arange(len(mask) + 1))
    for row in range(1, len(mask)):
        above = np.arange(first[row - 1], first[row])
        below = np.arange(first[row], first[row + 1])
        meet = (starts[above, None] < stops[below]) & (starts[below] < stops[above, None])
        for i, j in np.argwhere(meet):
            pair = (int(above[i]), int(below[j]))
            touching[pair[0]].append(pair)
            touching[pair[1]].append(pair)
    names = np.unique(connected_groups(touching), return_inverse=True)[1]
    labels = np.zeros(mask.shape, int)
    for row, start, stop, name in zip(rows, starts, stops, names, strict=True):
        labels[row, start:stop] = name + 1
    return labels


def detected_boxes(values: np.ndarray, *, level: float = LEVEL) -> list[PixelBox]:
    """Boxes around the regions of a map above a level; first the one with the maximum.

    Args:
        level: Where between the map's minimum (0) and maximum (1). A flat map is one region.
    """
    low, high = values.min(), values.max()
    # Not `low + level * ...`, which rounding can put above the maximum.
    labels = connected_regions(values - low >= level * (high - low))
    top = labels.flat[values.argmax()]
    order = [top, *(name for name in range(1, labels.max() + 1) if name != top)]
    return [_bounds(labels == name) for name in order]


def _bounds(mask: np.ndarray) -> PixelBox:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def iobb(box: PixelBox, truth: np.ndarray) -> float:
    """Intersection over the detected box: the share of the box that is true.

    Any box inside the truth gets 1, a single pixel too: never to be read without `iou`.
    """
    top, left, bottom, right = box
    return float(truth[top:bottom, left:right].mean())


def iou(box: PixelBox, truth: np.ndarray) -> float:
    """Intersection over union of a detected box and the truth."""
    top, left, bottom, right = box
    area, both = (bottom - top) * (right - left), truth[top:bottom, left:right].sum()
    return float(both / (area + truth.sum() - both))


def pixel_average_precision(values: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall curve of a map's pixels against the truth's.

    Sum over thresholds of precision times the recall it adds; equal values share a threshold. A map
    that says nothing gets the share of pixels that are true.
    """
    order = np.argsort(-values, axis=None, kind="stable")
    ranked, hits = values.flat[order], np.cumsum(truth.flat[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each threshold
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float((precision * np.diff(recall, prepend=0)).sum())
