"""The table of a run, against sums made by hand."""

import math

import numpy as np
import pytest

from dlcourse.intervals import cluster_bootstrap
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import bar_positions
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME
from dlcourse.music.scoring.baselines import Counts
from dlcourse.music.scoring.class_scores import score_baseline, score_frames
from dlcourse.music.scoring.results import as_markdown, pooled, results_table, summary

Files = dict[str, dict[str, float]]


def sums(nll: float, *, top1: float, top3: float, change: float, changes: float, frames: float):
    return {
        "nll": nll,
        "top1": top1,
        "top3": top3,
        "change": change,
        "changes": changes,
        "frames": frames,
    }


def random_files(songs: range, *, worse: float = 0.0) -> Files:
    """Two files a song."""
    files = {}
    for song in songs:
        for part in range(2):
            rng = np.random.default_rng([song, part])
            frames = int(rng.integers(50, 200))
            top1, changes = int(0.6 * frames), int(0.3 * frames)
            files[f"{song}-{part}"] = sums(
                float(frames * (rng.uniform(0.5, 2) + worse)),
                top1=top1,
                top3=int(0.8 * frames),
                change=changes // 3,
                changes=changes,
                frames=frames,
            )
    return files


def song_of(files: Files) -> dict[str, str]:
    return {file: file.split("-")[0] for file in files}


def test_scores_of_frames_by_hand() -> None:
    probabilities = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4], [0.25, 0.4, 0.05, 0.3]])
    targets, changes = np.array([0, 0, 0]), np.array([True, True, False])
    scores = score_frames(probabilities, targets, changes)
    assert scores.nll.tolist() == pytest.approx([-math.log(p) for p in (0.5, 0.1, 0.25)])
    assert scores.top1.tolist() == [True, False, False]
    assert scores.top3.tolist() == [True, False, True]
    assert scores.sums() == pytest.approx(
        sums(-math.log(0.5 * 0.1 * 0.25), top1=1, top3=2, change=1, changes=2, frames=3)
    )
    assert scores.sums(np.array([False, True, True])) == pytest.approx(
        sums(-math.log(0.1 * 0.25), top1=0, top3=1, change=0, changes=1, frames=2)
    )


def test_a_summary_of_two_songs_by_hand() -> None:
    model = {
        "a": sums(10.0, top1=6, top3=8, change=1, changes=4, frames=10),
        "b": sums(60.0, top1=15, top3=24, change=0, changes=6, frames=30),
        "b too": sums(10.0, top1=9, top3=10, change=2, changes=2, frames=10),
    }
    whose = {"a": "song a", "b": "song b", "b too": "song b"}
    row = summary(model, model, whose)
    assert row["nll"] == pytest.approx(80 / 50)
    assert row["perplexity"] == pytest.approx(math.exp(1.6))
    assert (row["top1"], row["top3"], row["change"]) == pytest.approx((30 / 50, 42 / 50, 3 / 12))
    assert (row["frames"], row["files"], row["songs"]) == (50, 3, 2)
    assert row["nll_over_model"] == 0
    # Of two songs four pairs can be drawn: both means lie among them with a chance of a quarter.
    assert row["nll_interval"] == pytest.approx((1.0, 70 / 40))
    baseline = {file: {**values, "nll": values["nll"] + 5} for file, values in model.items()}
    over = summary(baseline, model, whose)
    assert over["nll_over_model"] == pytest.approx(15 / 50)
    assert over["nll_over_model_interval"] == pytest.approx((10 / 40, 5 / 10))


def test_intervals_resample_songs_and_not_files() -> None:
    files = random_files(range(12))
    row = summary(files, files, song_of(files))
    nll = np.array([files[f"{s}-0"]["nll"] + files[f"{s}-1"]["nll"] for s in range(12)])
    frames = np.array([files[f"{s}-0"]["frames"] + files[f"{s}-1"]["frames"] for s in range(12)])
    assert row["nll_interval"] == pytest.approx(cluster_bootstrap(nll, frames))
    assert row["nll_over_model_interval"] == pytest.approx((0, 0))


