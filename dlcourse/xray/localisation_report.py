"""What a model's maps score, beside three controls that put the numbers into place.

- random: maps of independent uniform values on the same grid, drawn and not computed, because
  upsampling puts the maximum into the outer cells a little more often than into the others;
- prior: the best guess from where other patients' findings lie, the image unread;
- ceiling: the best box made of whole cells of the grid, with the truth known.

A map has learnt to localise when it beats the prior. Every mean has an interval by patient.

Shape legend: N images, H W image pixels, h w feature-map cells.
"""

from collections.abc import Sequence

import numpy as np
import torch

from dlcourse.intervals import cluster_bootstrap
from dlcourse.progress import progress_bar
from dlcourse.xray.cam import upsample
from dlcourse.xray.localisation import (
    LEVEL,
    OVERLAPS,
    detected_boxes,
    iobb,
    iou,
    pixel_average_precision,
    pointing,
    widened,
)
from dlcourse.xray.localisation_controls import (
    aligned_iobb,
    aligned_iou,
    box_shares,
    cell_shares,
    first_maximum,
    fixed_box,
    location_priors,
)
from dlcourse.xray.studies import Box

LATTICE = (16, 16)  # of the fixed box
WANG_LEVELS = (60 / 255, LEVEL)

Scores = dict[str, np.ndarray]  # (N,) by name


def localisation_report(
    maps: np.ndarray,
    truths: Sequence[np.ndarray],
    patients: Sequence[str],
    *,
    boxes: Sequence[Sequence[Box]] | None = None,
    tolerance: float = 15.0,
    draws: int = 3,
    seed: int = 0,
) -> dict:
    """Means over images, ready for JSON.

    IoU and IoBB are of one box an image, around the region with the maximum. "any box" and "false
    boxes" are Wang et al.'s own count, to be seen beside their numbers: an image is localised when
    any of the boxes at their two thresholds is good enough, and every other box is a false one.

    Args:
        maps: (N, h, w) evidence for the finding; see `cam.evidence`.
        truths: N masks (H, W), none of them empty, such as `truth_mask` makes.
        patients: Of the N images.
        boxes: What the truths were made from, if from boxes: prior and ceiling are then exact
            rather than to a pixel.
        tolerance: Pixels of the truths, for the second pointing score.
        draws: Random maps for each image.
        seed: Of the random maps.

    Returns:
        "images", "patients", "grid", "size" and "scores": by name "model", "random", "prior",
        "ceiling" and, image by image, "model - prior", each with "mean" and "interval"; None where
        a control has no such score, and for the prior of a single patient.

    Raises:
        ValueError: There is no image, or a truth without a pixel.
    """
    if not len(maps) or not all(truth.any() for truth in truths):
        raise ValueError("only images where something is marked can be scored, at least one")
    columns = {
        "model": map_scores(maps, truths, tolerance=tolerance),
        "random": random_scores(maps.shape, truths, tolerance=tolerance, draws=draws, seed=seed),
        "prior": prior_scores(truths, patients, boxes=boxes, tolerance=tolerance),
        "ceiling": ceiling_scores(_shares(truths, boxes, maps.shape[1:])),
    }
    return {
        "images": len(maps),
        "patients": len(set(patients)),
        "grid": list(maps.shape[1:]),
        "size": list(truths[0].shape),
        "share of pixels that are true": patient_mean([t.mean() for t in truths], patients),
        "scores": {name: _row(name, columns, patients) for name in columns["model"]},
    }


def map_scores(maps: np.ndarray, truths: Sequence[np.ndarray], *, tolerance: float) -> Scores:
    """Every score of maps (N, h, w)."""
    pairs = progress_bar(zip(maps, truths, strict=True), "scoring maps", total=len(maps))
    return _columns([_of_map(values, truth, tolerance) for values, truth in pairs])


