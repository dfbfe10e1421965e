"""Runs that differ in what is compared show songs from the same primers, and how sure they were."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcourse.gallery import MediaItem, read_gallery, read_overlays
from dlcourse.music.callbacks import song_items
from dlcourse.music.generation import NewSong, Primer
from dlcourse.music.notes import Song
from dlcourse.music.scoring.class_scores import (
    FrameScores,
    calibration,
    calibration_overlay,
    score_frames,
)
from dlcourse.training import train
from tests.composing import QUICK, composed, saved

SONGS = [
    *(option for option in QUICK if option != "~callbacks.songs"),
    "steps=60",
    "callbacks.songs.songs=2",
    "callbacks.songs.bars=1",
    "~callbacks.curves",
]
CALIBRATION = "calibration of the most probable class"


def scores(frames: int, *, sharpness: float = 1.0, seed: int = 0) -> FrameScores:
    """A model whose classes come as it says when `sharpness` is 1; above, it is too sure."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=(frames, 6)) * 1.5
    true, said = (np.exp(odds * s) for s in (1.0, sharpness))
    true, said = (p / p.sum(1, keepdims=True) for p in (true, said))
    targets = np.array([rng.choice(6, p=p) for p in true])
    return score_frames(said, targets, np.zeros(frames, bool))


def test_bins_are_what_sorting_by_confidence_gives() -> None:
    some = scores(1200, sharpness=2.0)
    said = calibration(some)
    parts = np.array_split(np.argsort(some.confidence), 12)
    means = [some.confidence[part].mean() for part in parts]
    shares = [some.top1[part].mean() for part in parts]
    assert said["bins"]["counts"] == [100] * 12
    assert said["bins"]["mean"] == pytest.approx(means)
    assert said["bins"]["observed"] == pytest.approx(shares)
    assert said["ece"] == pytest.approx(np.mean(np.abs(np.subtract(means, shares))))
    curve = calibration_overlay(said)
    assert (curve.x, curve.y, curve.guide) == (
        said["bins"]["mean"], said["bins"]["observed"], "diagonal",
    )  # fmt: skip


def test_who_says_what_comes_is_calibrated_and_who_is_too_sure_is_not() -> None:
    honest, bold = scores(20000), scores(20000, sharpness=3.0)
    assert (honest.top1 == bold.top1).all()
    assert calibration(honest)["ece"] < 0.015
    expected = bold.confidence.mean() - bold.top1.mean()  # too sure in every bin
    assert calibration(bold)["ece"] == pytest.approx(expected, abs=0.01)
    assert expected > 0.2


def test_equal_confidences_stand_in_one_bin() -> None:
    half = score_frames(np.full((30, 2), 0.5), np.arange(30) % 2, np.zeros(30, bool))
    assert calibration(half) == {
        "ece": 0.0,
        "bins": {"counts": [30], "mean": [0.5], "observed": [0.5]},
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two runs that differ in loss and optimizer only."""
    folder = tmp_path_factory.mktemp("runs")
    options = {"one": [], "other": ["loss=focal", "optimizer=sgd"]}
    for name, own in options.items():
        train(saved(composed(folder / name, *SONGS, *own, quick=False)))
    return {name: folder / name for name in options}


def test_another_loss_and_optimizer_has_the_same_primers(runs: dict[str, Path]) -> None:
    one, other = (read_gallery(folder) for folder in runs.values())
    assert [(i.kind, i.key, i.file) for i in one] == [(i.kind, i.key, i.file) for i in other]
    assert [item.kind for item in one] == ["audio", "image"] * 2
    assert one[0].key == one[1].key != one[2].key
    assert one[0].key.startswith("song 00 from ")
    assert one[0].key.endswith(" (train), seed 0")
    weights = [(folder / "checkpoints" / "best.ckpt").read_bytes() for folder in runs.values()]
    assert weights[0] != weights[1]


def test_sounds_and_rolls_are_there(runs: dict[str, Path]) -> None:
    for folder in runs.values():
        for item in read_gallery(folder):
            if item.kind == "audio":
                with wave.open(str(folder / item.file)) as sound:
                    assert sound.getnframes() > 0
            else:
                with Image.open(folder / item.file) as picture:
                    picture.verify()


def test_the_curve_is_of_the_frames_in_the_results_which_come_last(runs: dict[str, Path]) -> None:
    for folder in runs.values():
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        curve, said = read_overlays(folder)[CALIBRATION], results["calibration"]
        row, frames = results["test"]["model"], said["bins"]["counts"]
        assert sum(frames) == row["frames"]
        assert 0 < row["top1"] == pytest.approx(np.average(curve.y, weights=frames))
        gaps = np.abs(np.subtract(curve.x, curve.y))
        assert np.average(gaps, weights=frames) == pytest.approx(said["ece"])
        times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.json")}
        assert max(times["gallery.json"], times["overlays.json"]) <= times["results.json"]


def test_a_song_of_another_seed_has_another_key() -> None:
    new = NewSong(Primer("a (train)", np.zeros(16, int)), Song("new", 480, ()), 64, 0, loop=4)
    items = song_items([new], [Path("run/songs/song-00.mid")], seed=3)
    caption = "16 steps given, 64 new; ends in a loop of 4"
    key = "song 00 from a (train), seed 3"
    assert items == [
        MediaItem("audio", key, caption, "songs/song-00.wav"),
        MediaItem("image", key, caption, "songs/song-00.png"),
    ]
    assert song_items([new], [Path("run/songs/song-00.mid")], seed=4)[0].key != key
