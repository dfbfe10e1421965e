"""Scores of frames of keys by hand and against scikit-learn, and the table that shows them."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.roll_history import previous
from dlcourse.music.scoring.measures import MODEL
from dlcourse.music.scoring.results import as_markdown, own_rival, pooled, results_table
from dlcourse.music.scoring.results_row import results_row
from dlcourse.music.scoring.roll_baselines import (
    COPY_FRAMES,
    COPY_KEYS,
    MARKOV_FRAMES,
    MARKOV_KEYS,
    UNIGRAM,
    fit_roll_baselines,
)
from dlcourse.music.scoring.roll_scores import (
    ROLL_MEASURES,
    SUMS,
    score_roll_baseline,
    score_rolls,
    sums,
)
from dlcourse.music.scoring.scoring import ClassScoring, RollScoring, scoring_of

KINDS = {
    COPY_KEYS: "factorised",
    UNIGRAM: "factorised",
    MARKOV_KEYS: "factorised",
    COPY_FRAMES: "joint",
    MARKOV_FRAMES: "joint",
}


def roll(*, onsets: bool) -> PianoRoll:
    return PianoRoll(onsets=onsets, low=60, high=65, beat=True, lookback=(1,))


def song_entries(count: int, encoding: PianoRoll, *, seed: int = 0) -> list[Entry]:
    """Two files a song; keys mostly go on."""
    rng = np.random.default_rng(seed)
    entries = []
    for number in range(count):
        frames = np.zeros((int(rng.integers(20, 50)), 6), np.int8)
        for step in range(1, len(frames)):
            drawn = rng.integers(0, encoding.num_states, 6)
            frames[step] = np.where(rng.random(6) < 0.6, frames[step - 1].clip(max=1), drawn)
        positions = bar_positions(COMMON_TIME, len(frames))
        song = Encoded(frames, positions, 1, {}, "")
        entries.append(Entry(f"{number}.mid", "", encoded=song, group=f"song {number // 2}"))
    return entries


def test_scores_of_three_frames_by_hand() -> None:
    before = np.array([[0, 0, 0], [1, 2, 0], [0, 1, 2]])
    frames = np.array([[2, 0, 0], [1, 1, 0], [0, 0, 2]])
    said = np.array([[2, 2, 0], [1, 1, 0], [0, 2, 1]])
    first, nll = np.array([True, False, False]), np.array([5.0, 1.0, 2.0])
    scores = score_rolls(nll, said, frames, before, first=first)
    # The last frame: key 1 ended and was said to be struck, key 2 was struck again and not held.
    assert sums(scores) == {
        "nll": 8.0,
        "nll_without_first": 3.0,
        "exact": 1.0,
        "hits": 4.0,
        "extra": 2.0,
        "missed": 0.0,
        "change_hits": 1.0,
        "change_extra": 2.0,
        "change_missed": 2.0,
        "frames_without_first": 2.0,
        "frames": 3.0,
    }
    figures = ROLL_MEASURES.figures(sums(scores))
    assert figures == pytest.approx(
        {
            "nll_without_first": 1.5,
            "f1": 8 / 10,
            "accuracy": 4 / 6,
            "exact": 1 / 3,
            "change_f1": 2 / 6,
        }
    )


@pytest.mark.parametrize("states", [2, 3])
def test_f1_and_accuracy_are_those_of_scikit_learn(states: int) -> None:
    rng = np.random.default_rng(states)
    frames, said = rng.integers(0, states, (2, 200, 8))
    before = previous(frames)
    first = np.zeros(200, bool)
    figures = ROLL_MEASURES.figures(
        sums(score_rolls(np.ones(200), said, frames, before, first=first))
    )
    sounding = (frames > 0).ravel(), (said > 0).ravel()
    assert figures["f1"] == pytest.approx(f1_score(*sounding))
    assert figures["accuracy"] == pytest.approx(jaccard_score(*sounding))
    held = before.clip(max=1)
    # A change is a key with its new state: several labels, of which going on is not one.
    labels = [np.where(x == held, -1, x).ravel() for x in (frames, said)]
    changed = f1_score(*labels, labels=range(states), average="micro")
    assert figures["change_f1"] == pytest.approx(changed)


@pytest.mark.parametrize("onsets", [True, False])
def test_copying_foresees_no_change_and_many_sounding_keys(onsets: bool) -> None:
    encoding = roll(onsets=onsets)
    entries = song_entries(8, encoding)
    songs = [entry.encoded for entry in entries]
    baselines = fit_roll_baselines(songs[:4], songs[4:6], encoding)
    scored = [np.ones(len(song.frames), bool) for song in songs[6:]]
    files = score_roll_baseline(baselines[COPY_KEYS], entries[6:], scored)
    total = {key: sum(file[key] for file in files.values()) for key in SUMS}
    figures = ROLL_MEASURES.figures(total)
    assert figures["change_f1"] == 0
    assert figures["f1"] > 0.6
    came = sum(int((s.frames != previous(s.frames).clip(max=1)).sum()) for s in songs[6:])
    assert total["change_missed"] == came


def test_silence_that_is_foreseen_has_no_f1() -> None:
    silence = np.zeros((4, 6), int)
    figures = ROLL_MEASURES.figures(
        sums(score_rolls(np.ones(4), silence, silence, silence, first=np.zeros(4, bool)))
    )
    assert (figures["f1"], figures["accuracy"], figures["change_f1"]) == (None,) * 3
    assert figures["exact"] == 1


def test_only_the_frames_it_is_told_to_are_scored() -> None:
    encoding = roll(onsets=True)
    entries = song_entries(6, encoding)
    songs = [entry.encoded for entry in entries]
    baseline = fit_roll_baselines(songs[:3], songs[3:5], encoding)[MARKOV_FRAMES]
    steps = len(songs[5].frames)
    parts = [np.arange(steps) < 7, np.arange(steps) >= 7]
    head, tail = (score_roll_baseline(baseline, entries[5:], [part])["5.mid"] for part in parts)
    whole = score_roll_baseline(baseline, entries[5:], [np.ones(steps, bool)])["5.mid"]
    assert {key: head[key] + tail[key] for key in SUMS} == pytest.approx(whole)
    assert (head["frames"], head["frames_without_first"]) == (7, 6)
    assert tail["frames"] == tail["frames_without_first"] == steps - 7
    assert tail["nll"] == tail["nll_without_first"]


def as_outputs(encoding: PianoRoll, entries: list[Entry], train: list[Encoded]) -> dict:
    """What the predictor would say of a batch if it were the Markov chain of frames."""
    baseline = fit_roll_baselines(train, train, encoding)[MARKOV_FRAMES]
    columns: dict[str, list[np.ndarray]] = {}
    for number, entry in enumerate(entries):
        frames = entry.encoded.frames
        steps = np.arange(len(frames))
        said = {
            "nll": -baseline.log_likelihood(entry.encoded, frames),
            "predicted": baseline.likeliest(entry.encoded),
            "frames": frames,
            "previous": previous(frames),
            "first": steps == 0,
            "song": np.full(len(frames), number),
        }
        for key, value in said.items():
            columns.setdefault(key, []).append(value)
    return {key: torch.from_numpy(np.concatenate(values)) for key, values in columns.items()}


@pytest.mark.parametrize("onsets", [True, False])
def test_a_model_and_a_baseline_that_say_the_same_score_the_same(onsets: bool) -> None:
    encoding = roll(onsets=onsets)
    train = [entry.encoded for entry in song_entries(6, encoding, seed=1)]
    entries = song_entries(4, encoding)
    outputs = as_outputs(encoding, entries, train)
    scoring = scoring_of(encoding)
    assert isinstance(scoring, RollScoring)
    frames = len(outputs["nll"])
    for rows in np.array_split(np.random.default_rng(0).permutation(frames), 3):
        scoring.add({key: value[rows] for key, value in outputs.items()})
    scored = [np.ones(len(entry.encoded.frames), bool) for entry in entries]
    baselines = scoring.baselines(train, train, entries, scored)
    assert {name: kind for name, (kind, _) in baselines.items()} == KINDS
    files = baselines[MARKOV_FRAMES][1]
    for number, totals in scoring.model().items():
        assert totals == pytest.approx(files[f"{number}.mid"])
    assert (scoring.details(), scoring.curves()) == ({}, {})


@pytest.mark.parametrize("encoding", [Melody(), Lab2018()])
def test_encodings_of_classes_have_the_scores_of_classes(encoding: Melody | Lab2018) -> None:
    assert isinstance(scoring_of(encoding), ClassScoring)


def table(songs: range, *, kind: str = "joint") -> dict:
    """Results of a model that is half a nat better than the chain of its kind."""
    encoding = roll(onsets=True)
    train = [entry.encoded for entry in song_entries(6, encoding, seed=1)]
    entries = [e for e in song_entries(20, encoding) if int(e.file.split(".")[0]) in songs]
    scored = [np.ones(len(entry.encoded.frames), bool) for entry in entries]
    rows = {
        name: score_roll_baseline(baseline, entries, scored)
        for name, baseline in fit_roll_baselines(train, train, encoding).items()
    }
    best = rows[MARKOV_FRAMES if kind == "joint" else MARKOV_KEYS]
    model = {f: {**file, "nll": file["nll"] - 0.5 * file["frames"]} for f, file in best.items()}
    return results_table(
        {MODEL: model, **rows},
        song_of={entry.file: entry.group for entry in entries},
        unit=encoding.unit,
        what="every frame",
        measures=ROLL_MEASURES,
        kinds={MODEL: kind, **KINDS},
    )


@pytest.mark.parametrize("kind", ["joint", "factorised"])
def test_no_row_is_ranked_against_a_model_of_the_other_kind(kind: str) -> None:
    results = table(range(8), kind=kind)
    assert results["likelihood"] == kind
    for name, row in results["test"].items():
        assert row["kind"] == {MODEL: kind, **KINDS}[name]
        same = row["kind"] == kind
        assert (row["nll_over_model"] is not None) == same
        assert (row["nll_over_model_interval"] is not None) == same
    counts = MARKOV_FRAMES if kind == "joint" else MARKOV_KEYS
    row = results["test"][counts]
    assert row["nll_over_model"] == pytest.approx(0.5)
    assert row["nll_over_model_interval"] == pytest.approx((0.5, 0.5))
    assert own_rival(results, ROLL_MEASURES.counts) == counts


def test_the_row_of_the_readme_has_the_rivals_of_the_models_own_kind() -> None:
    for kind, copying, counts in (
        ("joint", COPY_FRAMES, MARKOV_FRAMES),
        ("factorised", COPY_KEYS, MARKOV_KEYS),
    ):
        results = table(range(8), kind=kind)
        row = results_row(results)
        assert row["nll"].value == results["test"][MODEL]["nll"]
        assert row["nll"].interval == results["test"][MODEL]["nll_interval"]
        assert row["copying"].value == results["test"][copying]["nll"]
        assert row["counts"].value == results["test"][counts]["nll"]


def test_folds_are_pooled_as_songs_are_scored_together() -> None:
    whole = table(range(12))
    parts = [json.loads(json.dumps(table(r))) for r in (range(4), range(4, 6), range(6, 12))]
    together = pooled(parts)
    assert together.pop("pooled_runs") == 3
    assert together["by_file"] == whole["by_file"]
    assert together == whole
    assert together["test"][MODEL]["songs"] == 6


def test_the_markdown_tells_the_kind_of_every_row() -> None:
    results = table(range(8))
    text = as_markdown(results, title="run")
    assert "never ranked against each other" in text
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    headings, rows = lines[0], {cells[0]: cells for cells in lines[2:]}
    assert headings[:4] == ["likelihood", "NLL", "interval", "above the model"]
    for name, row in results["test"].items():
        cells = rows[name]
        assert cells[1] == row["kind"]
        assert cells[2] == f"{row['nll']:.3f}"
        for heading, key in (
            ("without first frames", "nll_without_first"),
            ("exact frames", "exact"),
            ("F1 of sounding keys", "f1"),
            ("accuracy", "accuracy"),
            ("F1 of changes", "change_f1"),
        ):
            assert cells[headings.index(heading) + 1] == f"{row[key]:.3f}"
    assert rows[MARKOV_FRAMES][4].startswith("+0.500")
    assert rows[MARKOV_KEYS][4] == "another kind"