def test_one_song_has_no_interval_and_no_change_no_accuracy() -> None:
    files = {"x": sums(3.0, top1=1, top3=2, change=0, changes=0, frames=2)}
    row = summary(files, files, {"x": "x"})
    assert (row["nll_interval"], row["nll_over_model_interval"], row["change"]) == (None,) * 3
    table = results_table({"model": files}, song_of={"x": "x"}, unit="nats", what="all")
    assert "| model | 1.500 | one song |  | 4.48 | 0.500 | 1.000 | - |" in as_markdown(
        table, title="t"
    )


def table(songs: range) -> dict:
    rows = {"model": random_files(songs), "unigram": random_files(songs, worse=0.4)}
    whose = song_of(rows["model"])
    return results_table(rows, song_of=whose, unit="nats per 16th", what="every frame")


def test_pooling_folds_is_scoring_their_songs_together() -> None:
    whole = table(range(15))
    parts = pooled([table(range(5)), table(range(5, 6)), table(range(6, 15))])
    assert parts.pop("pooled_runs") == 3
    assert parts["by_file"] == whole["by_file"]
    assert parts == whole
    assert pooled([whole])["test"] == whole["test"]


def test_what_the_folds_say_of_their_augmentation_is_said_once_and_in_order() -> None:
    folds = [table(range(5)), table(range(5, 9)), table(range(9, 15)), table(range(15, 20))]
    facts = [["transposed by -3 to 2", "stretched"], None, ["stretched"], ["off", "stretched"]]
    for fold, own in zip(folds, facts, strict=True):
        fold |= {} if own is None else {"augmentation": own}
    together = pooled(folds)
    assert together["augmentation"] == ["transposed by -3 to 2", "stretched", "off"]
    text = as_markdown(together, title="folds")
    assert text.endswith(" |\n\nAugmentation: transposed by -3 to 2; stretched; off.\n")
    plain = pooled(folds[1:2])
    assert "augmentation" not in plain
    assert "Augmentation" not in as_markdown(plain, title="folds")


def test_the_markdown_has_every_row_with_its_numbers() -> None:
    results = table(range(9))
    text = as_markdown(results, title="my run")
    assert text.startswith("# my run\n")
    assert "9 songs in 18 files" in text
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if " | " in line}
    assert {"model", "unigram"} <= set(rows)
    for name, row in results["test"].items():
        low, high = row["nll_interval"]
        for shown in (f"{row['nll']:.3f}", f"{low:.3f} to {high:.3f}", f"{row['perplexity']:.2f}"):
            assert shown in rows[name]
    assert "+0.400" in rows["unigram"]
    assert "+" not in rows["model"]


def test_a_baseline_is_scored_on_the_frames_it_is_told_to() -> None:
    songs = [
        Encoded(np.array(frames), bar_positions(COMMON_TIME, len(frames)), 1, {}, "")
        for frames in ([2, 0, 0, 1, 0], [5, 0, 5, 0, 0, 0])
    ]
    entries = [Entry(f"{i}.mid", f"{i}", encoded=song) for i, song in enumerate(songs)]
    masks = [np.array([True] * 5), np.array([False, False, True, True, True, False])]
    unigram = Counts(songs, 80, length=0)
    found = score_baseline(unigram, entries, masks, Melody())
    p = unigram.probabilities(songs[0])[0]
    assert p.argmax() == 0
    second = sums(-math.log(p[5] * p[0] * p[0]), top1=2, top3=3, change=0, changes=1, frames=3)
    assert found["1.mid"] == pytest.approx(second)
    assert found["0.mid"]["nll"] == pytest.approx(-math.log(p[2] * p[0] ** 3 * p[1]))
    assert (found["0.mid"]["changes"], found["0.mid"]["change"]) == (2, 0)
