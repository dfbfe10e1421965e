"""How alike two sets of songs are, feature by feature: the overlap area of their distributions."""

from collections.abc import Callable, Sequence

import numpy as np

from dlcourse.music.notes import PITCH_CLASSES
from dlcourse.music.scorecard.passages import BAR_START, KEY, OFFSET, ONSET, Passage

_WIDEST_INTERVAL = 24
_MOST_KEYS = 12
_LONGEST_QUARTERS = 8  # longer durations count as this long


def _pitch_classes(passage: Passage) -> np.ndarray:
    return passage.new_notes[:, KEY] % 12


def _pitches(passage: Passage) -> np.ndarray:
    return passage.new_notes[:, KEY]


def _intervals(passage: Passage) -> np.ndarray:
    return np.diff(passage.new_line[:, KEY]) + _WIDEST_INTERVAL


def _durations(passage: Passage) -> np.ndarray:
    return passage.new_notes[:, OFFSET] - passage.new_notes[:, ONSET] - 1


def _inter_onsets(passage: Passage) -> np.ndarray:
    return np.diff(passage.new_line[:, ONSET]) - 1


def _positions(passage: Passage) -> np.ndarray:
    onsets, starts = passage.new_notes[:, ONSET], passage.bars[:, BAR_START]
    return onsets - starts[np.searchsorted(starts, onsets, side="right") - 1]


def _keys_sounding(passage: Passage) -> np.ndarray:
    counts = passage.sounding().sum(axis=1)
    return counts[counts > 0] - 1


# Name: the values of a passage, as indices of bins, and the highest bin. What lies beyond an end
# counts as the end; 0 is a length in quarters, to be taken in steps.
FEATURES: dict[str, tuple[Callable[[Passage], np.ndarray], int]] = {
    "pitch class": (_pitch_classes, len(PITCH_CLASSES) - 1),
    "pitch": (_pitches, 127),
    "interval": (_intervals, 2 * _WIDEST_INTERVAL),
    "duration": (_durations, 0),
    "time between onsets": (_inter_onsets, 0),
    "onset in bar": (_positions, 0),
    "keys sounding": (_keys_sounding, _MOST_KEYS - 1),
}


def histogram(passage: Passage, feature: str) -> np.ndarray | None:
    """The distribution of a feature in one passage: shares that sum to 1; None without any value.

    Intervals and times between onsets are those of the top line, the others of all notes.
    """
    values, highest = FEATURES[feature]
    highest = highest or _LONGEST_QUARTERS * passage.steps_per_quarter - 1
    counts = np.bincount(np.clip(values(passage), 0, highest), minlength=highest + 1)
    return counts / counts.sum() if counts.any() else None


def histograms(passages: Sequence[Passage], feature: str) -> np.ndarray:
    """(S, bins) the distributions of the S passages that have any value of the feature."""
    found = [histogram(passage, feature) for passage in passages]
    return np.array([shares for shares in found if shares is not None])


def overlap_area(songs: np.ndarray, others: np.ndarray) -> float | None:
    """Sum of min(p, q): 1 for equal distributions, 0 for disjoint ones, None for want of songs.

    Args:
        songs: (S, bins) distributions; p is their mean, so that every song counts the same.
        others: (S', bins), of which q is the mean.

    Source: Yang and Lerch, On the evaluation of generative models in music, Neural Computing and
    Applications 32, 2020, section 4.3, for discrete features and the features themselves.
    """
    if not (len(songs) and len(others)):
        return None
    return float(np.minimum(songs.mean(axis=0), others.mean(axis=0)).sum())


def real_overlaps(
    training: np.ndarray, held_out: np.ndarray, *, songs: int, seed: int, draws: int = 200
) -> np.ndarray:
    """(draws,) overlap areas of held-out songs with as many training songs, drawn at random.

    What real songs reach: a small batch overlaps less than a large one, whoever wrote it.

    Args:
        songs: How many are drawn, with replacement.
    """
    if not (len(training) and len(held_out)):
        return np.zeros(0)
    picks = np.random.default_rng(seed).integers(len(training), size=(draws, songs))
    return np.array([overlap_area(training[pick], held_out) for pick in picks])
