"""When notes are struck: how alike neighbouring bars are, and how full."""

from itertools import pairwise

import numpy as np

from dlcourse.music.scorecard.passages import BAR_LENGTH, BAR_START, ONSET, Passage


def groove_consistency(passage: Passage) -> float | None:
    """One minus the mean Hamming distance of neighbouring bars' onset vectors, on the grid.

    An onset vector says at which steps of a bar anything is struck. Bars are those of the song's
    time signatures; a pair of unequal length is left out. muspy counts ticks, of which nearly all
    are empty, and so finds any two bars alike; it agrees with this one where a tick is a step.

    Source: Dixon et al. 2004 through Wu and Yang, The Jazz Transformer, ISMIR 2020, equation 3.
    """
    bars, onsets = passage.new_bars, set(passage.new_notes[:, ONSET].tolist())
    if not onsets:
        return None
    grooves = [
        np.array([step in onsets for step in range(start, start + length)])
        for start, length in bars.tolist()
    ]
    distances = [
        np.mean(one != other) for one, other in pairwise(grooves) if len(one) == len(other)
    ]
    return float(1 - np.mean(distances)) if distances else None


def note_density(passage: Passage) -> float | None:
    """Notes struck a bar; a last bar of which only a part is there counts in part."""
    bars, onsets = passage.new_bars, passage.new_notes[:, ONSET]
    if not len(bars):
        return None
    length = bars[-1, BAR_LENGTH]
    last = min(passage.steps - bars[-1, BAR_START], length) / length
    return float((onsets >= bars[0, BAR_START]).sum() / (len(bars) - 1 + last))
