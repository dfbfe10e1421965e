"""The beats of a performance as somebody wrote them down beside it."""

from pathlib import Path

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.beats import BeatGrid
from dlcourse.trust.strange_files import content_of
from dlcourse.trust.terminal import printable

LARGEST_BEAT_FILE = 2**22  # bytes: over a hundred thousand beats
SHORTEST_BEAT, LONGEST_BEAT = 0.01, 100.0  # seconds


def read_beats(path: str | Path) -> BeatGrid:
    """Read POP909's `beat_midi.txt`: seconds, downbeat of simple metre, downbeat of compound metre.

    The third column marks every second downbeat of the second one: bars of four beats out of two,
    which is what the audio annotation of 98 % of these songs counts, and six out of three, which
    the audio counts as three. Bars are 4 or 3 beats long accordingly. Where inserted or dropped
    beats shift the bars within a song, the phase that most downbeats share is taken.

    Source: Wang et al., "POP909", ISMIR 2020; measured on its 909 songs.

    Raises:
        InputError: Missing, not three columns of numbers, too short, times that do not increase.
    """
    content = content_of(path, most=LARGEST_BEAT_FILE)
    try:
        lines = content.decode("utf-8").splitlines()
        table = np.array([line.split() for line in lines if line.strip()], dtype=np.float64)
    except ValueError as error:
        reason = printable(str(error))[:200]
        raise InputError(f"{path}: not lines of three numbers: {reason}") from error
    if table.ndim != 2 or len(table) < 2 or table.shape[1] != 3 or not np.isfinite(table).all():
        raise InputError(f"{path}: holds {table.shape} numbers, expected (2 or more beats, 3)")
    seconds, simple, compound = table.T
    if (np.diff(seconds) <= 0).any():
        raise InputError(f"{path}: the times of the beats do not increase")
    shortest, longest = np.diff(seconds).min(), np.diff(seconds).max()
    if shortest < SHORTEST_BEAT or longest > LONGEST_BEAT:
        raise InputError(
            f"{path}: beats of {shortest:g} to {longest:g} seconds, expected {SHORTEST_BEAT:g} to "
            f"{LONGEST_BEAT:g}"
        )
    spacing = np.diff(np.flatnonzero(simple))
    beats_per_bar = 3 if len(spacing) and np.median(spacing) == 3 else 4
    downbeats = np.flatnonzero(simple if beats_per_bar == 3 else compound)
    phases = np.bincount(downbeats % beats_per_bar, minlength=beats_per_bar)
    return BeatGrid(seconds, int(phases.argmax()), beats_per_bar, "annotated")
