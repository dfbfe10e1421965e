"""Real songs cut to the length of new ones: most of what is measured depends on the length."""

from dataclasses import replace

import numpy as np

from dlcourse.music.scorecard.passages import BAR_START, OFFSET, ONSET, Passage


def windows(passage: Passage, steps: int) -> list[tuple[int, int]]:
    """Consecutive stretches of `steps` steps, each from a bar line on: first step, and one beyond.

    The first begins with the bar of the first note. What is left at the end is not used, except
    where a song is too short for one stretch: then it is one as it is. None without any note.
    """
    if not len(passage.notes):
        return []
    lines = passage.bars[:, BAR_START]
    first = int(lines[np.searchsorted(lines, passage.notes[0, ONSET], side="right") - 1])
    found, start = [], first
    while steps and start + steps <= passage.steps:
        found.append((start, start + steps))
        later = lines[lines >= start + steps]
        start = int(later[0]) if len(later) else passage.steps
    return found or [(first, passage.steps)]


def excerpts(passage: Passage, *, steps: int, first_step: int) -> list[Passage]:
    """A song in pieces as long as a new one, with as long a beginning that is not scored.

    Args:
        steps: Of a new song, with its primer.
        first_step: Where its new part begins. A song shorter than `steps` is scored as a whole.
    """
    return [
        _cut(passage, start, stop, first_step if stop - start == steps else 0)
        for start, stop in windows(passage, steps)
    ]


def _cut(passage: Passage, start: int, stop: int, first_step: int) -> Passage:
    onsets, lines = passage.notes[:, ONSET], passage.bars[:, BAR_START]
    notes = passage.notes[(onsets >= start) & (onsets < stop)] - [start, start, 0]
    notes[:, OFFSET] = np.minimum(notes[:, OFFSET], stop - start)
    bars = passage.bars[(lines >= start) & (lines < stop)] - [start, 0]
    return replace(passage, notes=notes, bars=bars, steps=stop - start, first_step=first_step)
