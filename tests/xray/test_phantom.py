"""A drawn pneumothorax is air behind a line, where its mask says and nowhere else."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest

from dlcourse.xray.localisation import widened
from dlcourse.xray.phantom import draw_phantom
from dlcourse.xray.phantom_anatomy import (
    APICAL,
    LATERAL,
    LEFT,
    PLACES,
    RIGHT,
    SIDES,
    Anatomy,
    Exposure,
    Rim,
    lung_outline,
)
from dlcourse.xray.phantom_canvas import Canvas

SIZE = 256
PLAIN = Exposure()


@dataclass(frozen=True, eq=False)
class Pair:
    """One exposure drawn with a pneumothorax, and from the same seed without."""

    seed: int
    anatomy: Anatomy
    exposure: Exposure
    rim: Rim
    sick: np.ndarray
    mask: np.ndarray
    well: np.ndarray
    nothing: np.ndarray


def patient(seed: int) -> Anatomy:
    return Anatomy.drawn(np.random.default_rng([seed, 1]))


def pair(seed: int, side: str, place: str, collapse: float) -> Pair:
    rng = np.random.default_rng([seed, 2])
    exposure = Exposure(
        ap=seed % 3 == 0,
        heart=rng.uniform(0.9, 1.7),
        effusion=0.1 * (seed % 5 == 0),
        emphysema=seed % 4 == 1,
        drain=seed % 2 == 0,
        marker=seed % 3 == 1,
    )
    anatomy, rim = patient(seed), Rim(side, place, collapse)
    sick, mask = draw_phantom(anatomy, exposure, rim, seed=seed, size=SIZE)
    well, nothing = draw_phantom(anatomy, exposure, None, seed=seed, size=SIZE)
    return Pair(seed, anatomy, exposure, rim, sick, mask, well, nothing)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Both sides and places, small and large, four patients of each side and place."""
    kinds = [(side, place) for side in SIDES for place in PLACES]
    collapses = (0.3, 0.45, 0.6, 0.75)
    return [pair(4 * i + k, *kinds[k], c) for i, c in enumerate(collapses) for k in range(4)]


def core(mask: np.ndarray, pixels: float) -> np.ndarray:
    """The mask without a margin of so many pixels."""
    return ~widened(~mask, pixels)


def lung(of: Pair, side: str) -> np.ndarray:
    """How much of each pixel the lung covers, turned and moved as the image of the seed."""
    canvas = Canvas(SIZE, np.random.default_rng(of.seed))
    return canvas.filled(lung_outline(of.anatomy, of.exposure, side))


def pixels(seed: int, exposure: Exposure = PLAIN, rim: Rim | None = None) -> np.ndarray:
    """An image as numbers that can be subtracted."""
    return draw_phantom(patient(seed), exposure, rim, seed=seed, size=128)[0].astype(int)


# With the same seed


def test_the_same_arguments_give_the_same_pixels_and_another_seed_others(pairs: list[Pair]) -> None:
    for p in pairs[:4]:
        sick, mask = draw_phantom(p.anatomy, p.exposure, p.rim, seed=p.seed, size=SIZE)
        assert (sick == p.sick).all()
        assert (mask == p.mask).all()
        other, moved = draw_phantom(p.anatomy, p.exposure, p.rim, seed=p.seed + 99, size=SIZE)
        assert (other != p.sick).mean() > 0.5
        assert (moved != p.mask).any(), "the patient never stands in the same place twice"


def test_a_list_of_numbers_is_a_seed_of_its_own() -> None:
    drawn = [
        draw_phantom(patient(0), PLAIN, None, seed=seed, size=64)[0].tobytes()
        for seed in (3, [3, 0, 1], [3, 1, 0], [3, 0, 1])
    ]
    assert drawn[1] == drawn[3]
    assert len(set(drawn)) == 3


def test_images_are_grey_and_well_exposed_at_any_size() -> None:
    for size in (32, 100, 256):
        image, mask = draw_phantom(patient(1), PLAIN, Rim(RIGHT, APICAL, 0.6), seed=1, size=size)
        assert (image.shape, image.dtype) == ((size, size), np.uint8)
        assert (mask.shape, mask.dtype) == ((size, size), np.bool_)
        assert ((image > 0) & (image < 255)).mean() > 0.9
        assert image.std() > 35
    # The same picture at any size: the mask covers the same share of it.
    shares = [
        draw_phantom(patient(1), PLAIN, Rim(RIGHT, APICAL, 0.6), seed=1, size=size)[1].mean()
        for size in (64, 128, 256)
    ]
    assert shares == pytest.approx([shares[-1]] * 3, rel=0.1)


