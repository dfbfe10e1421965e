"""Which pitches a passage uses: how even, how tonal, how wide."""

import numpy as np

from dlcourse.music.scorecard.passages import KEY, Passage

_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)


def pitch_class_entropy(passage: Passage) -> float | None:
    """Entropy of the pitch classes of the notes struck, in bits: 0 to log2(12) = 3.58.

    Source: Wu and Yang, The Jazz Transformer on the Front Line, ISMIR 2020, section 5.1, there
    over bars; over whole songs as in muspy.
    """
    counts = _pitch_classes(passage)
    if not counts.any():
        return None
    shares = counts[counts > 0] / counts.sum()
    return float((shares * np.log2(1 / shares)).sum())


def scale_consistency(passage: Passage) -> float | None:
    """The largest share of the notes struck that lie in one of the 24 major and minor scales.

    A natural minor scale has the pitch classes of its relative major, so twelve are tried.

    Source: Mogren, C-RNN-GAN, NeurIPS workshop on Constructive Machine Learning 2016.
    """
    counts = _pitch_classes(passage)
    if not counts.any():
        return None
    scales = [np.add(_MAJOR_SCALE, tonic) % 12 for tonic in range(12)]
    return float(max(counts[scale].sum() for scale in scales) / counts.sum())


def pitch_range(passage: Passage) -> float | None:
    """Semitones from the lowest to the highest note struck."""
    keys = passage.new_notes[:, KEY]
    return float(keys.max() - keys.min()) if len(keys) else None


def _pitch_classes(passage: Passage) -> np.ndarray:
    """(12,) how many notes are struck of each pitch class."""
    return np.bincount(passage.new_notes[:, KEY] % 12, minlength=12)
