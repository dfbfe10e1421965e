"""What needs no network where frames are states of keys: copying and counting, of both kinds.

A factorised likelihood and a joint one are not to be ranked against each other, so that each kind
has a row that copies and one that counts.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from dlcourse.music.encoding import Encoded
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.scoring.frame_counts import copy_frames, markov_frames
from dlcourse.music.scoring.key_counts import CopyKeys, KeyCounts, markov_keys

COPY_KEYS, UNIGRAM, MARKOV_KEYS = "copy the last frame", "unigram", "Markov chain of keys"
COPY_FRAMES, MARKOV_FRAMES = "copy the last frame whole", "Markov chain of frames"


class RollBaseline(Protocol):
    """A proper distribution over each next frame of a song.

    Attributes:
        kind: "factorised" or "joint".
    """

    kind: str

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """Nats (T,) float64 of frames (T, P), each in the place of the song's own.

        What comes before each of them are the song's own frames; with the song's frames this is
        the log-likelihood of the song, step by step.
        """
        ...

    def likeliest(self, song: Encoded) -> np.ndarray:
        """The frame (T, P) that it would say comes at every step."""
        ...


def fit_roll_baselines(
    train: Sequence[Encoded], val: Sequence[Encoded], encoding: PianoRoll
) -> dict[str, RollBaseline]:
    """The five that every table shows."""
    unigram = KeyCounts(train, encoding, own=True)
    keys = markov_keys(train, encoding)
    return {
        COPY_KEYS: CopyKeys(train, encoding),
        UNIGRAM: unigram,
        MARKOV_KEYS: keys,
        COPY_FRAMES: copy_frames(val, unigram),
        MARKOV_FRAMES: markov_frames(
            train, val, keys, beat=encoding.beat, lookback=encoding.lookback
        ),
    }
