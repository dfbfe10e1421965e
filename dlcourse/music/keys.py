"""Which key a song is in, by correlation with the profiles of listeners' ratings.

Source: Krumhansl, Cognitive Foundations of Musical Pitch (1990), chapter 4.
"""

import numpy as np

from dlcourse.music.notes import END, PITCH, PITCH_CLASSES, START, Song

_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def standardised(profile: np.ndarray) -> np.ndarray:
    """Profiles (..., 12) with mean 0 and spread 1, so that a product is a correlation."""
    spread = profile.std(axis=-1, keepdims=True)
    return (profile - profile.mean(axis=-1, keepdims=True)) / np.where(spread > 0, spread, 1)


# (24, 12): the twelve major keys from C up, then the twelve minor ones.
PROFILES = standardised(
    np.array([np.roll(mode, tonic) for mode in (_MAJOR, _MINOR) for tonic in range(12)])
)


def pitch_class_durations(song: Song) -> np.ndarray:
    """Ticks for which each pitch class sounds (12,), over all tracks but drums."""
    weights = np.zeros(12)
    for track in song.pitched:
        durations = track.notes[:, END] - track.notes[:, START]
        np.add.at(weights, track.notes[:, PITCH] % 12, durations)
    return weights


def estimate_key(song: Song) -> str:
    """The most likely key, "C major" to "B minor"; "unknown" for a song without notes."""
    weights = pitch_class_durations(song)
    if not weights.any():
        return "unknown"
    best = int(np.argmax(PROFILES @ standardised(weights)))
    return f"{PITCH_CLASSES[best % 12]} {'major' if best < 12 else 'minor'}"
