"""What files of one song have in common, in any key: the melody, or a long stretch of it.

Shape legend: M moves, from each note of a melody to the next.
"""

from collections.abc import Hashable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dlcourse.music.grid import to_steps
from dlcourse.music.melody import choose_melody
from dlcourse.music.notes import PITCH, START, Song

SHORTEST_MELODY = 8  # notes; shorter ones are alike by chance
STRETCH = 28  # moves that are always found
RUN = 20  # moves of it; different songs among the 909 of POP909 share 14 at most
DIFFERENT = 8  # of them; scales, trills and riffs have fewer
_NONE = np.uint64(2**64 - 1)
_FACTORS = np.random.default_rng(0).integers(2**64, size=(2, RUN), dtype=np.uint64)


def melody_signatures(song: Song) -> tuple[Hashable, ...]:
    """What no other song has: the melody's intervals and the steps between its onsets.

    Two melodies have a signature in common when they are equal, and when they share `STRETCH`
    moves in a row, in which some `RUN` in a row have `DIFFERENT` different ones. Melodies that
    share no such `RUN` have none in common.

    Returns:
        Of the whole melody, and of stretches of it. Nothing for fewer than 8 notes.
    """
    notes = choose_melody(song)[0].notes
    if len(notes) < SHORTEST_MELODY:
        return ()
    onsets = to_steps(notes[:, START], song.ticks_per_quarter)
    moves = np.stack([np.diff(notes[:, PITCH]), np.diff(onsets)])
    return ("melody", moves.tobytes()), *(("stretch", mark) for mark in _fingerprints(moves))


def _fingerprints(moves: np.ndarray) -> list[int]:
    """A few hashes of runs of the moves (2, M), chosen alike wherever these stand.

    Winnowing: of the runs in every stretch the one with the least hash. Source: Schleimer,
    Wilkerson and Aiken, Winnowing: Local Algorithms for Document Fingerprinting, SIGMOD 2003.
    """
    if moves.shape[1] < STRETCH:
        return []
    rows = zip(moves.astype(np.uint64), _FACTORS, strict=True)
    hashes = np.sum([np.correlate(row, factors) for row, factors in rows], axis=0, dtype=np.uint64)
    hashes[_different(moves) < DIFFERENT] = _NONE
    least = np.unique(sliding_window_view(hashes, STRETCH - RUN + 1).min(axis=1))
    return least[least != _NONE].tolist()


def _different(moves: np.ndarray) -> np.ndarray:
    """How many different moves each run of moves (2, M) has: those that are not in it before."""
    order = np.lexsort(moves)
    same = (np.diff(moves[:, order]) == 0).all(axis=0)
    before = np.full(moves.shape[1], -1)
    before[order[1:][same]] = order[:-1][same]
    runs = sliding_window_view(before, RUN)
    return (runs < np.arange(len(runs))[:, None]).sum(axis=1)
