"""Ticks and the grid of steps: rounding, where a step stands in its bar, and back to a song."""

from collections.abc import Sequence

import numpy as np

from dlcourse.music.notes import STEPS_PER_QUARTER, Metre, Song, Track, note_array

STEP_IN_BAR, STEP_IN_BEAT, STEPS_A_BAR = range(3)  # columns of positions
QUARTERS_IN_BAR = 8  # positions in longer bars wrap round


def steps_in_bar(steps_per_quarter: int = STEPS_PER_QUARTER) -> int:
    """How many positions in a bar are told apart."""
    return QUARTERS_IN_BAR * steps_per_quarter


def steps_in_beat(steps_per_quarter: int = STEPS_PER_QUARTER) -> int:
    """How many positions in a beat are told apart: a dotted quarter in compound metres."""
    return max(1, 3 * steps_per_quarter // 2)


def to_steps(
    ticks: np.ndarray, ticks_per_quarter: int, *, steps_per_quarter: int = STEPS_PER_QUARTER
) -> np.ndarray:
    """Ticks to steps, rounded to the nearest (the lab's boundary is the middle of a 16th)."""
    return (2 * steps_per_quarter * np.asarray(ticks, np.int64) + ticks_per_quarter) // (
        2 * ticks_per_quarter
    )


def bar_positions(
    metre: Metre, steps: int, *, steps_per_quarter: int = STEPS_PER_QUARTER
) -> np.ndarray:
    """The positions (T, 3) of `steps` steps from a bar line on; see `Encoded`."""
    step = np.arange(max(0, steps))
    return _positions(step, [metre], np.zeros_like(step), steps_per_quarter=steps_per_quarter)


def song_positions(
    song: Song, steps: int, *, steps_per_quarter: int = STEPS_PER_QUARTER
) -> np.ndarray:
    """`bar_positions` (T, 3) under a song's own time signatures; each begins a bar."""
    ticks, step = [metre.tick for metre in song.metres], np.arange(steps)
    first = to_steps(ticks, song.ticks_per_quarter, steps_per_quarter=steps_per_quarter)
    which = np.searchsorted(first, step, side="right") - 1
    since = step - first[which]
    return _positions(since, song.metres, which, steps_per_quarter=steps_per_quarter)


def _positions(
    step: np.ndarray, metres: Sequence[Metre], which: np.ndarray, *, steps_per_quarter: int
) -> np.ndarray:
    """Positions (T, 3) of steps (T,) since a bar line, each in the metre of this index."""
    sizes = [
        (metre.bar_length(steps_per_quarter), _beat_length(metre, steps_per_quarter))
        for metre in metres
    ]
    bar, beat = np.array(sizes, dtype=np.int64)[which].T
    step = step % bar
    places = step % steps_in_bar(steps_per_quarter), step % beat % steps_in_beat(steps_per_quarter)
    return np.stack([*places, bar], axis=1)


def _beat_length(metre: Metre, steps_per_quarter: int) -> int:
    if metre.denominator == 8 and metre.numerator % 3 == 0:
        return steps_in_beat(steps_per_quarter)
    return max(1, 4 * steps_per_quarter // metre.denominator)


def song_on_grid(
    rows: list[tuple[int, int, int, int]] | np.ndarray,
    steps: int,
    *,
    metre: Metre,
    tempo: float,
    name: str,
    ticks_per_quarter: int = 480,
    steps_per_quarter: int = STEPS_PER_QUARTER,
    track: str = "Melody",
) -> Song:
    """A one-track song from notes (start step, end step, pitch, velocity), `steps` steps long.

    `ticks_per_quarter` has to be a multiple of `steps_per_quarter`.
    """
    scale = ticks_per_quarter // steps_per_quarter
    notes = note_array(rows) * np.array([scale, scale, 1, 1], dtype=np.int32)
    return Song(
        name,
        ticks_per_quarter,
        (Track(notes, name=track),),
        tempos=((0, tempo),),
        metres=(Metre(0, metre.numerator, metre.denominator),),
        end=steps * scale,
    )
