"""The benchmark matrices as entries: frames, splits, positions and ranges."""

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

from dlcourse.errors import InputError
from dlcourse.music.corpus import Entry, write_ledger
from dlcourse.music.datamodule import SongData
from dlcourse.music.encoding import Encoding
from dlcourse.music.matrices.reading import positions_of, read_matrices
from dlcourse.music.melody import Melody
from dlcourse.music.notes import END, PITCH, START
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.splits import SPLITS, Fractions
from tests.composing import composed
from tests.matrix_files import random_rolls, write_rolls

ROLLS = random_rolls(9, seed=1)
PARTS = (ROLLS[:5], ROLLS[5:7], ROLLS[7:])
ENCODING = PianoRoll(onsets=False)


def read(path: Path, encoding: Encoding = ENCODING, *, steps_a_bar: int = 8) -> list[Entry]:
    return read_matrices(path, encoding, file="x.mat", steps_a_bar=steps_a_bar)


def test_every_sequence_is_an_entry_with_its_split_and_its_cells(tmp_path: Path) -> None:
    entries = read(write_rolls(tmp_path / "x.mat", PARTS))
    assert [e.file for e in entries[4:7]] == ["x.mat/train/004", "x.mat/val/000", "x.mat/val/001"]
    assert [e.split for e in entries] == [s for s, r in zip(SPLITS, PARTS, strict=True) for _ in r]
    for entry, roll in zip(entries, ROLLS, strict=True):
        assert np.array_equal(entry.encoded.frames, roll)
        assert len(entry.encoded.positions) == len(roll)
        assert not entry.reason
    assert len({e.sha1 for e in entries}) == len(entries)
    assert [e.file for e in read(tmp_path)] == [e.file for e in entries]


def runs(roll: np.ndarray) -> list[tuple[int, int, int]]:
    """Start, end and pitch of each uninterrupted sounding of a key, cell by cell."""
    found = []
    for key in range(88):
        start = None
        for step in range(len(roll) + 1):
            sounds = step < len(roll) and roll[step, key]
            if sounds and start is None:
                start = step
            elif not sounds and start is not None:
                found.append((start, step, key + 21))
                start = None
    return sorted(found)


@pytest.mark.parametrize(("low", "high"), [(21, 108), (0, 127), (45, 90)])
def test_decoded_they_are_the_notes_of_the_file(low: int, high: int, tmp_path: Path) -> None:
    encoding = PianoRoll(onsets=False, low=low, high=high, steps_per_quarter=2)
    for entry, roll in zip(
        read(write_rolls(tmp_path / "x.mat", PARTS), encoding), ROLLS, strict=True
    ):
        song = encoding.decode(entry.encoded.frames)
        notes = song.tracks[0].notes
        step = song.ticks_per_quarter // 2
        notes = notes[:, [START, END, PITCH]] // [step, step, 1]
        found = sorted(map(tuple, notes.tolist()))
        assert found == runs(roll)
        assert entry.encoded.encoded == len(found)


def test_keys_out_of_range_are_named_and_counted(tmp_path: Path) -> None:
    extra = ROLLS[0].copy()
    extra[2:5, 0], extra[3, 87] = 1, 1
    path = write_rolls(tmp_path / "x.mat", ([extra, ROLLS[1]], *PARTS[1:]))
    with pytest.raises(InputError) as caught:
        read(path, PianoRoll(onsets=False, low=40, high=90))
    assert str(caught.value) == (
        f"{path}: 2 keys that encoding.low=40 encoding.high=90 leave out sound, 4 frames in 1 of 6 "
        f"sequences: 21, 108; set encoding.low=21 encoding.high=108"
    )


@pytest.mark.parametrize("encoding", [Melody(), PianoRoll(onsets=True)])
def test_another_encoding_is_refused_with_the_settings(encoding: Encoding, tmp_path: Path) -> None:
    path = write_rolls(tmp_path / "x.mat", PARTS)
    with pytest.raises(InputError, match=r"encoding=pianoroll encoding\.onsets=false"):
        read(path, encoding)


