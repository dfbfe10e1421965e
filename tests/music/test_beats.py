"""A performance comes back to the score it was played from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.beats import (
    TICKS_PER_STEP,
    BeatGrid,
    estimate_beats,
    is_performed,
    quantise,
    read_beats,
    score_beats,
    share_on_grid,
    ticks_to_seconds,
)
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import END, PITCH, START, VELOCITY, Metre, Song, Track, note_array

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CHORDS = ((0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2))


def score(seed: int = 0, *, bars: int = 32, beats_per_bar: int = 4) -> Song:
    """Bass and chords of one bar each, and a melody that begins and ends on any 16th."""
    rng = np.random.default_rng(seed)
    bar = 4 * beats_per_bar
    chords, melody = [], []
    for b in range(bars):
        chord = CHORDS[b % 4]
        chords.append((b * bar, (b + 1) * bar, 36 + chord[0], 80))
        chords += [
            (b * bar + step, b * bar + step + 2, 60 + pitch, 70)
            for step in range(0, bar, 4)
            for pitch in chord
        ]
        starts = np.sort(rng.choice(bar, 5, replace=False))
        melody += [
            (b * bar + s, b * bar + s + rng.integers(1, 5), rng.integers(72, 90), 90)
            for s in starts
        ]
    scale = np.array([TICKS_PER_STEP, TICKS_PER_STEP, 1, 1])
    tracks = [Track(note_array(rows) * scale) for rows in (melody, chords)]
    song = Song("score", 480, (), ((0, 90.0),), (Metre(0, beats_per_bar, 4),))
    return song.with_tracks(tuple(replace(t, notes=t.notes.astype(np.int32)) for t in tracks))


def performed(song: Song, *, drift: float, jitter: float, seed: int = 0) -> tuple[Song, BeatGrid]:
    """The song as played along a smooth tempo curve of +-`drift`, `jitter` seconds around it.

    The file's tempo stays what it was, so that only the ticks tell. Also the true beats.
    """
    rng = np.random.default_rng(seed)
    count = song.end // 480 + 8
    curve = np.sin(2 * np.pi * (np.arange(count) / 61 + rng.random()))
    period = 60 / song.tempos[0][1]
    beats = rng.uniform(0.2, 0.5) + np.cumsum(period * (1 + drift * curve))
    tracks = []
    for track in song.tracks:
        notes = track.notes.copy()
        for column in (START, END):
            played = np.interp(notes[:, column] / 480, np.arange(count), beats)
            played += np.clip(rng.normal(0, jitter, len(notes)), -3 * jitter, 3 * jitter)
            notes[:, column] = np.round(played / period * 480)
        tracks.append(replace(track, notes=note_array(notes)))
    grid = BeatGrid(beats, 0, song.metres[0].numerator, "annotated")
    return replace(song, tracks=()).with_tracks(tuple(tracks)), grid


def same_notes(one: Song, other: Song) -> bool:
    pairs = zip(one.tracks, other.tracks, strict=True)
    return all(np.array_equal(a.notes, b.notes) for a, b in pairs)


def share_right(found: Song, true: Song) -> float:
    """Share of notes at the same place of the bar with the same pitch, whatever bar 1 is."""
    bar = true.metres[0].steps_per_bar
    assert found.metres == true.metres
    shares = []
    for ours, theirs in zip(found.tracks, true.tracks, strict=True):
        steps = [t.notes[:, START] // TICKS_PER_STEP for t in (ours, theirs)]
        offsets = np.round(np.median(steps[0] - steps[1]) / bar) * bar
        keys = [
            sorted(zip(s - o, t.notes[:, PITCH], strict=True))
            for s, o, t in zip(steps, (offsets, 0), (ours, theirs), strict=True)
        ]
        shares.append(len(set(keys[0]) & set(keys[1])) / len(set(keys[1])))
    return float(np.mean(shares))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_with_the_true_beats_the_score_comes_back(seed: int, beats_per_bar: int) -> None:
    true = score(seed, beats_per_bar=beats_per_bar)
    played, beats = performed(true, drift=0.1, jitter=0.01, seed=seed)
    found = quantise(played, beats)
    assert same_notes(found, true)
    assert found.metres == true.metres
    assert found.tempos == ((0, pytest.approx(60 / np.median(np.diff(beats.beats)))),)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("beats_per_bar", [3, 4])
def test_a_constant_shift_is_found_exactly(seed: int, beats_per_bar: int) -> None:
    true = score(seed, beats_per_bar=beats_per_bar)
    played, _ = performed(true, drift=0.0, jitter=0.0, seed=seed)
    grid = estimate_beats(played)
    assert (grid.source, grid.beats_per_bar) == ("estimated", beats_per_bar)
    assert same_notes(quantise(played, grid), true)


@pytest.mark.parametrize("seed", range(5))
def test_a_drifting_tempo_is_followed(seed: int) -> None:
    true = score(seed, bars=64)
    played, _ = performed(true, drift=0.02, jitter=0.01, seed=seed)
    assert share_right(quantise(played, estimate_beats(played)), true) > 0.95


def test_beats_increase_whatever_is_played() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 30, 300):
        start = rng.integers(0, 20_000, count)
        rows = np.stack([start, start + rng.integers(0, 900, count), start % 90, start % 127], 1)
        song = Song("noise", 480, ()).with_tracks((Track(note_array(rows)),))
        grid = estimate_beats(song)
        assert len(grid.beats) >= 2
        assert (np.diff(grid.beats) > 0).all()
        assert len(quantise(song, grid).tracks[0].notes) == count


def test_a_song_without_notes_keeps_its_ticks() -> None:
    song = Song("rest", 480, (Track(note_array([])),), end=960)
    assert estimate_beats(song).source == "score"
    assert quantise(song, estimate_beats(song)).end == 0
    assert not is_performed(song)


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
    assert same_notes(again, found)
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
    song = replace(score(bars=2), metres=(Metre(0, 6, 8),))
    grid = score_beats(song)
    assert (grid.first_downbeat, grid.beats_per_bar, grid.source) == (0, 3, "score")
    assert np.diff(grid.beats) == pytest.approx(60 / 90)
    assert grid.beats[-1] >= ticks_to_seconds(song, np.array([song.end]))[0]


def test_what_is_performed() -> None:
    song = score()
    assert share_on_grid(song) == 1.0
    assert not is_performed(song)
    played, _ = performed(song, drift=0.02, jitter=0.01)
    assert share_on_grid(played) < 0.3
    assert is_performed(played)
    assert not is_performed(quantise(played, estimate_beats(played)))


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


@pytest.mark.skipif(not (SHARED / "pop909").is_dir(), reason="POP909 is not here")
def test_pop909_comes_onto_the_grid() -> None:
    before, after = [], []
    for path in sorted((SHARED / "pop909").glob("*.mid"))[:10]:
        song = read_midi(path)
        grid = estimate_beats(song)
        onsets = np.concatenate([t.notes[:, START] for t in song.tracks])
        steps = 4 * np.interp(
            ticks_to_seconds(song, onsets), grid.beats, np.arange(len(grid.beats))
        )
        before.append(share_on_grid(song))
        after.append(np.mean(np.abs(steps - np.round(steps)) < 0.05))
        assert grid.beats_per_bar == 4
    assert np.mean(before) < 0.3
    assert np.mean(after) > 0.9


@pytest.mark.skipif(not (SHARED / "midi_lab").is_dir(), reason="the lab's snippets are not here")
def test_the_labs_snippets_are_scores() -> None:
    paths = sorted((SHARED / "midi_lab").glob("*.midi"))
    assert not any(is_performed(read_midi(path)) for path in paths)
