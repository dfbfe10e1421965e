"""A passage as a sequence of events whose tokens do not change when it is transposed.

Two views: the top line, note by note, and the chords, each with all keys struck at its step. A
token stands for the step from one event to the next, so that a figure of n events has n - 1.
"""

from dataclasses import dataclass

import numpy as np

from dlcourse.music.scorecard.passages import KEY, ONSET, Passage

LINE, CHORDS = VIEWS = ("line", "chords")
# Zobrist hashing: a chord is the sum of a random number for each distance below its top note.
_SHAPES, _MIXERS = np.split(
    np.random.default_rng(0).integers(1, 2**63, size=128 + 4, dtype=np.uint64) * np.uint64(2) + 1,
    [128],
)


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one view of a passage.

    Attributes:
        onsets: (E,) the step at which each is struck.
        tokens: (E - 1,) int64: interval of the (top) note and steps to the next event; for chords
            also the shape of both. Equal tokens mean the same figure in whatever key.
        moves: (E - 1,) bool: whether the next event is any other than this one struck again.
    """

    onsets: np.ndarray
    tokens: np.ndarray
    moves: np.ndarray

    def between(self, first_step: int, last_step: int) -> slice:
        """The tokens from an event to the next, both of which begin in [first_step, last_step)."""
        first, last = np.searchsorted(self.onsets, [first_step, last_step])
        return slice(int(first), max(int(first), int(last) - 1))


def read_events(passage: Passage, view: str) -> Events:
    """The events of a passage, old part and new.

    Durations are times between onsets: how long a note is held does not tell a copy from none.
    """
    if view == LINE:
        line = passage.line
        return _events(line[:, ONSET], line[:, KEY], np.zeros(len(line), dtype=np.uint64))
    notes = passage.notes[np.lexsort((passage.notes[:, KEY], passage.notes[:, ONSET]))]
    same = (notes[1:, [ONSET, KEY]] == notes[:-1, [ONSET, KEY]]).all(axis=1)
    notes = notes[np.append(True, ~same)[: len(notes)]]
    onsets, firsts, sizes = np.unique(notes[:, ONSET], return_index=True, return_counts=True)
    tops = notes[firsts + sizes - 1, KEY]
    shape = _SHAPES[np.repeat(tops, sizes) - notes[:, KEY]]
    shapes = np.add.reduceat(shape, firsts) if len(shape) else shape
    return _events(onsets, tops, shapes)


def _events(onsets: np.ndarray, tops: np.ndarray, shapes: np.ndarray) -> Events:
    intervals, times = np.diff(tops), np.diff(onsets)
    parts = (intervals.astype(np.uint64), times.astype(np.uint64), shapes[:-1], shapes[1:])
    tokens = np.zeros(len(intervals), dtype=np.uint64)
    for part, mixer in zip(parts, _MIXERS, strict=True):  # multiply, xor, shift: splitmix64
        tokens = (tokens ^ part) * mixer
        tokens ^= tokens >> np.uint64(31)
    return Events(onsets, tokens.view(np.int64), (intervals != 0) | (shapes[:-1] != shapes[1:]))
