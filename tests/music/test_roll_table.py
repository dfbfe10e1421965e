"""Windows cut from all songs at once, against the encoding's own look back over one song."""

import numpy as np
import pytest
import torch

from dlcourse.music.encoding import IGNORED, Encoding
from dlcourse.music.melody import Melody
from dlcourse.music.notes import Metre
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.tables import ClassTable, RollTable, SongTable, song_table
from tests.music.small_rolls import entry, keyboard, random_frames

LENGTHS = [7, 1, 23, 12]
METRES = [Metre(0, 3, 8), Metre(0, 4, 4), Metre(0, 1, 4), Metre(0, 2, 8)]  # bars of 6, 16, 4, 4
LOOKBACK = (1, 3)
ENCODINGS = [
    keyboard(3, lookback=LOOKBACK),
    keyboard(5, onsets=False),
    Melody(lookback=LOOKBACK),
    keyboard(2, lookback=LOOKBACK, match=True),
    Melody(lookback=LOOKBACK, match=True),
]
NAMES = ["states", "sounds", "melody", "states that match", "melody that matches"]
EVERY_ENCODING = pytest.mark.parametrize("encoding", ENCODINGS, ids=NAMES)


def table_of(encoding: Encoding) -> SongTable:
    songs = []
    for seed, (length, metre) in enumerate(zip(LENGTHS, METRES, strict=True)):
        if isinstance(encoding, PianoRoll):
            frames = random_frames(encoding, length, seed=seed).numpy()
        else:
            frames = np.random.default_rng(seed).integers(0, 4, length)
        songs.append(entry(frames, metre))
    return song_table(songs, encoding)


@EVERY_ENCODING
def test_windows_are_cut_as_if_each_song_were_looked_at_alone(encoding: Encoding) -> None:
    table, rng = table_of(encoding), np.random.default_rng(0)
    for _ in range(40):
        song = rng.integers(0, 4, 5)
        first = np.array([rng.integers(0, LENGTHS[n]) for n in song])
        steps = np.array(
            [rng.integers(1, LENGTHS[n] - at + 1) for n, at in zip(song, first, strict=True)]
        )
        starts = torch.from_numpy(table.offsets[song] + first)
        batch = table.gather(starts, torch.from_numpy(steps))
        assert batch["targets"].shape[:2] == (5, steps.max())
        for row, (n, at, many) in enumerate(zip(song, first, steps, strict=True)):
            frames, places = table.frames[n], table.positions[n]
            context = encoding.context(frames[None], places[None])[0, at : at + many]
            assert batch["context"][row, :many].tolist() == context.tolist()
            assert batch["positions"][row, :many].tolist() == places[at : at + many].tolist()
            assert batch["targets"][row, :many].tolist() == frames[at : at + many].tolist()
            assert (batch["targets"][row, many:] == IGNORED).all()
            assert not encoding.is_scored(batch["targets"][row, many:]).any()
            if encoding.match:
                matches = encoding.matches(frames[None], places[None])[0, at : at + many]
                assert batch["matches"][row, :many].tolist() == matches.tolist()
        # What is fed where nothing is scored has to be good enough for the network.
        features = encoding.features(batch["context"], batch["positions"], batch.get("matches"))
        assert features.shape == (5, steps.max(), encoding.num_features)
        assert 0 <= features.min() < features.max() <= 1


@EVERY_ENCODING
def test_a_window_leaves_the_table_as_it_was(encoding: Encoding) -> None:
    table = table_of(encoding)
    starts, lengths = torch.from_numpy(table.offsets), torch.from_numpy(table.lengths)
    whole = table.gather(starts, lengths)
    for name in whole:
        whole[name] += 1
    again, fresh = table.gather(starts, lengths), table_of(encoding).gather(starts, lengths)
    assert all(torch.equal(again[name], fresh[name]) for name in fresh)
    assert table.targets.tolist() == [row for song in table.frames for row in song.tolist()]


def likeness(frame: torch.Tensor, other: torch.Tensor) -> float:
    """Of classes, whether they are the same; of chords, how much they share, silence counted in."""
    if frame.dim() == 0:
        return float(frame == other)
    one, two = (
        {(key, state) for key, state in enumerate(chord.tolist()) if state}
        for chord in (frame, other)
    )
    keys = {key for key, _ in one | two}
    return (len(one & two) + 1) / (len(keys) + 1)


@pytest.mark.parametrize("encoding", ENCODINGS[3:], ids=NAMES[3:])
def test_a_match_says_how_alike_the_last_frames_were_to_those_so_many_bars_before(
    encoding: Encoding,
) -> None:
    table, seen = table_of(encoding), set()
    for frames, places in zip(table.frames, table.positions, strict=True):
        alike = [  # of each frame, and each look back
            [
                likeness(frames[k], frames[k - bars * bar]) if k >= bars * bar else 0.0
                for bars in LOOKBACK
            ]
            for k, bar in enumerate(places[:, 2].tolist())
        ]
        for first in (0, len(frames) // 2, len(frames) - 1):
            found = encoding.matches(frames[None], places[None], first=first)[0].tolist()
            assert len(found) == len(frames) - first
            for step, row in enumerate(found, start=first):
                columns = list(zip(*alike[max(0, step - 16) : step], strict=True)) or [(), ()]
                expected = [float(column[-1:] == (1.0,)) for column in columns]
                for last in (1, 4, 16):
                    expected += [sum(column[-last:]) / last for column in columns]
                assert row == pytest.approx(expected, abs=1e-6)
                seen |= {round(x, 4) for x in row}
    assert len(seen) > 5


def test_what_is_before_a_song_is_silence_not_the_song_before() -> None:
    encoding = keyboard(2, lookback=(1,))
    loud = [entry(np.full((8, 2), 2, dtype=np.int8)) for _ in range(2)]
    batch = song_table(loud, encoding).gather(torch.tensor([8]), torch.tensor([8]))
    before, a_bar_ago = batch["context"][0].any(-1).T.tolist()
    assert before == [False] + [True] * 7
    assert a_bar_ago == [False] * 6 + [True] * 2


def test_tables_are_small_and_of_the_kind_of_the_frames() -> None:
    roll, melody = table_of(ENCODINGS[0]), table_of(ENCODINGS[2])
    assert (type(roll), type(melody)) == (RollTable, ClassTable)
    assert roll.longest == melody.longest == 23
    one = torch.tensor([0]), torch.tensor([7])
    assert roll.gather(*one)["context"].dtype == roll.gather(*one)["targets"].dtype == torch.int8
    assert {part.dtype for part in melody.gather(*one).values()} == {torch.int16}
    for table in (roll, melody):
        for song, (low, high) in enumerate(table.key_ranges.tolist()):
            states = table.encoding.states(table.frames[song][None].numpy())[0]
            used = np.flatnonzero(states.any(0)).tolist() or [table.encoding.num_keys, -1]
            assert (low, high) == (used[0], used[-1])
