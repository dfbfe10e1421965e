"""Pictures of maps: nothing where there is no evidence, one colour for one value."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from dlcourse.xray.overlay import (
    AGAINST,
    COLOURS,
    FOR,
    PanelRow,
    draw_panel,
    overlay,
    panel_figure,
    row_title,
    save_png,
    shared_limit,
)
from dlcourse.xray.studies import Box

RNG = np.random.default_rng(0)
RADIOGRAPH = RNG.integers(0, 256, (24, 30), dtype=np.uint8)


def flat(value: float) -> np.ndarray:
    return np.full((3, 4), value)


@pytest.mark.parametrize("scale", ["shared", "image"])
def test_a_map_without_evidence_leaves_the_radiograph_untouched(scale: str) -> None:
    painted = overlay(RADIOGRAPH, flat(0.0), limit=2, opacity=1, scale=scale)
    assert painted.dtype == np.uint8
    assert (painted == RADIOGRAPH[..., None]).all()


@settings(max_examples=50)
@given(
    value=st.floats(-3, 3),
    limit=st.floats(0.5, 3),
    grey=st.integers(0, 255),
    other=st.floats(-3, 3),
)
def test_the_same_value_has_the_same_colour_in_every_image(
    value: float, limit: float, grey: int, other: float
) -> None:
    image = np.full((8, 8), grey, np.uint8)
    alone = overlay(image, np.full((1, 1), value), limit=limit)
    beside = overlay(image, np.array([[value, other]]), limit=limit)
    assert (alone[:, :2] == beside[:, :2]).all()  # up to the middle of the left cell


@settings(max_examples=50)
@given(value=st.floats(0, 4), grey=st.integers(0, 255), opacity=st.floats(0, 1))
def test_for_and_against_cover_alike_in_proportion_up_to_the_limit(
    value: float, grey: int, opacity: float
) -> None:
    image = np.full((4, 4), grey, np.uint8)
    cover = opacity * min(value / 2, 1)
    for sign, ink in ((1, FOR), (-1, AGAINST)):
        painted = overlay(image, np.full((2, 2), sign * value), limit=2, opacity=opacity)
        expected = (1 - cover) * grey + cover * 255 * np.array(to_rgb(ink))
        assert np.abs(painted - expected).max() <= 0.5 + 1e-9


def test_the_scale_of_an_image_by_itself_has_to_be_asked_for() -> None:
    weak = RNG.normal(size=(3, 4))
    strong = 10 * weak
    by_itself = [overlay(RADIOGRAPH, m, limit=20, scale="image") for m in (weak, strong)]
    assert (by_itself[0] == by_itself[1]).all()
    assert (by_itself[0] == overlay(RADIOGRAPH, weak, limit=np.abs(weak).max())).all()
    changed = [np.abs(overlay(RADIOGRAPH, m, limit=20) - 1.0 * RADIOGRAPH[..., None]).mean()
               for m in (weak, strong)]  # fmt: skip
    assert changed[0] < changed[1] / 5


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1, "scale": "minmax"}])
def test_a_scale_that_means_nothing_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="scale="):
        overlay(RADIOGRAPH, flat(1.0), **wrong)


def test_the_shared_limit_is_of_all_maps_together_and_one_outlier_does_not_set_it() -> None:
    maps = [RNG.normal(size=(10, 10)), 0.01 * RNG.normal(size=(20, 5))]
    together = np.sort(np.abs(np.concatenate([m.ravel() for m in maps])))
    assert shared_limit(maps) == shared_limit(maps[::-1]) == together[-2]  # of 200 cells
    assert shared_limit(maps, quantile=1) == together[-1]
    maps[0][0, 0] = 1e6
    assert shared_limit(maps) < 5
    assert shared_limit([flat(0.0)]) == 1
    assert shared_limit([np.eye(1, 1000)]) == 1, "most cells are 0, but not all"


def test_the_bar_is_white_at_zero_and_ends_in_the_inks() -> None:
    assert COLOURS(0.5)[:3] == (1, 1, 1)
    np.testing.assert_allclose(COLOURS([0.0, 1.0])[:, :3], [to_rgb(AGAINST), to_rgb(FOR)])


@pytest.mark.parametrize(
    ("probability", "actual", "outcome"),
    [(0.9, True, "TP"), (0.9, False, "FP"), (0.1, True, "FN"), (0.1, False, "TN")],
)
def test_a_title_says_what_became_of_the_radiograph(
    probability: float, actual: bool, outcome: str
) -> None:
    title = row_title("a_$b$.png", probability=probability, actual=actual)
    assert title == f"{outcome}, probability {probability:.3f}, a_$b$.png"
    assert row_title("a", probability=0.03, actual=True, threshold=0.02).startswith("TP")


def rows() -> list[PanelRow]:
    mask = np.zeros(RADIOGRAPH.shape, bool)
    mask[:5, -6:] = True  # at the border
    return [
        PanelRow(RADIOGRAPH, flat(1.0), "TP, $x_", mask=mask),
        PanelRow(RADIOGRAPH, flat(-4.0), "FN", boxes=(Box("Pneumothorax", 0.5, 0, 0.4, 0.5),)),
    ]


def test_all_rows_of_a_panel_share_one_scale_with_a_labelled_bar() -> None:
    figure = panel_figure(rows())
    *pictures, bar = figure.axes
    assert [axes.get_title(loc="left") for axes in pictures] == ["TP, $x_", "", "", "FN", "", ""]
    middle = [pictures[i].images[0] for i in (1, 4)]
    assert [image.get_clim() for image in middle] == [(-4, 4)] * 2
    assert bar.get_ylabel() == "contribution to the log-odds"
    assert panel_figure(rows(), limit=9).axes[1].images[0].get_clim() == (-9, 9)
    painted = pictures[2].images[0].get_array()
    assert (painted == overlay(RADIOGRAPH, flat(1.0), limit=4)).all()


def test_truths_are_outlined_in_every_picture_of_their_row() -> None:
    pictures = panel_figure(rows()).axes[:-1]
    for axes in pictures[:3]:
        (outline,) = axes.collections
        corners = outline.get_paths()[0].vertices
        assert np.isclose(corners.min(0), [23.5, -0.5], atol=0.51).all()
        assert np.isclose(corners.max(0), [29.5, 4.5], atol=0.51).all()
    for axes in pictures[3:]:
        (box,) = axes.patches
        assert box.get_bbox().bounds == (14.5, -0.5, 12, 12)
    assert all(axes.get_xlim() == (-0.5, 29.5) for axes in pictures)


def test_a_panel_is_a_png_with_both_inks_in_it(tmp_path: Path) -> None:
    draw_panel(rows(), tmp_path / "new" / "panel.png", limit=2)
    pixels = np.asarray(Image.open(tmp_path / "new" / "panel.png").convert("RGB")).astype(int)
    assert pixels.shape[0] > 500
    assert pixels.shape[1] > 800
    for ink in (FOR, AGAINST):
        assert (np.abs(pixels - 255 * np.array(to_rgb(ink))).max(-1) <= 2).sum() > 100
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["panel.png"]


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_png_holds_the_pixels_that_it_was_given(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    save_png(array, tmp_path / "one.png")
    assert (np.asarray(Image.open(tmp_path / "one.png")) == array).all()