def test_what_cannot_be_used_is_listed_with_its_reason(tmp_path: Path) -> None:
    silent, loud = np.zeros_like(ROLLS[0]), ROLLS[0] * 2
    path = write_rolls(
        tmp_path / "x.mat", ([ROLLS[0], silent, ROLLS[2][:1]], [loud, ROLLS[5]], ROLLS[7:])
    )
    write_ledger(read(path), tmp_path / "corpus.csv")
    with open(tmp_path / "corpus.csv", newline="") as lines:
        rows = {row["file"][6:]: row for row in csv.DictReader(lines)}
    assert len(rows) == 7
    dropped = {file: row["reason"] for file, row in rows.items() if row["kept"] == "no"}
    assert dropped == {
        "train/001": "no notes that this encoding can hold",
        "train/002": "1 frames: at least 2 are needed",
        "val/000": dropped["val/000"],
    }
    assert dropped["val/000"].startswith("holds 2, ")
    assert {rows[file]["split"] for file in dropped} == {""}
    assert rows["train/000"]["frames"] == str(len(ROLLS[0]))
    assert rows["train/000"]["notes_encoded"] == str(len(runs(ROLLS[0])))


def test_a_file_of_which_nothing_can_be_used_says_so(tmp_path: Path) -> None:
    path = write_rolls(tmp_path / "x.mat", ([ROLLS[0].T], [ROLLS[1].T], [ROLLS[2].T]))
    with pytest.raises(InputError, match=r"none of 3 sequences.*x\.mat/train/000: shape \(88"):
        read(path)


def test_a_folder_without_the_file_says_what_it_has(tmp_path: Path) -> None:
    write_rolls(tmp_path / "other.mat", PARTS)
    with pytest.raises(InputError, match=r"no x\.mat in this folder, found other\.mat"):
        read(tmp_path)


def test_copies_are_logged_listed_and_grouped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = np.roll(ROLLS[3], 2, axis=1)
    path = write_rolls(tmp_path / "x.mat", (ROLLS[:5], [moved, ROLLS[6]], [ROLLS[2], ROLLS[8]]))
    with caplog.at_level(logging.INFO):
        entries = {entry.file[6:]: entry for entry in read(path)}
    assert [record.getMessage() for record in caplog.records] == [
        "x.mat: 1 of 2 test pieces are in the training split too (0 of them in another key), "
        "0 more have the top line of a training piece (also_in in corpus.csv)"
    ]
    assert entries["test/000"].also_in == "x.mat/train/002"
    assert entries["val/000"].also_in == "x.mat/train/003 -2"
    assert entries["test/000"].group == entries["train/002"].group
    assert len({entry.group for entry in entries.values()}) == len(entries) - 1


@pytest.mark.parametrize(("bar", "beat"), [(8, 1), (8, 2), (6, 2), (24, 4), (5, 2)])
def test_positions_count_from_the_first_frame(bar: int, beat: int) -> None:
    places, in_bar = [], 0
    for _ in range(60):
        places.append([in_bar % (8 * beat), in_bar % beat % max(1, 3 * beat // 2), bar])
        in_bar = 0 if in_bar + 1 == bar else in_bar + 1
    assert positions_of(60, bar, steps_a_beat=beat).tolist() == places


def song_data(path: Path, split: Fractions | None) -> SongData:
    config = composed(path.parent / "run", "data=jsb", "data.reader.file=x.mat", quick=False)
    data = SongData(
        source=None,
        encoding=ENCODING,
        split=split,
        window=8,
        supervise="every",
        draw="windows",
        batch_size=2,
        seed=0,
        reader=instantiate(config.data.reader),
        root=str(path),
    )
    data.prepare_data()
    data.setup()
    return data


def test_the_data_module_keeps_the_files_splits_unless_it_has_one(tmp_path: Path) -> None:
    copied = [np.roll(ROLLS[0], 2, axis=1), ROLLS[8]]
    path = write_rolls(tmp_path / "x.mat", (ROLLS[:5], ROLLS[5:7], copied))
    own = {entry.file[6:]: entry.split for entry in song_data(path, None).entries}
    assert all(file.startswith(split) for file, split in own.items())
    for seed in range(5):
        other = song_data(path, Fractions(val=0.3, test=0.3, split_seed=seed)).entries
        found = {entry.file[6:]: entry.split for entry in other}
        assert found["train/000"] == found["test/000"], "a copy in another key is the same piece"
        assert set(found.values()) == set(SPLITS)
