"""Beats as read, as written in the score, and what snaps to them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.beat_files import read_beats
from dlcourse.music.beats import (
    TICKS_PER_STEP,
    BeatGrid,
    quantise,
    score_beats,
    ticks_to_seconds,
)
from dlcourse.music.notes import END, PITCH, START, VELOCITY, Metre, Song, Track, note_array

times_and_pitches = st.lists(
    st.tuples(st.integers(0, 9000), st.integers(0, 900), st.integers(24, 101)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(
    rows=times_and_pitches,
    first=st.floats(-1, 3),
    downbeat=st.integers(0, 3),
    bar=st.integers(2, 4),
)
def test_quantising_keeps_order_and_lengths_and_is_done_once(
    rows: list[tuple[int, int, int]], first: float, downbeat: int, bar: int
) -> None:
    # Each note has a velocity of its own, by which it is found again.
    source = note_array([(start, start + n, p, i) for i, (start, n, p) in enumerate(rows)])
    song = Song("any", 96, (), ((0, 100.0), (500, 140.0))).with_tracks((Track(source),))
    beats = first + np.cumsum(np.random.default_rng(0).uniform(0.3, 0.7, 20))
    found = quantise(song, BeatGrid(beats, downbeat, bar))
    notes = found.tracks[0].notes
    assert np.array_equal(notes, note_array(notes))
    result = notes[np.argsort(notes[:, VELOCITY])][source[:, VELOCITY]]
    assert np.array_equal(result[:, PITCH:], source[:, PITCH:])
    assert (np.diff(result[:, START]) >= 0).all()
    assert np.array_equal(result[:, END] > result[:, START], source[:, END] > source[:, START])
    assert (result[:, :PITCH] % TICKS_PER_STEP == 0).all()
    assert 0 <= result[0, START] < bar * 4 * TICKS_PER_STEP
    again = quantise(found, score_beats(found))
    assert np.array_equal(again.tracks[0].notes, notes)
    assert again.metres == found.metres
    assert again.tempos[0][1] == pytest.approx(found.tempos[0][1])


def one_track(*rows: tuple[int, int]) -> Song:
    """Notes of given starts and ends, in ticks of 1/480 s."""
    notes = note_array([(start, end, 60 + i, 64) for i, (start, end) in enumerate(rows)])
    return Song("few", 480, (), ((0, 60.0),)).with_tracks((Track(notes),))


def times(song: Song) -> list[tuple[int, int]]:
    return [
        (s // TICKS_PER_STEP, e // TICKS_PER_STEP) for s, e, *_ in song.tracks[0].notes.tolist()
    ]


def test_a_pickup_stands_before_a_bar_line() -> None:
    grid = BeatGrid(np.array([1.0, 2.0, 3.0, 4.0]), first_downbeat=1)
    assert times(quantise(one_track((480, 900), (960, 1440)), grid)) == [(12, 16), (16, 20)]


def test_time_goes_on_before_the_first_and_after_the_last_beat() -> None:
    grid = BeatGrid(np.array([2.0, 3.0, 3.5]))  # the last quarter lasts half a second
    song = one_track((480, 960), (960, 1440), (1680, 1920))
    assert times(quantise(song, grid)) == [(12, 16), (16, 20), (24, 28)]


def test_short_notes_last_a_step_and_empty_ones_nothing() -> None:
    grid = BeatGrid(np.array([0.0, 1.0]))
    song = one_track((0, 1), (110, 130), (480, 480))
    assert times(quantise(song, grid)) == [(0, 1), (1, 2), (4, 4)]


def test_seconds_follow_the_tempo_map() -> None:
    song = Song("two tempos", 100, (), ((0, 60.0), (200, 120.0)))
    ticks = np.array([-100, 0, 50, 200, 300, 1000])
    assert ticks_to_seconds(song, ticks) == pytest.approx([-1.0, 0.0, 0.5, 2.0, 2.5, 6.0])


def test_the_scores_own_beats() -> None:
    song = Song("jig", 96, (), ((0, 90.0),), (Metre(0, 6, 8),), end=1000)
    grid = score_beats(song)
    assert (grid.first_downbeat, grid.beats_per_bar, grid.source) == (0, 3, "score")
    assert np.diff(grid.beats) == pytest.approx(60 / 90)
    assert grid.beats[-1] >= ticks_to_seconds(song, np.array([song.end]))[0]


def beat_file(folder: Path, text: str) -> Path:
    path = folder / "beat_midi.txt"
    path.write_text(text)
    return path


def test_read_beats_of_four(tmp_path: Path) -> None:
    rows = [(0.5 * i, i % 2 == 1, i % 4 == 3) for i in range(16)]
    text = "\n".join(f"{t} {float(a)} {float(b)}" for t, a, b in rows) + "\n\n"
    grid = read_beats(beat_file(tmp_path, text))
    assert grid.beats == pytest.approx(np.arange(16) / 2)
    assert (grid.first_downbeat, grid.beats_per_bar, grid.source) == (3, 4, "annotated")


def test_read_beats_of_three(tmp_path: Path) -> None:
    rows = [(0.5 * i, i % 3 == 2, i % 6 == 5) for i in range(18)]
    text = "\n".join(f"{t} {float(a)} {float(b)}" for t, a, b in rows)
    grid = read_beats(beat_file(tmp_path, text))
    assert (grid.first_downbeat, grid.beats_per_bar) == (2, 3)


def test_an_inserted_beat_does_not_outvote_the_song(tmp_path: Path) -> None:
    downbeats = {1, 5, 9, 13, 17, 22, 26}
    text = "\n".join(f"{i} {i % 2}.0 {float(i in downbeats)}" for i in range(30))
    assert read_beats(beat_file(tmp_path, text)).first_downbeat == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "2 or more beats"),
        ("0.5 1.0 1.0\n", "2 or more beats"),
        ("0.5 1.0\n1.0 0.0\n", "2 or more beats, 3"),
        ("0.5 1.0 1.0\n1.0 0.0\n", "three numbers"),
        ("0.5 one 1.0\n1.0 0.0 0.0\n", "three numbers"),
        ("0.5 1.0 1.0\nnan 0.0 0.0\n", "2 or more beats"),
        ("0.5 1.0 1.0\n0.5 0.0 0.0\n", "do not increase"),
    ],
)
def test_malformed_beats(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_beats(beat_file(tmp_path, text))
    assert "beat_midi.txt" in str(caught.value)


def test_missing_beats(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_beats(tmp_path / "none.txt")