# What the pneumothorax does to an image


def test_the_pneumothorax_changes_its_mask_and_nothing_else(pairs: list[Pair]) -> None:
    for p in pairs:
        changed = p.sick != p.well
        assert not p.nothing.any()
        # Emphysema may have been there before.
        assert changed[p.mask].mean() > (0.5 if p.exposure.emphysema else 0.9)
        # Pixels at its edge are covered by less than half; 2.9: two pixels, over a corner too.
        assert not (changed & ~widened(p.mask, 2.9)).any()
        assert (changed & ~p.mask).sum() < 0.06 * p.mask.sum()


def test_the_air_lies_in_the_lung_of_its_side(pairs: list[Pair]) -> None:
    for p in pairs:
        other = LEFT if p.rim.side == RIGHT else RIGHT
        assert not p.mask[lung(p, p.rim.side) == 0].any()
        assert not p.mask[lung(p, other) > 0].any()
        halves = {RIGHT: p.mask[:, : SIZE // 2], LEFT: p.mask[:, SIZE // 2 :]}
        assert halves[p.rim.side].sum() == p.mask.sum(), "the patient's right is the image's left"


def test_the_air_reaches_the_wall_and_not_the_middle(pairs: list[Pair]) -> None:
    """In most rows of the mask its outermost pixel is the lung's own outermost one."""
    for p in pairs:
        inside = lung(p, p.rim.side) > 0.5
        rows = np.flatnonzero(core(p.mask, 1).any(axis=1))
        outer = (lambda m: m.argmax(axis=1)) if p.rim.side == RIGHT else _last
        inner = _last if p.rim.side == RIGHT else (lambda m: m.argmax(axis=1))
        assert (np.abs(outer(p.mask[rows]) - outer(inside[rows])) <= 1).mean() > 0.9
        assert (np.abs(inner(p.mask[rows]) - inner(inside[rows])) > 2).mean() > 0.7


def _last(mask: np.ndarray) -> np.ndarray:
    """The last true column of each row."""
    return mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)


def test_the_air_is_darker_at_every_pixel(pairs: list[Pair]) -> None:
    for p in pairs:
        inner = core(p.mask, 5) & (p.sick > 0)
        darker = p.well.astype(int)[inner] - p.sick[inner]
        # The least contrast, 0.8 * 0.88, of 14 grey values is 9.9, of which rounding may take one;
        # where emphysema is, it was as dark before.
        assert len(darker) > 100
        assert darker.min() >= (0 if p.exposure.emphysema else 9)
        assert p.well[p.mask].mean() - p.sick[p.mask].mean() > 6


def test_the_air_has_no_vessels(pairs: list[Pair]) -> None:
    """What varies within a few pixels: the noise and the bones are the same with and without."""
    before, after = [], []
    for p in pairs:
        inner = core(p.mask, 5)  # without the line of the pleura
        for image, energies in ((p.well, before), (p.sick, after)):
            energies.append(_detail(image)[inner].var())
    assert np.mean(np.less(after, before)) > 0.9
    assert np.mean(after) < 0.7 * np.mean(before)


def _detail(image: np.ndarray) -> np.ndarray:
    """Each pixel minus the mean of four others, three pixels from it."""
    moves = [(step, axis) for step in (-3, 3) for axis in (0, 1)]
    values = image.astype(float)
    return values - np.mean([np.roll(values, step, axis) for step, axis in moves], axis=0)


def test_a_thin_bright_line_bounds_the_air_on_the_inside(pairs: list[Pair]) -> None:
    for p in pairs:
        line = p.sick > p.well
        assert line.sum() > 0.1 * SIZE
        assert not core(line, 2).any(), "nowhere five pixels wide"
        rows = np.flatnonzero(line.any(axis=1) & p.mask.any(axis=1))
        right_of = [_column(line[row]) - _column(p.mask[row]) for row in rows]
        inwards = 1 if p.rim.side == RIGHT else -1
        assert np.mean(np.multiply(right_of, inwards) > 0) > 0.95


def _column(row: np.ndarray) -> float:
    return float(np.flatnonzero(row).mean())


@pytest.mark.parametrize("place", PLACES)
def test_the_further_the_lung_collapses_the_more_air_there_is(place: str) -> None:
    for seed in range(4):
        side = SIDES[seed % 2]
        masks = [
            draw_phantom(patient(seed), PLAIN, Rim(side, place, c), seed=seed, size=128)[1]
            for c in (0.2, 0.3, 0.45, 0.6, 0.75)
        ]
        areas = [int(mask.sum()) for mask in masks]
        assert areas == sorted(set(areas))
        assert areas[-1] > 1.5 * areas[1]
        for small, large in pairwise(masks):
            assert (small & ~widened(large, 1.5)).sum() == 0, "the lung leaves, the air stays"


def test_apical_air_lies_higher_than_lateral_air() -> None:
    for seed in range(6):
        centres = {
            place: np.argwhere(
                draw_phantom(
                    patient(seed), PLAIN, Rim(SIDES[seed % 2], place, 0.5), seed=seed, size=128
                )[1]
            )[:, 0].mean()
            for place in PLACES
        }
        assert centres[APICAL] < centres[LATERAL] - 0.03 * 128


# What else there is


def test_emphysema_darkens_a_part_of_a_lung_and_has_no_line_and_no_mask() -> None:
    darker = 0
    for seed in range(8):
        sick = replace(PLAIN, emphysema=True)
        image, mask = draw_phantom(patient(seed), sick, None, seed=seed, size=128)
        change = image.astype(int) - pixels(seed)
        assert not mask.any()
        assert (change <= 0).all()
        canvas = Canvas(128, np.random.default_rng(seed))
        lungs = [canvas.filled(lung_outline(patient(seed), PLAIN, side)) for side in SIDES]
        # Outside the lungs' outlines it may only take away what is left of a vessel's blur.
        assert (change < 0)[np.maximum(*lungs) == 0].sum() < 0.1 * (change < 0).sum()
        assert 0.001 < (change < 0).mean() < 0.1
        darker += (change < -8).sum()
    assert darker / (8 * 128**2) > 0.005


@pytest.mark.parametrize(
    "changes", [{"emphysema": True}, {"drain": True}, {"marker": True}, {"effusion": 0.1}]
)
def test_nothing_else_moves_the_mask(changes: dict) -> None:
    for seed in range(3):
        rim = Rim(SIDES[seed % 2], PLACES[seed % 2], 0.5)
        masks = [
            draw_phantom(patient(seed), exposure, rim, seed=seed, size=128)[1]
            for exposure in (PLAIN, replace(PLAIN, **changes))
        ]
        assert (masks[0] == masks[1]).all()


@pytest.mark.parametrize(("what", "largest"), [("drain", 0.04), ("marker", 0.01)])
def test_drain_and_marker_are_small_bright_things_on_a_side_that_says_nothing(
    what: str, largest: float
) -> None:
    sides = []
    for seed in range(16):
        rim = Rim(RIGHT, LATERAL, 0.5)
        change = pixels(seed, replace(PLAIN, **{what: True}), rim) - pixels(seed, rim=rim)
        assert 0.0005 < (change != 0).mean() < largest
        assert (change < 0).sum() <= 2, "the tube's hollow may lie beside it, by a pixel"
        assert change.max() > 20
        sides.append(np.argwhere(change)[:, 1].mean() < 64)
    assert 4 <= sum(sides) <= 12


def test_an_effusion_is_white_and_lies_low() -> None:
    for seed in range(4):
        shallow, deep = (
            pixels(seed, replace(PLAIN, effusion=depth)) - pixels(seed) for depth in (0.05, 0.14)
        )
        assert deep.min() >= 0
        assert (deep > 0).sum() > (shallow > 0).sum() > 50
        assert np.argwhere(deep > 30)[:, 0].mean() > 0.55 * 128


def test_a_large_heart_takes_the_room_of_the_left_lung_above_all() -> None:
    for seed in range(6):
        canvas = Canvas(128, np.random.default_rng(seed))
        areas = {
            (side, heart): canvas.filled(
                lung_outline(patient(seed), replace(PLAIN, heart=heart), side)
            ).sum()
            for side in SIDES
            for heart in (1.0, 1.6)
        }
        lost = {side: areas[side, 1.0] - areas[side, 1.6] for side in SIDES}
        assert lost[LEFT] > 1.3 * lost[RIGHT] > 0


def test_lying_makes_the_picture_paler_and_noisier_and_lifts_the_domes() -> None:
    lying = replace(PLAIN, ap=True)
    for seed in range(6):
        flat, standing = pixels(seed, lying), pixels(seed)
        spread = [np.subtract(*np.percentile(image, [90, 10])) for image in (flat, standing)]
        assert spread[0] < spread[1]
        bottoms = [lung_outline(patient(seed), e, RIGHT)[:, 1].max() for e in (lying, PLAIN)]
        assert bottoms[0] < bottoms[1] - 0.04
