"""Piano rolls: every note on the grid comes back, and every other is accounted for."""

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.music.midi import read_midi
from dlcourse.music.notes import HELD, OFF, STRUCK, Metre, Song, Track, note_array
from dlcourse.music.pianoroll import PianoRoll
from tests.music.small_rolls import keyboard

Rows = list[tuple[int, int, int]]  # onset, end, pitch


@st.composite
def songs_on_the_grid(draw: st.DrawFn) -> tuple[Song, PianoRoll]:
    """Notes that do not overlap on a key, anywhere on the grid of the encoding."""
    per_quarter, scale = draw(st.sampled_from([1, 3, 4, 7, 12])), draw(st.sampled_from([1, 5, 40]))
    rows = []
    for pitch in draw(st.lists(st.integers(21, 108), max_size=5, unique=True)):
        step = 0
        for gap, length in draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)))):
            rows.append(((step + gap) * scale, (step + gap + length) * scale, pitch, 80))
            step += gap + length
    of_track = draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    tracks = [
        Track(note_array([row for row, n in zip(rows, of_track, strict=True) if n == track]))
        for track in range(3)
    ]
    song = Song("x", per_quarter * scale, ()).with_tracks(tuple(tracks))
    return song, PianoRoll(steps_per_quarter=per_quarter)


