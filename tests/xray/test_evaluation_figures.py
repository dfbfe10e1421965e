"""Pictures show the curves of the evaluation, and say so where there is none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from dlcourse.xray.evaluation import Scored, evaluate
from dlcourse.xray.evaluation_figures import PRECISION_RECALL, RELIABILITY, ROC, draw_figures
from dlcourse.xray.studies import PNEUMOTHORAX
from tests.xray.scored_samples import scored

BLUE, ORANGE = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def _coloured(path: Path, colour: tuple[int, int, int]) -> int:
    """How many pixels of a picture have about this colour."""
    pixels = imread(path)[..., :3] * 255
    return int((np.abs(pixels - colour).max(axis=-1) < 12).sum())


def _draw(test: Scored, folder: Path) -> list[Path]:
    val, train = scored(40, seed=9), scored(60, seed=8).studies
    return draw_figures(evaluate(test, val, train, finding=PNEUMOTHORAX), folder)


@pytest.mark.parametrize("patients", [15, 150])
def test_both_curves_are_drawn_and_the_bins_of_the_model(patients: int, tmp_path: Path) -> None:
    paths = _draw(scored(patients), tmp_path / "figures")
    assert [path.name for path in paths] == [ROC, PRECISION_RECALL, RELIABILITY]
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(
        (ROC, PRECISION_RECALL, RELIABILITY)
    )
    for path in paths[:2]:
        assert _coloured(path, BLUE) > 200
        assert _coloured(path, ORANGE) > 200
    assert _coloured(paths[2], BLUE) > 1000
    assert _coloured(paths[2], ORANGE) == 0


def test_a_better_model_has_its_curve_nearer_to_the_corner(tmp_path: Path) -> None:
    def height(skill: float) -> float:
        path = _draw(scored(150, skill=skill), tmp_path / str(skill))[0]
        pixels = imread(path)[..., :3] * 255
        blue = np.abs(pixels - BLUE).max(axis=-1) < 12
        left = blue[: blue.shape[0] * 7 // 10, : blue.shape[1] // 2]  # not the legend below
        return float(np.nonzero(left)[0].mean())

    assert height(4.0) < height(0.5) - 30, "rows of a picture count downwards"


def test_no_legend_hides_a_curve(tmp_path: Path) -> None:
    """Curves that run level from edge to edge, where a legend would lie within the axes."""
    test = scored(60)
    positives, negatives = np.flatnonzero(test.truths), np.flatnonzero(~test.truths)
    high, low = np.where(test.truths, 0.8, 0.2), np.where(test.truths, 0.2, 0.5)
    high[negatives[:4]] = 0.9  # precision 9 in 10 at a recall of 1
    low[positives[:4]] = 0.9  # sensitivity 1 in 10 from a specificity of 1 to 0
    precise = _draw(replace(test, probabilities=high), tmp_path / "high")[1]
    insensitive = _draw(replace(test, probabilities=low), tmp_path / "low")[0]
    for path in (precise, insensitive):
        blue = np.abs(imread(path)[..., :3] * 255 - BLUE).max(axis=-1) < 40
        level = blue[blue.sum(axis=1).argmax()]
        assert level.mean() > 0.7


def test_one_class_has_no_curve_and_no_error(tmp_path: Path) -> None:
    test = scored(10, prevalence=0.0)
    paths = _draw(test, tmp_path)
    for path in paths[:2]:
        assert _coloured(path, BLUE) == 0
        assert _coloured(path, ORANGE) == 0
    assert _coloured(paths[2], BLUE) > 1000