def _of_map(values: np.ndarray, truth: np.ndarray, tolerance: float) -> dict[str, float]:
    cells = torch.from_numpy(np.asarray(values, np.float32))
    large = upsample(cells[None, None], truth.shape)[0, 0].numpy()
    box = detected_boxes(large)[0]
    every = {found for level in WANG_LEVELS for found in detected_boxes(large, level=level)}
    scores = {
        "pointing": pointing(large, truth),
        _near(tolerance): pointing(large, widened(truth, tolerance)),
        "auprc": pixel_average_precision(large, truth),
        "iou": iou(box, truth),
    }
    for t in OVERLAPS:
        good = sum(iobb(found, truth) > t for found in every)
        scores[f"iou > {t}"] = iou(box, truth) > t
        scores[f"iobb > {t}"] = iobb(box, truth) > t
        scores[f"any box, iobb > {t}"] = good > 0
        scores[f"false boxes, iobb > {t}"] = len(every) - good
    return scores


def random_scores(
    shape: tuple[int, int, int],
    truths: Sequence[np.ndarray],
    *,
    tolerance: float,
    draws: int,
    seed: int,
) -> Scores:
    """The mean scores of so many random maps for each image, in the shape (N, h, w) of maps."""
    rng = np.random.default_rng(seed)
    drawn = [map_scores(rng.random(shape), truths, tolerance=tolerance) for _ in range(draws)]
    return {name: np.mean([scores[name] for scores in drawn], axis=0) for name in drawn[0]}


def prior_scores(
    truths: Sequence[np.ndarray],
    patients: Sequence[str],
    *,
    boxes: Sequence[Sequence[Box]] | None,
    tolerance: float,
) -> Scores:
    """What other patients' truths get: the place and map of most of them, and fixed boxes.

    For every score there is a fixed box of its own, chosen by that score; see `fixed_box`. Nothing
    when there is no other patient.
    """
    if len(set(patients)) < 2:
        return {}
    priors, shares = location_priors(truths, patients), _shares(truths, boxes, LATTICE)
    scores = _columns([_of_prior(p, t, tolerance) for p, t in zip(priors, truths, strict=True)])
    scores["iou"] = fixed_box(shares, patients, gain=aligned_iou)
    for t in OVERLAPS:
        scores[f"iou > {t}"] = fixed_box(shares, patients, gain=lambda s, t=t: aligned_iou(s) > t)
        scores[f"iobb > {t}"] = fixed_box(shares, patients, gain=lambda s, t=t: aligned_iobb(s) > t)
    return scores


def _of_prior(prior: np.ndarray, truth: np.ndarray, tolerance: float) -> dict[str, float]:
    point = first_maximum(prior, truth.shape)
    large = upsample(torch.from_numpy(prior)[None, None], truth.shape)[0, 0].numpy()
    return {
        "pointing": truth[point],
        _near(tolerance): widened(truth, tolerance)[point],
        "auprc": pixel_average_precision(large, truth),
    }


def ceiling_scores(shares: Sequence[np.ndarray]) -> Scores:
    """What the best boxes made of whole cells reach, from the true shares (h, w) of the cells."""
    best = np.array([aligned_iou(of_image).max() for of_image in shares])
    return {"iou": best, **{f"iou > {t}": best > t for t in OVERLAPS}}


def patient_mean(values: Sequence[float], patients: Sequence[str]) -> dict:
    """Mean over images, and its interval when patients are drawn anew; see `cluster_bootstrap`."""
    _, patient = np.unique(np.asarray(patients), return_inverse=True)
    values = np.asarray(values, float)
    interval = cluster_bootstrap(np.bincount(patient, weights=values), np.bincount(patient))
    return {"mean": float(values.mean()), "interval": interval and list(interval)}


def _row(name: str, columns: dict[str, Scores], patients: Sequence[str]) -> dict:
    row = {
        who: patient_mean(scores[name], patients) if name in scores else None
        for who, scores in columns.items()
    }
    prior = columns["prior"].get(name)
    lead = None if prior is None else patient_mean(columns["model"][name] - prior, patients)
    return {**row, "model - prior": lead}


def _columns(rows: Sequence[dict[str, float]]) -> Scores:
    return {name: np.array([row[name] for row in rows], float) for name in rows[0]}


def _near(tolerance: float) -> str:
    return f"pointing within {tolerance:g} px"


def _shares(
    truths: Sequence[np.ndarray],
    boxes: Sequence[Sequence[Box]] | None,
    grid: tuple[int, int],
) -> list[np.ndarray]:
    if boxes is not None:
        return [box_shares(of_image, grid) for of_image in boxes]
    return [cell_shares(truth, grid) for truth in truths]
