"""Songs at other tempos: the same frames, drawn out or drawn together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from dlcourse.music.augmentation.song_augmentation import SongAugmentation
from dlcourse.music.augmentation.stretching import stretched, stretched_copies, with_velocities
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding
from dlcourse.music.melody import Melody
from dlcourse.music.notes import HELD, OFF, VELOCITY, Metre, Song, Track, note_array
from dlcourse.splits import TRAIN
from tests.music.test_augmentation import EVERY_ENCODING, SEEDS, some_song, song_data

BOTH = SongAugmentation(stretch=[0.5, 2.0])


def states(encoding: Encoding, song: Song) -> np.ndarray:
    return encoding.states(encoding.encode(song).frames[None])[0]


@EVERY_ENCODING
@given(seed=SEEDS)
def test_a_song_twice_as_long_holds_every_frame_for_one_step_more(
    encoding: Encoding, seed: int
) -> None:
    song = some_song(seed)
    once, twice = states(encoding, song), states(encoding, stretched(song, 2.0))
    expected = np.stack([once, np.where(once == OFF, OFF, HELD)], axis=1).reshape(-1, once.shape[1])
    both = min(len(expected), len(twice))  # the lab has one frame beyond the end
    assert len(expected) - both <= 1
    assert twice[:both].tolist() == expected[:both].tolist()
    back = encoding.encode(stretched(stretched(song, 2.0), 0.5))
    assert back.frames.tolist() == encoding.encode(song).frames.tolist()
    assert back.positions.tolist() == encoding.encode(song).positions.tolist()


def test_a_metre_changes_where_its_note_has_gone() -> None:
    notes = note_array([(0, 480, 60, 80), (1920, 2400, 62, 80)])
    metres = (Metre(0, 4, 4), Metre(1920, 3, 4))
    song = replace(Song("x", 480, (Track(notes),), metres=metres), tempos=((0, 90.0), (1920, 60.0)))
    for factor, step in ((0.5, 8), (2.0, 32)):
        encoded = Melody().encode(stretched(song, factor))
        assert encoded.frames[step] == Melody().encode(song).frames[16]
        assert encoded.positions[step].tolist() == [0, 0, 12]
        assert encoded.positions[step - 1, 2] == 16
        longer = stretched(song, factor)
        assert longer.tempos[1][0] / longer.ticks_per_quarter == step / 4


def entry(rows: list[tuple[int, int]], *, steps: int = 0) -> Entry:
    """A melody of notes (start, end) in steps; a drum makes it last `steps`."""
    notes = note_array([(120 * start, 120 * end, 60, 80) for start, end in rows])
    drum = Track(note_array([(0, 120 * steps, 38, 80)]), is_drum=True)
    song = Song("x", 480, (Track(notes), drum))
    return Entry("x.mid", "x", song=song, encoded=Melody().encode(song), split=TRAIN, group="x")


def test_onsets_that_would_lie_between_the_steps_are_left_out_and_counted() -> None:
    entries = [entry([(0, 1), (4, 7)]), entry([(0, 1), (5, 6)]), entry([(0, 2), (3, 4)])]
    copies, fact = stretched_copies(entries, Melody(), factors=[0.5, 2.0], velocity=0, seed=0)
    lengths = [(copy.stretched, len(copy.encoded.frames)) for copy in copies]
    assert lengths == [((0.5,), 4), ((2.0,), 14), ((2.0,), 12), ((2.0,), 8)]
    assert {copy.group for copy in copies} == {"x"}
    assert fact == (
        "4 more training songs, stretched by 0.5 and 2, left out 2 for onsets between the steps "
        "at 0.5"
    )


@EVERY_ENCODING
@given(seed=SEEDS)
def test_velocities_change_nothing_that_an_encoding_keeps(encoding: Encoding, seed: int) -> None:
    song = some_song(seed)
    other = with_velocities(song, 60, rng=np.random.default_rng(seed))
    before, after = (np.concatenate([t.notes for t in s.tracks]) for s in (song, other))
    change = after - before
    assert not np.delete(change, VELOCITY, axis=1).any()
    assert 30 < np.abs(change[:, VELOCITY]).max() <= 60
    assert 1 <= after[:, VELOCITY].min() <= after[:, VELOCITY].max() <= 127
    assert encoding.encode(other).frames.tolist() == encoding.encode(song).frames.tolist()


def test_the_ledger_tells_at_which_lengths_a_song_is_trained_on(
    make_corpus, tmp_path: Path
) -> None:
    data = song_data(make_corpus(8), Melody(), BOTH)
    data.write_ledger(tmp_path)
    header, *lines = (tmp_path / "corpus.csv").read_text().splitlines()
    column = header.split(",").index("stretched")
    told = {line.split(",")[0]: line.split(",")[column] for line in lines}
    made: dict[str, list[str]] = {}
    for copy in data.augmented.copies:
        made.setdefault(copy.file, []).append(f"{copy.stretched[0]:g}")
    assert made
    assert told == {e.file: " ".join(made.get(e.file, [])) for e in data.entries}
    plain = song_data(make_corpus(8), Melody())
    plain.write_ledger(tmp_path)
    assert "stretched" not in (tmp_path / "corpus.csv").read_text()


@pytest.mark.parametrize("draw", ["windows", "songs"])
def test_stretched_songs_are_drawn_in_training(make_corpus, draw: str) -> None:
    data = song_data(make_corpus(8), Melody(), BOTH, draw=draw)
    plan = data.batch_plan()
    items = np.concatenate([plan.indices(step) for step in range(200)])
    drawn = set(data.fetch(TRAIN, items)["song"].tolist())
    assert drawn == set(range(len(data.songs(TRAIN)) + len(data.augmented.copies)))
