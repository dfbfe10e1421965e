"""What is written to lay runs side by side is read back; thinned curves stay what they were."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import auc

from dlcourse.errors import InputError
from dlcourse.gallery import (
    AUDIO,
    DIAGONAL,
    IMAGE,
    POINTS,
    MediaItem,
    Overlay,
    read_gallery,
    read_overlays,
    thinned,
    write_gallery,
    write_overlays,
)

ITEMS = [
    MediaItem(IMAGE, "00000011_000.png", "probability 0.9, 5 °", "gallery/0-a.png"),
    MediaItem(AUDIO, "song 00 from Für Elise, seed 0", "64 steps given", "songs/song-00.wav"),
    MediaItem(IMAGE, "song 00 from Für Elise, seed 0", "64 steps given", "songs/song-00.png"),
]


def staircase(steps: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As a ROC curve: right or up, both to 1."""
    right = np.random.default_rng(seed).random(steps) < np.linspace(0.1, 0.9, steps)
    x, y = np.append(0, np.cumsum(right)), np.append(0, np.cumsum(~right))
    return x / x[-1], y / y[-1]


def test_a_gallery_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_gallery(tmp_path, ITEMS)
    assert read_gallery(tmp_path) == ITEMS
    raw = json.loads((tmp_path / "gallery.json").read_text(encoding="utf-8"))
    assert raw[1] == {
        "kind": "audio",
        "key": "song 00 from Für Elise, seed 0",
        "caption": "64 steps given",
        "file": "songs/song-00.wav",
    }


def test_curves_are_read_as_they_were_written(tmp_path: Path) -> None:
    curves = {
        "ROC": Overlay(
            [0.0, 0.2, 1.0], [0.0, 0.7, 1.0], "1 - specificity", "sensitivity", DIAGONAL
        ),
        "loss": Overlay([1.0, 2.0], [3.0, 0.1], "steps", "nats"),
    }
    write_overlays(tmp_path, curves)
    assert read_overlays(tmp_path) == curves
    raw = json.loads((tmp_path / "overlays.json").read_text(encoding="utf-8"))
    assert (raw["ROC"]["guide"], raw["loss"]["guide"]) == ("diagonal", None)


def test_a_run_that_left_nothing_has_nothing(tmp_path: Path) -> None:
    assert read_gallery(tmp_path) == []
    assert read_overlays(tmp_path) == {}


@pytest.mark.parametrize("text", ["[{", '[{"kind": "image"}]', '{"ROC": {"x": [0]}}', "[7]"])
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    for name, read in (("gallery.json", read_gallery), ("overlays.json", read_overlays)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=f"{name}: damaged") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)


def test_two_subjects_of_a_kind_with_one_key_are_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="twice"):
        write_gallery(tmp_path, [ITEMS[0], ITEMS[0]])


@pytest.mark.parametrize("seed", range(4))
def test_a_thinned_curve_has_its_points_and_its_area(tmp_path: Path, seed: int) -> None:
    x, y = staircase(1000, seed=seed)
    write_overlays(tmp_path, {"ROC": Overlay(x.tolist(), y.tolist(), "x", "y")})
    read = read_overlays(tmp_path)["ROC"]
    kept = [*zip(read.x, read.y, strict=True)]
    assert len(kept) == POINTS
    assert (kept[0], kept[-1]) == ((0, 0), (1, 1))
    assert set(kept) <= {*zip(x.tolist(), y.tolist(), strict=True)}
    assert (np.diff(read.x) >= 0).all()
    assert (np.diff(read.y) >= 0).all()
    assert auc(read.x, read.y) == pytest.approx(auc(x, y), abs=1e-3)


def test_what_lies_on_a_line_goes_first_and_corners_stay() -> None:
    corners = np.array([0, 0.1, 0.1, 0.6, 0.6, 1]), np.array([0, 0, 0.8, 0.8, 1, 1])
    along = np.arange(501) / 100  # 100 points a stretch
    x, y = (np.interp(along, np.arange(6), axis) for axis in corners)
    for mine, expected in zip(thinned(x, y, points=6), corners, strict=True):
        assert mine == pytest.approx(expected, abs=1e-12)