def notes_of(song: Song, *, ticks_per_quarter: int) -> Rows:
    """Every pitched note in ticks of so many to a quarter."""
    rows = [row for track in song.pitched for row in track.notes.tolist()]
    up, down = ticks_per_quarter, song.ticks_per_quarter
    return sorted((start * up // down, end * up // down, pitch) for start, end, pitch, _ in rows)


@given(songs_on_the_grid())
def test_every_note_on_the_grid_comes_back(made: tuple[Song, PianoRoll]) -> None:
    song, encoding = made
    encoded = encoding.encode(song)
    decoded = encoding.decode(encoded.frames, metre=Metre(0, 3, 4), tempo=90.0, name="y")
    back = notes_of(decoded, ticks_per_quarter=song.ticks_per_quarter)
    assert back == notes_of(song, ticks_per_quarter=song.ticks_per_quarter)
    assert encoded.encoded == len(back)
    assert {*encoded.lost.values(), *encoded.altered.values()} == {0}
    assert encoded.frames.dtype == np.int8
    assert (decoded.name, decoded.tempos, decoded.metres) == ("y", ((0, 90.0),), (Metre(0, 3, 4),))


@given(songs_on_the_grid())
@settings(max_examples=40)
def test_what_sounds_is_the_piano_roll_of_pretty_midi(made: tuple[Song, PianoRoll]) -> None:
    song, encoding = made
    scale = song.ticks_per_quarter // encoding.steps_per_quarter
    midi = pretty_midi.PrettyMIDI()
    for track in song.tracks:
        piano = pretty_midi.Instrument(0)
        for start, end, pitch, velocity in track.notes.tolist():  # a step is a second
            note = pretty_midi.Note(velocity, pitch, float(start // scale), float(end // scale))
            piano.notes.append(note)
        midi.instruments.append(piano)
    frames = encoding.encode(song).frames
    expected = np.zeros((128, len(frames)))
    roll = midi.get_piano_roll(fs=1)
    expected[:, : roll.shape[1]] = roll
    assert np.array_equal(frames > 0, expected[21:109].T > 0)
    if len(frames):
        sparse = PianoRoll(onsets=False, steps_per_quarter=encoding.steps_per_quarter)
        assert np.array_equal(sparse.encode(song).frames, frames > 0)


def nearest(tick: int, song: Song, per_quarter: int) -> int:
    exact = Fraction(tick * per_quarter, song.ticks_per_quarter)
    return int(exact + Fraction(1, 2))


def slow(song: Song, encoding: PianoRoll) -> tuple[list[list[int]], int, Counter, Counter]:
    """Frames, notes encoded, lost and altered, note by note and step by step."""
    grid, high = encoding.steps_per_quarter, encoding.low + encoding.num_keys - 1
    lost, altered, steps = Counter(), Counter(), 0
    longest: dict[tuple[int, int], tuple[int, int, int]] = {}
    for track in song.tracks:
        for start, end, pitch, _ in track.notes.tolist():
            onset = nearest(start, song, grid)
            to = max(nearest(end, song, grid), onset + 1)
            steps = max(steps, to)
            if track.is_drum:
                lost["drums"] += 1
            elif not encoding.low <= pitch <= high:
                lost["out_of_range"] += 1
            else:
                place = (pitch - encoding.low, onset)
                lost["same_key_and_step"] += place in longest
                longest[place] = max(longest.get(place, (0, 0, 0)), (to, -start, -end))
    frames = [[OFF] * encoding.num_keys for _ in range(steps)]
    for (key, onset), (to, _, _) in longest.items():
        for step in range(onset, to):
            frames[step][key] = HELD
    kept = []
    for (key, onset), (to, start, end) in longest.items():
        if not encoding.onsets and onset and frames[onset - 1][key]:
            lost["tied_to_the_note_before"] += 1
        else:
            kept.append((key, onset, to, -start, -end))
    for key, onset, *_ in kept:
        if encoding.onsets:
            frames[onset][key] = STRUCK
    for key, onset, to, start, end in kept:
        last = onset + 1
        while last < steps and frames[last][key] == HELD:
            last += 1
        altered["overlapped"] += last != to
        exact = start * grid == onset * song.ticks_per_quarter
        altered["rounded"] += not (exact and end * grid == to * song.ticks_per_quarter)
    return frames, len(kept), lost, altered


untidy_notes = st.tuples(
    st.integers(0, 40), st.integers(0, 30), st.integers(59, 64), st.integers(0, 2)
)


@given(rows=st.lists(untidy_notes, max_size=12), onsets=st.booleans())
@settings(max_examples=300)
def test_every_note_is_encoded_or_lost_and_what_is_altered_is_counted(
    rows: list[tuple[int, int, int, int]], onsets: bool
) -> None:
    tracks = tuple(
        Track(
            note_array([(a, a + length, pitch, 80) for a, length, pitch, n in rows if n == track]),
            is_drum=track == 2,
        )
        for track in range(3)
    )
    song = Song("x", 12, ()).with_tracks(tracks)  # three ticks a step
    encoding = PianoRoll(onsets=onsets, low=60, high=63)
    encoded = encoding.encode(song)
    frames, kept, lost, altered = slow(song, encoding)
    assert encoded.frames.tolist() == frames
    assert encoded.encoded == kept
    assert Counter(encoded.lost) == lost
    assert Counter(encoded.altered) == altered
    assert encoded.encoded + sum(encoded.lost.values()) == len(rows)
    # One note a begin: what is said to be encoded is what is played.
    decoded = encoding.decode(encoded.frames)
    assert sum(len(track.notes) for track in decoded.tracks) == encoded.encoded
    assert encoded.positions.shape == (len(frames), 3)


def test_the_snippets_of_the_lab_come_back_track_by_track_at_a_fine_grid(lab_folder: Path) -> None:
    """Their ticks are 128 to a quarter: at that grid only what a roll cannot say is changed."""
    fine = PianoRoll(low=41, high=91, steps_per_quarter=128)  # no note is lost
    sixteenths = PianoRoll(low=41, high=91)
    read, moved, account = 0, Counter(), Counter()
    for path in sorted(lab_folder.iterdir()):
        song = read_midi(path)
        for track in song.pitched:
            one = song.with_tracks((track,))
            notes, encoded = notes_of(one, ticks_per_quarter=128), fine.encode(one)
            back = notes_of(fine.decode(encoded.frames), ticks_per_quarter=128)
            read += len(notes)
            account.update(encoded.lost | encoded.altered)
            assert [(start, pitch) for start, _, pitch in back] == [(s, p) for s, _, p in notes]
            for was, now in zip(notes, back, strict=True):
                if was != now:
                    moved["empty" if was[0] == was[1] else path.stem] += 1
            # All onsets are on the grid of 16ths, and ends go to the nearest step after them.
            at_16ths = sixteenths.decode(sixteenths.encode(one).frames)
            found = {(s, p): e for s, e, p in notes_of(at_16ths, ticks_per_quarter=128)}
            assert {*found} == {(s, p) for s, _, p in notes}
            if len(found) == len(notes) and "Dark Horse" not in path.name:
                expected = [max(s + 32, (e + 16) // 32 * 32) for s, e, _ in notes]
                assert [found[s, p] for s, _, p in notes] == expected
    assert read > 16_000
    assert moved == {"empty": 10, "Dark Horse - Verse": 15}
    assert {reason: count for reason, count in account.items() if count} == {
        "overlapped": 15,
        "rounded": 10,
    }


@pytest.mark.filterwarnings("ignore:Tempo, Key or Time signature change events")
def test_the_snippets_sound_as_pretty_midi_reads_them(lab_folder: Path) -> None:
    for path in sorted(lab_folder.iterdir())[::8]:
        song, midi = read_midi(path), pretty_midi.PrettyMIDI(str(path))
        per_second = 128 * song.tempos[0][1] / 60
        for instrument in midi.instruments:
            for note in instrument.notes:  # the roll cuts off what is after the point
                note.start += 0.01 / per_second
                note.end += 0.01 / per_second
        expected = midi.get_piano_roll(fs=per_second)[21:109].T > 0
        empty = [row for track in song.pitched for row in track.notes.tolist() if row[0] == row[1]]
        for start, _, pitch, _ in empty:
            expected[start, pitch - 21] = True
        frames = PianoRoll(steps_per_quarter=128).encode(song).frames
        steps = min(len(frames), len(expected))
        assert steps > 1000
        assert np.array_equal(frames[:steps] > 0, expected[:steps])
        assert not frames[steps:].any()
        assert not expected[steps:].any()


def test_a_repeated_note_is_struck_again_or_tied() -> None:
    track = Track(note_array([(0, 2, 60, 80), (2, 3, 60, 80), (4, 5, 60, 80), (0, 1, 61, 80)]))
    song = Song("x", 4, ()).with_tracks((track,))
    assert keyboard(2).encode(song).frames.T.tolist() == [[2, 1, 2, 0, 2], [2, 0, 0, 0, 0]]
    sparse = keyboard(2, onsets=False)
    encoded = sparse.encode(song)
    assert encoded.frames.T.tolist() == [[1, 1, 1, 0, 1], [1, 0, 0, 0, 0]]
    assert (encoded.encoded, encoded.lost["tied_to_the_note_before"]) == (3, 1)
    assert sparse.states(encoded.frames[None])[0].T.tolist() == [[2, 1, 1, 0, 2], [2, 0, 0, 0, 0]]
