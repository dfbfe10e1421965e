"""A performance comes back to the score it was played from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.beats import (
    TICKS_PER_STEP,
    BeatGrid,
    estimate_beats,
    is_performed,
    quantise,
    share_on_grid,
    ticks_to_seconds,
)
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import END, PITCH, START, Metre, Song, Track, note_array

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


def test_what_is_performed() -> None:
    song = score()
    assert share_on_grid(song) == 1.0
    assert not is_performed(song)
    played, _ = performed(song, drift=0.02, jitter=0.01)
    assert share_on_grid(played) < 0.3
    assert is_performed(played)
    assert not is_performed(quantise(played, estimate_beats(played)))


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
