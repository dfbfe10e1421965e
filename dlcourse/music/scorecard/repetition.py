"""How much of the top line came before, and how long it stays on one note."""

import numpy as np

from dlcourse.music.scorecard.passages import KEY, OFFSET, ONSET, Passage

NGRAM = 4  # notes


def ngram_repetition(passage: Passage) -> float | None:
    """Share of the top line's n-grams of (pitch, duration) that came before in the song.

    An n-gram is `NGRAM` = 4 notes that follow one another, all of them in the new part; it came
    before if the same pitches and durations stand anywhere earlier, the primer included.
    """
    line = passage.line
    tokens = list(
        zip(line[:, KEY].tolist(), (line[:, OFFSET] - line[:, ONSET]).tolist(), strict=True)
    )
    grams = list(zip(*(tokens[i:] for i in range(NGRAM)), strict=False))
    first = int(np.searchsorted(line[:, ONSET], passage.first_step))
    seen, came_before = set(grams[:first]), 0
    for gram in grams[first:]:
        came_before += gram in seen
        seen.add(gram)
    return came_before / len(grams[first:]) if grams[first:] else None


def longest_strikes(passage: Passage) -> float | None:
    """The most strikes in a row of one pitch in the top line."""
    runs = _runs(passage)
    return float(max(last - first + 1 for first, last in runs)) if runs else None


def longest_stay(passage: Passage) -> float | None:
    """The longest stretch, in steps, for which the top line stays on one pitch.

    From the first strike to the end of the last one of the same pitch with none other between.
    """
    runs, line = _runs(passage), passage.new_line
    return (
        float(max(line[last, OFFSET] - line[first, ONSET] for first, last in runs))
        if runs
        else None
    )


def _runs(passage: Passage) -> list[tuple[int, int]]:
    """First and last index in the new line of every run of one pitch."""
    keys = passage.new_line[:, KEY]
    if not len(keys):
        return []
    firsts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    lasts = np.append(firsts[1:], len(keys)) - 1
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
