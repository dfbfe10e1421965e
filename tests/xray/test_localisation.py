"""Scores of maps against truths, and the controls that put them into place."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.xray.images import read_image
from dlcourse.xray.localisation import (
    LEVEL,
    OVERLAPS,
    connected_regions,
    detected_boxes,
    iobb,
    iou,
    outlined_mask,
    pixel_average_precision,
    pointing,
    truth_mask,
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
from dlcourse.xray.localisation_report import localisation_report, patient_mean
from dlcourse.xray.studies import Box

DATA = Path(__file__).resolve().parents[3] / "shared/data"
SIZE = (224, 224)


def box(x: float, y: float, width: float, height: float) -> Box:
    return Box("Pneumothorax", x, y, width, height)


@pytest.fixture(scope="module")
def pneumothorax() -> tuple[list[list[Box]], list[str]]:
    """The 98 boxes of ChestX-ray14, one an image, and the patients."""
    path = DATA / "chestxray/BBox_List_2017.csv"
    if not path.is_file():
        pytest.skip("no ChestX-ray14 beside the repository")
    with open(path, newline="") as lines:
        rows = [row for row in list(csv.reader(lines))[1:] if row[1] == "Pneumothorax"]
    assert len({row[0] for row in rows}) == len(rows) == 98
    boxes = [[box(*(float(pixels) / 1024 for pixels in row[2:6]))] for row in rows]
    return boxes, [row[0].split("_")[0] for row in rows]


# Truths


@given(
    x=st.floats(0, 0.9),
    y=st.floats(0, 0.9),
    width=st.floats(1e-6, 0.5),
    height=st.floats(1e-6, 0.5),
)
def test_a_pixel_is_true_when_its_middle_is_in_the_box(
    x: float, y: float, width: float, height: float
) -> None:
    mask = truth_mask([box(x, y, width, height)], (11, 7))
    for i, j in np.ndindex(11, 7):
        middle = x <= (j + 0.5) / 7 < x + width and y <= (i + 0.5) / 11 < y + height
        of_box = (i, j) == (min(int((y + height / 2) * 11), 10), min(int((x + width / 2) * 7), 6))
        assert mask[i, j] == (middle or of_box)


def test_boxes_of_whole_pixels_become_just_these_and_several_are_united() -> None:
    mask = truth_mask([box(0.25, 0, 0.25, 0.5), box(0.5, 0.5, 0.5, 0.5)], (4, 8))
    expected = np.zeros((4, 8), bool)
    expected[:2, 2:4] = expected[2:, 4:] = True
    assert (mask == expected).all()
    assert not truth_mask([], (4, 8)).any()


# The maximum


def test_pointing_is_whether_the_maximum_is_in_the_truth_and_shares_ties() -> None:
    truth = np.zeros((5, 5), bool)
    truth[1:3, 1:3] = True
    values = np.zeros((5, 5))
    assert pointing(values, truth) == truth.mean(), "a flat map points everywhere"
    values[2, 2] = 1
    assert pointing(values, truth) == 1
    values[4, 4] = values[0, 0] = 1
    assert pointing(values, truth) == pytest.approx(1 / 3)
    values[4, 4] = 2
    assert pointing(values, truth) == 0
    assert pointing(values, widened(truth, 2.8)) == 0
    assert pointing(values, widened(truth, 2.9)) == 1, "two down, two across: 2.83 pixels"


@settings(max_examples=30)
@given(seed=st.integers(0, 99), tolerance=st.floats(0, 4))
def test_a_widened_truth_is_what_lies_within_the_distance(seed: int, tolerance: float) -> None:
    truth = np.random.default_rng(seed).random((7, 9)) < 0.1
    places = np.argwhere(truth)
    for at in np.ndindex(7, 9):
        distances = np.hypot(*(places - at).T)
        assert widened(truth, tolerance)[at] == (distances <= tolerance).any()


# The box around the hottest region


@settings(max_examples=80)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    density=st.floats(0, 1),
    seed=st.integers(0, 999),
)
def test_regions_are_those_of_scipy(size: tuple[int, int], density: float, seed: int) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    mask = np.random.default_rng(seed).random(size) < density
    assert (connected_regions(mask) == ndimage.label(mask)[0]).all()


def test_a_spiral_is_one_region_and_a_corner_does_not_connect() -> None:
    spiral = np.array([[1, 1, 1, 1], [0, 0, 0, 1], [1, 1, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]], bool)
    assert connected_regions(spiral).max() == 1
    assert connected_regions(np.eye(3, dtype=bool)).max() == 3


@settings(max_examples=40)
@given(seed=st.integers(0, 999), level=st.floats(0, 1))
def test_boxes_are_around_the_regions_above_the_level_the_maximum_first(
    seed: int, level: float
) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    values = np.random.default_rng(seed).normal(size=(9, 8))
    scaled = (values - values.min()) / (values.max() - values.min())
    found = detected_boxes(values, level=level)
    labels, _ = ndimage.label(scaled >= level - 1e-12)
    expected = [
        (rows.start, columns.start, rows.stop, columns.stop)
        for rows, columns in ndimage.find_objects(labels)
    ]
    assert sorted(found) == sorted(expected)
    top, left, bottom, right = found[0]
    assert values[top:bottom, left:right].max() == values.max()
    # Wang et al.'s scale of 0..255, sign and size of the map aside.
    assert detected_boxes(3 * values - 7, level=level) == found


def test_a_flat_map_is_one_box_of_everything() -> None:
    assert detected_boxes(np.full((3, 4), -2.0), level=LEVEL) == [(0, 0, 3, 4)]


def test_overlaps_by_hand() -> None:
    truth = np.zeros((10, 10), bool)
    truth[2:6, 2:6] = True  # 16 pixels
    assert iobb((4, 4, 8, 8), truth) == 4 / 16
    assert iou((4, 4, 8, 8), truth) == 4 / 28
    assert iobb((3, 3, 4, 4), truth) == 1, "IoBB rewards a single pixel"
    assert iou((3, 3, 4, 4), truth) == 1 / 16
    assert iou((2, 2, 6, 6), truth) == iobb((2, 2, 6, 6), truth) == 1
    assert iou((7, 7, 9, 9), truth) == iobb((7, 7, 9, 9), truth) == 0


# All pixels


@settings(max_examples=60)
@given(seed=st.integers(0, 999), levels=st.integers(1, 30), share=st.floats(0.01, 0.99))
def test_pixel_average_precision_is_that_of_scikit_learn(
    seed: int, levels: int, share: float
) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    truth = rng.random((6, 7)) < share
    truth[0, 0] = True
    values = rng.integers(0, levels, (6, 7)) - 3.0  # with ties
    expected = metrics.average_precision_score(truth.ravel(), values.ravel())
    assert pixel_average_precision(values, truth) == pytest.approx(expected)


def test_a_map_that_says_nothing_gets_the_share_of_true_pixels() -> None:
    truth = truth_mask([box(0.1, 0.2, 0.3, 0.4)], (40, 40))
    assert pixel_average_precision(np.zeros((40, 40)), truth) == pytest.approx(truth.mean())
    assert pixel_average_precision(truth.astype(float), truth) == 1


# Shares of cells, boxes made of cells


@settings(max_examples=40)
@given(
    boxes=st.lists(
        st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 30)] * 2), min_size=1, max_size=3
    ),
    grid=st.tuples(st.sampled_from([1, 2, 3, 5, 6, 10]), st.sampled_from([1, 2, 4, 7, 12])),
)
def test_shares_of_cells_are_counted_pixels(
    boxes: list[tuple[int, ...]], grid: tuple[int, int]
) -> None:
    """On a raster so fine that boxes and cells are made of whole pixels."""
    size = 420
    made = [box(*(value / 60 for value in edges)) for edges in boxes]
    mask = truth_mask(made, (size, size))
    tall, wide = size // grid[0], size // grid[1]
    expected = mask.reshape(grid[0], tall, grid[1], wide).mean(axis=(1, 3))
    np.testing.assert_allclose(box_shares(made, grid), expected, atol=1e-12)
    np.testing.assert_allclose(cell_shares(mask, grid), expected, atol=1e-12)


def test_shares_of_cells_that_cut_pixels_keep_the_area() -> None:
    mask = np.random.default_rng(0).random((10, 13)) < 0.5
    for grid in ((3, 4), (7, 5), (16, 16)):
        assert cell_shares(mask, grid).mean() == pytest.approx(mask.mean())


def test_every_box_of_whole_cells_is_tried_from_the_left_and_the_top() -> None:
    rng = np.random.default_rng(0)
    mask = rng.random((3, 4)) < 0.5
    expected = [
        ((top, left, bottom, right), iobb((top, left, bottom, right), mask))
        for left in range(4)
        for right in range(left + 1, 5)
        for top in range(3)
        for bottom in range(top + 1, 4)
    ]
    assert aligned_iobb(mask.astype(float)).ravel() == pytest.approx([v for _, v in expected])
    overlap = [iou(found, mask) for found, _ in expected]
    assert aligned_iou(mask.astype(float)).ravel() == pytest.approx(overlap)


def test_the_ceiling_is_1_for_a_truth_made_of_cells_and_below_otherwise() -> None:
    aligned, off = [box(0.25, 0.5, 0.5, 0.25)], [box(0.3, 0.55, 0.5, 0.25)]
    assert aligned_iou(box_shares(aligned, (4, 4))).max() == pytest.approx(1)
    assert aligned_iou(box_shares(off, (4, 4))).max() < 0.7 < 0.9
    assert aligned_iou(box_shares(off, (20, 20))).max() == pytest.approx(1)


@pytest.mark.parametrize(("cells", "images"), [(4, 9), (7, 43), (10, 70), (16, 86)])
def test_the_published_share_of_boxes_that_a_grid_can_reach(
    pneumothorax: tuple, cells: int, images: int
) -> None:
    """IoU of .5 in 9, 44, 71 and 88 % of the 98 boxes."""
    best = [aligned_iou(box_shares(boxes, (cells, cells))).max() for boxes in pneumothorax[0]]
    assert sum(value >= 0.5 for value in best) == images


# The location prior


@pytest.mark.parametrize(("threshold", "images"), [(0.1, 55), (0.25, 41), (0.5, 28)])
def test_the_published_iobb_of_a_fixed_box(
    pneumothorax: tuple, threshold: float, images: int
) -> None:
    """.561, .418 and .286."""
    boxes, patients = pneumothorax
    shares = [box_shares(of_image, (16, 16)) for of_image in boxes]
    gains = fixed_box(shares, patients, gain=lambda s: aligned_iobb(s) > threshold)
    assert gains.sum() == images


@pytest.mark.parametrize("size", [224, 256, 1024])
def test_the_published_pointing_of_a_fixed_place(pneumothorax: tuple, size: int) -> None:
    """.276 of 98."""
    boxes, patients = pneumothorax
    truths = [truth_mask(of_image, (size, size)) for of_image in boxes]
    priors = location_priors(truths, patients)
    hits = [t[first_maximum(p, t.shape)] for p, t in zip(priors, truths, strict=True)]
    assert sum(hits) == 27


def test_the_prior_is_the_mean_of_the_other_patients_truths() -> None:
    rng = np.random.default_rng(0)
    truths = [rng.random((64, 128)) < 0.3 for _ in range(5)]
    patients = ["a", "b", "a", "c", "b"]
    priors = location_priors(truths, patients)
    middles = [1.0 * truth[:, 1::2] for truth in truths]  # of two pixels' edge, the right one
    np.testing.assert_allclose(priors[0], (middles[1] + middles[3] + middles[4]) / 3)
    assert (priors[0] == priors[2]).all()
    shares = [cell_shares(truth, (4, 4)) for truth in truths]
    before = fixed_box(shares, patients, gain=aligned_iou)
    # What happens to a patient's own truth moves neither the prior nor the box of this patient.
    changed = [np.zeros((64, 128), bool), truths[1], np.ones((64, 128), bool), *truths[3:]]
    assert (location_priors(changed, patients)[[0, 2]] == priors[[0, 2]]).all()
    candidates = aligned_iou(shares[1]) + aligned_iou(shares[3]) + aligned_iou(shares[4])
    best = candidates.argmax()
    assert before[[0, 2]] == pytest.approx([aligned_iou(shares[i]).flat[best] for i in (0, 2)])


# All of it together


def phantom_truths(count: int) -> tuple[list[list[Box]], list[str]]:
    """Where chance puts them, two images a patient."""
    rng = np.random.default_rng(3)
    corners, sides = rng.random((count, 2)) * 0.6, 0.1 + 0.3 * rng.random((count, 2))
    boxes = [[box(*c, *s)] for c, s in zip(corners, sides, strict=True)]
    return boxes, [f"patient {i // 2}" for i in range(count)]


def report(maps: np.ndarray, boxes: list[list[Box]], patients: list[str], **options) -> dict:
    truths = [truth_mask(of_image, (56, 56)) for of_image in boxes]
    return localisation_report(maps, truths, patients, boxes=boxes, tolerance=4, **options)


def test_maps_of_the_truth_reach_the_top_and_beat_the_prior() -> None:
    boxes, patients = phantom_truths(20)
    maps = np.stack([box_shares(of_image, (14, 14)) for of_image in boxes])
    made = report(maps, boxes, patients)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert (made["images"], made["patients"], made["grid"]) == (20, 10, [14, 14])
    scores = made["scores"]
    for name in ("pointing", "pointing within 4 px", "iobb > 0.5", "any box, iobb > 0.25"):
        assert scores[name]["model"] == {"mean": 1.0, "interval": [1.0, 1.0]}
    for name in ("pointing", "auprc", "iou", "iou > 0.25", "iobb > 0.5"):
        assert scores[name]["model - prior"]["interval"][0] > 0.1
        assert scores[name]["model"]["mean"] > scores[name]["random"]["mean"] + 0.3
    assert 0.5 < scores["iou"]["model"]["mean"] <= scores["iou"]["ceiling"]["mean"] < 1


def test_random_maps_score_as_the_random_control_does_and_about_the_share_of_pixels() -> None:
    boxes, patients = phantom_truths(60)
    maps = np.random.default_rng(5).random((60, 7, 7))
    made = report(maps, boxes, patients, draws=4)
    share = made["share of pixels that are true"]["mean"]
    for name in ("pointing", "auprc"):
        assert made["scores"][name]["random"]["mean"] == pytest.approx(share, abs=0.05)
    for name in ("auprc", "iou"):
        row = made["scores"][name]
        assert row["model"]["mean"] == pytest.approx(row["random"]["mean"], abs=0.05)


def test_the_report_holds_the_published_prior_and_the_ceiling_of_the_maps_grid(
    pneumothorax: tuple,
) -> None:
    boxes, patients = pneumothorax
    truths = [truth_mask(of_image, SIZE) for of_image in boxes]
    maps = np.zeros((98, 7, 7))
    scores = localisation_report(maps, truths, patients, boxes=boxes, draws=1)["scores"]
    names = ["pointing", *(f"iobb > {t}" for t in OVERLAPS)]
    found = [scores[name]["prior"]["mean"] for name in names]
    assert [round(value, 3) for value in found] == [0.276, 0.561, 0.418, 0.286]
    assert scores["iou > 0.5"]["ceiling"]["mean"] == pytest.approx(43 / 98)
    low, high = scores["pointing"]["prior"]["interval"]
    assert 0.15 < low < 0.22 < high < 0.42, "too few boxes to be sure of more"


def test_a_seed_makes_a_report_and_one_patient_has_no_prior() -> None:
    boxes, patients = phantom_truths(6)
    maps = np.random.default_rng(0).random((6, 5, 5))
    first, again, other = (report(maps, boxes, patients, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["scores"]["auprc"]["random"] != other["scores"]["auprc"]["random"]
    alone = report(maps, boxes, ["one"] * 6)["scores"]["pointing"]
    assert alone["prior"] is alone["model - prior"] is None
    assert alone["model"]["interval"] is None


def test_images_without_a_truth_are_refused() -> None:
    for maps, truths in (
        (np.zeros((1, 2, 2)), [np.zeros((8, 8), bool)]),
        (np.zeros((0, 2, 2)), []),
    ):
        with pytest.raises(ValueError, match="something is marked"):
            localisation_report(maps, truths, ["a"][: len(truths)])


def test_the_mean_is_over_images_and_the_interval_over_patients() -> None:
    values, patients = [1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"]
    made = patient_mean(values, patients)
    assert made == {"mean": 0.75, "interval": [0.0, 1.0]}
    single = patient_mean(values * 25, [str(i) for i in range(100)])
    assert 0.6 < single["interval"][0] < single["interval"][1] < 0.9


def test_a_mask_gets_the_margins_of_its_image_and_an_empty_one_marks_nothing(
    tmp_path: Path,
) -> None:
    """The mask of a wide image, read as the image is: the same pixels are white in both."""
    pixels = np.zeros((60, 120), np.uint8)
    pixels[20:40, 80:110] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    Image.fromarray(0 * pixels).save(tmp_path / "empty.png")
    mask = outlined_mask(tmp_path / "wide.png", (40, 40))
    assert (mask == (read_image(tmp_path / "wide.png", size=40) > 127)).mean() > 0.98
    assert mask[17:23, 27:36].all()
    assert mask.sum() == pytest.approx(20 * 30 / 9, rel=0.15)
    assert outlined_mask(tmp_path / "empty.png", (40, 40)) is None
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"broken\.png"):
        outlined_mask(tmp_path / "broken.png", (40, 40))
