"""Ticks and the grid of steps: rounding, where a step stands in its bar, and back to a song."""

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
    bar = metre.bar_length(steps_per_quarter)
    step = np.arange(max(0, steps)) % bar
    compound = metre.denominator == 8 and metre.numerator % 3 == 0
    beat = (
        steps_in_beat(steps_per_quarter)
        if compound
        else max(1, 4 * steps_per_quarter // metre.denominator)
    )
    places = step % steps_in_bar(steps_per_quarter), step % beat % steps_in_beat(steps_per_quarter)
    return np.stack([*places, np.full_like(step, bar)], axis=1)


def song_positions(
    song: Song, steps: int, *, steps_per_quarter: int = STEPS_PER_QUARTER
) -> np.ndarray:
    """`bar_positions` (T, 3) under a song's own time signatures; each begins a bar."""
    positions = np.zeros((steps, 3), dtype=np.int64)
    for metre in song.metres:
        tick, per_quarter = metre.tick, song.ticks_per_quarter
        first = int(to_steps(tick, per_quarter, steps_per_quarter=steps_per_quarter))
        positions[first:] = bar_positions(metre, steps - first, steps_per_quarter=steps_per_quarter)
    return positions


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
