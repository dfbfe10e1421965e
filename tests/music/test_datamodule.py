"""Windows and whole songs, against a loop over songs and steps."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.datamodule import SongData
from dlcourse.music.encoding import IGNORED, Encoding
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.splits import SPLITS, Fractions, Split

WINDOW = 16
NOTES = [2, 5, 30, 3, 40, 12, 20, 35, 30, 2, 28, 26]  # the shortest last less than a window
Window = dict[str, list]


def song_data(root: Path, encoding: Encoding, supervise: str, **settings: object) -> SongData:
    options = {"window": WINDOW, "draw": "windows", "batch_size": 4, "seed": 0}
    options |= {"source": None, "split": Fractions(val=0.25, test=0.25, split_seed=4)}
    data = SongData(root=str(root), encoding=encoding, supervise=supervise, **options | settings)
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(
    params=[
        (Melody(lookback=[1]), "every"),
        (Melody(lookback=[1]), "last"),
        (Lab2018(lookback=[1], min_steps=1), "every"),
        (Lab2018(lookback=[1], min_steps=1), "last"),
        (Lab2018(lookback=[1], min_steps=1, predict_last_frame=True, rests=True), "last"),
    ],
    ids=["melody-every", "melody-last", "lab-every", "lab-last", "lab-last-frame"],
)
def data(make_corpus, request: pytest.FixtureRequest) -> SongData:
    return song_data(make_corpus(notes=NOTES), *request.param)


def frame_at(frames: list[int], step: int) -> int:
    return frames[step] if step >= 0 else NO_CLASS


def windows_by_hand(data: SongData, split: str) -> list[Window]:
    """What each window holds, without its padding."""
    windows = []
    for song, entry in enumerate(data.tables[split].entries):
        frames = entry.encoded.frames.tolist()
        places = entry.encoded.positions.tolist()
        usable = len(frames)
        if split == "train" and not data.encoding.predict_last_frame:
            usable -= 1
        if data.supervise == "last":
            starts = range(1, usable - WINDOW + 1)
        elif split == "train":
            starts = range(max(1, usable - WINDOW + 1))
        else:
            starts = range(1)
        for start in starts:
            end = usable if split != "train" and data.supervise == "every" else start + WINDOW
            steps = range(start, min(end, usable))
            targets = [frames[j] if frames[j] != NO_CLASS else IGNORED for j in steps]
            if data.supervise == "last":
                targets[:-1] = [IGNORED] * (len(targets) - 1)
            windows.append(
                {
                    "song": song,
                    "context": [[frame_at(frames, j - lag) for lag in (1, 16)] for j in steps],
                    "targets": targets,
                    "positions": [places[j] for j in steps],
                }
            )
    return windows


@pytest.mark.parametrize("split", SPLITS)
def test_fetched_batches_are_those_of_a_loop_over_songs(data: SongData, split: str) -> None:
    expected = windows_by_hand(data, split)
    items = np.random.default_rng(0).permutation(len(expected))
    batch = data.fetch(split, items)
    for row, item in enumerate(items):
        window, steps = expected[item], len(expected[item]["targets"])
        assert batch["song"][row] == window["song"]
        assert batch["targets"][row].tolist()[:steps] == window["targets"]
        assert batch["context"][row].tolist()[:steps] == window["context"]
        assert batch["positions"][row].tolist()[:steps] == window["positions"]
        assert set(batch["targets"][row].tolist()[steps:]) <= {IGNORED}
    assert batch["targets"].shape[1] == max(len(window["targets"]) for window in expected)
    if split == "train":
        assert data.batch_plan().size == len(expected)
        with pytest.raises(IndexError):
            data.fetch(split, np.array([len(expected)]))
    else:
        assert data.held_out_size(split)[0] == len(expected)


def test_the_corpus_has_songs_shorter_than_a_window_in_training(data: SongData) -> None:
    """Otherwise the padding would not be tested."""
    assert data.tables["train"].lengths.min() < WINDOW < data.tables["train"].lengths.max()
    assert data.tables["test"].lengths.max() > WINDOW


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_batches_score_each_frame_once_as_scored_says(data: SongData, split: str) -> None:
    loader = data.val_dataloader() if split == "val" else data.test_dataloader()
    size, _ = data.held_out_size(split)
    loader.batch_size = 2  # so that there are several
    found: dict[int, list[int]] = {}
    rows = 0
    for batch in loader:
        rows += len(batch["song"])
        for song, targets in zip(batch["song"].tolist(), batch["targets"], strict=True):
            found.setdefault(song, []).extend(targets[targets >= 0].tolist())
    assert rows == size
    for song, (entry, mask) in enumerate(
        zip(data.tables[split].entries, data.scored(split), strict=True)
    ):
        assert found.get(song, []) == entry.encoded.frames[mask].tolist()


def test_scored_by_hand(make_corpus) -> None:
    root = make_corpus(notes=NOTES)
    every = song_data(root, Melody(), "every")
    assert all(mask.all() for mask in every.scored("test"))
    last = song_data(root, Melody(), "last")
    for mask in last.scored("test"):
        assert mask.tolist() == [step >= WINDOW for step in range(len(mask))]


def test_class_counts_are_those_of_the_training_frames(data: SongData) -> None:
    counted = Counter(
        int(frame) for entry in data.tables["train"].entries for frame in entry.encoded.frames
    )
    counted.pop(NO_CLASS, None)
    counts = data.class_counts().tolist()
    assert {k: n for k, n in enumerate(counts) if n} == counted
    assert len(counts) == data.encoding.num_classes


def test_drawing_songs_draws_each_as_often_whatever_its_length(make_corpus) -> None:
    data = song_data(make_corpus(notes=NOTES), Melody(), "every", draw="songs", batch_size=100)
    plan, songs = data.batch_plan(), data.items["train"][:, 0]
    drawn = np.concatenate([songs[plan.indices(step)].numpy() for step in range(60)])
    counts = np.bincount(drawn)
    expected = len(drawn) / len(data.tables["train"].entries)
    assert len(counts) == len(data.tables["train"].entries)
    assert ((counts - expected) ** 2 / expected).sum() < 20.5  # 99.9 % for 5 degrees of freedom
    even = song_data(make_corpus(notes=NOTES), Melody(), "every", batch_size=4).batch_plan()
    epoch = np.concatenate([even.indices(step) for step in range(even.steps_per_epoch)])
    assert len(set(epoch.tolist())) == len(epoch)


class Fixed(Split):
    """Everything goes where it is told."""

    def __init__(self, **splits: str) -> None:
        self.splits = splits

    def assign(self, groups, names):
        return [self.splits.get(name.removesuffix(".mid")[-2:], "train") for name in names]


def test_an_empty_split_or_too_long_a_window_is_an_error(make_corpus) -> None:
    root = make_corpus(4)
    with pytest.raises(InputError, match="no songs in the split 'test'; see the ledger"):
        _ = song_data(root, Melody(), "every", split=Fixed(**{"00": "val"})).tables
    split = Fixed(**{"00": "val", "01": "test"})
    with pytest.raises(InputError, match="no train song has a full window of 500 steps"):
        _ = song_data(root, Melody(), "last", split=split, window=500).items
    for supervise, draw, window in (("all", "songs", 1), ("last", "any", 1), ("last", "songs", 0)):
        with pytest.raises(InputError):
            song_data(root, Melody(), supervise, draw=draw, window=window)


def test_the_ledger_is_written_below_the_run(make_corpus, tmp_path: Path) -> None:
    data = song_data(make_corpus(6), Melody(), "every", exclude=["Song 03*"])
    data.write_ledger(tmp_path)
    assert (tmp_path / "corpus.csv").read_text().count("excluded by pattern") == 1
    assert sum(len(table.entries) for table in data.tables.values()) == 5
