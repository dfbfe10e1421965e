"""What a map's scores have to be seen beside: the best guess without looking at the image, and the
best that cells of this size allow.

The location prior knows where other patients' findings lie and nothing else. On the 98 boxes of
pneumothorax in ChestX-ray14 (82 patients, each left out in turn) its place, the first maximum of
the others' mean mask at 64 x 64 cells, is right in 27 (.276); its box, for each T the best of the
others on a lattice of 16 x 16 cells, reaches IoBB > .1/.25/.5 in 55/41/28 (.561/.418/.286), where
the maps of Wang et al. (CVPR 2017) reach .459/.347/.184. Finer lattices and other choices among
equals give 26 to 31 for the place, and 53 to 60, 33 to 45 and 26 to 31 for the boxes.

Shape legend: N images, H W image pixels, h w cells.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dlcourse.xray.studies import Box

PRIOR_GRID = (64, 64)


def location_priors(truths: Sequence[np.ndarray], patients: Sequence[str]) -> np.ndarray:
    """For every image, how often each place is true in images of the other patients.

    Args:
        truths: N masks (H, W), which may differ in size.
        patients: Of the N images, at least two.

    Returns:
        (N, 64, 64) shares; places are the middles of these cells.
    """
    marked = np.stack([truth[middle_pixels(truth.shape, PRIOR_GRID)] for truth in truths])
    patients = np.asarray(patients)
    return np.stack([marked[patients != own].mean(axis=0) for own in patients])


def middle_pixels(size: tuple[int, int], grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows (h, 1) and columns (1, w) of the pixels in which the middles of a grid's cells lie."""
    rows, columns = (
        ((np.arange(cells) + 0.5) * n / cells).astype(int)
        for n, cells in zip(size, grid, strict=True)
    )
    return rows[:, None], columns[None]


def first_maximum(prior: np.ndarray, size: tuple[int, int]) -> tuple[int, int]:
    """The pixel of an image (H, W) where a prior (h, w) is largest; of equals the first to read."""
    rows, columns = middle_pixels(size, prior.shape)
    i, j = np.unravel_index(prior.argmax(), prior.shape)
    return rows[i, 0], columns[0, j]


def fixed_box(
    shares: Sequence[np.ndarray],
    patients: Sequence[str],
    *,
    gain: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """What one fixed box, chosen on the other patients' images, gets in each image.

    The box is made of whole cells. For every patient the one with the largest sum of gains over
    the images of all others is taken; of equals, the first in the order of left, right, top and
    bottom edge. How equals are told apart moves the result by a few images in a hundred.

    Args:
        shares: N times (h, w), from `cell_shares` or `box_shares`; the lattice of the published
            numbers is 16 x 16.
        patients: Of the N images, at least two.
        gain: From shares to the gains of all boxes, in the shape of `aligned_iobb`.

    Returns:
        (N,) gains.
    """
    patients = np.asarray(patients)
    total = sum(gain(of_image).astype(float) for of_image in shares)
    gains = np.empty(len(shares))
    for patient in np.unique(patients):
        own = np.flatnonzero(patients == patient)
        of_own = np.stack([gain(shares[i]).astype(float) for i in own])
        # Sums of IoU differ in their last digits; rounding lets equals be equals.
        best = np.round(total - of_own.sum(axis=0), 9).argmax()
        gains[own] = of_own.reshape(len(own), -1)[:, best]
    return gains


def cell_shares(truth: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Mask (H, W) -> (h, w), the share of each cell that is true; cells may cut pixels."""
    rows, columns = (np.linspace(0, 1, n + 1) for n in truth.shape)
    return _overlaps(rows, grid[0]) @ truth @ _overlaps(columns, grid[1]).T


def box_shares(boxes: Sequence[Box], grid: tuple[int, int]) -> np.ndarray:
    """The share of each cell (h, w) that lies in any of the boxes, to the last digit.

    A mask's pixels round boxes, which near a threshold of overlap changes the side.
    """
    rows = np.unique([0, 1, *(edge for b in boxes for edge in (b.y, b.y + b.height))]).clip(0, 1)
    columns = np.unique([0, 1, *(edge for b in boxes for edge in (b.x, b.x + b.width))]).clip(0, 1)
    y, x = ((edges[1:] + edges[:-1]) / 2 for edges in (rows, columns))
    inside = np.zeros((len(y), len(x)), bool)  # of the pieces into which the edges cut the image
    for b in boxes:
        inside |= ((y > b.y) & (y < b.y + b.height))[:, None] & (x > b.x) & (x < b.x + b.width)
    return _overlaps(rows, grid[0]) @ inside @ _overlaps(columns, grid[1]).T


def aligned_iobb(shares: np.ndarray) -> np.ndarray:
    """From shares (h, w) to that of every box of whole cells.

    Returns:
        (w (w + 1) / 2, h (h + 1) / 2): pairs of left and right edges, pairs of top and bottom
        edges, each in the order (0, 1), (0, 2), ... (1, 2), ...
    """
    true, area = _aligned(shares)
    return true / area


def aligned_iou(shares: np.ndarray) -> np.ndarray:
    """From shares (h, w) to the IoU of every box of whole cells, as `aligned_iobb`."""
    true, area = _aligned(shares)
    return true / (area + shares.sum() - true)


def _aligned(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    sums = np.pad(shares.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))  # (h + 1, w + 1)
    top, bottom = np.triu_indices(len(sums), 1)
    left, right = np.triu_indices(sums.shape[1], 1)
    rows = sums[bottom] - sums[top]
    return (rows[:, right] - rows[:, left]).T, (right - left)[:, None] * (bottom - top)


def _overlaps(edges: np.ndarray, cells: int) -> np.ndarray:
    """(cells, pieces): how much of each of the equal cells of 0 to 1 every piece covers."""
    bounds = np.linspace(0, 1, cells + 1)
    covered = np.minimum(bounds[1:, None], edges[1:]) - np.maximum(bounds[:-1, None], edges[:-1])
    return covered.clip(0) * cells
