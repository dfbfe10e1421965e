"""What needs no network: copying, and counting. They stand beside every model's score.

A baseline is fitted on training songs and gives, for every frame of a song, the probabilities
(T, K) of its classes given all frames before it. All are proper distributions.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.grid import STEP_IN_BAR, STEPS_A_BAR
from dlcourse.music.heads.head import CATEGORICAL

COPY, INTERPOLATED = "copy the last frame", "interpolated counts"
LONGEST_CONTEXT = 4
_EM_ROUNDS = 50


class Baseline(Protocol):
    """Probabilities of every next frame.

    Attributes:
        kind: Of the likelihood, "categorical".
    """

    kind: str

    def probabilities(self, song: Encoded) -> np.ndarray:
        """(T, K) float64."""
        ...


class Counts:
    """What followed the same context in the training songs, smoothed towards the unigram.

    p(k | context) = (count(context, k) + p(k)) / (count(context) + 1), where the unigram p(k) adds
    one half to every count (Krichevsky and Trofimov, 1981).

    Args:
        songs: The training songs.
        num_classes: K.
        length: How many frames before are the context; 0 is the unigram.
        position: Whether the position in the bar belongs to the context.
        lookback: The frame so many bars before belongs to it; 0 for none.
    """

    kind = CATEGORICAL

    def __init__(
        self,
        songs: Sequence[Encoded],
        num_classes: int,
        *,
        length: int,
        position: bool = False,
        lookback: int = 0,
    ) -> None:
        self.num_classes, self.length = num_classes, length
        self.position, self.lookback = position, lookback
        frames = np.concatenate([song.frames for song in songs])
        contexts = np.concatenate([self._contexts(song) for song in songs])
        scored = frames != NO_CLASS
        unigram = np.bincount(frames[scored], minlength=num_classes) + 0.5
        self.unigram = unigram / unigram.sum()
        self.contexts, rows = np.unique(contexts[scored], return_inverse=True)
        self.counts = np.zeros((len(self.contexts), num_classes), dtype=np.float32)
        np.add.at(self.counts, (rows, frames[scored]), 1)

    def _contexts(self, song: Encoded) -> np.ndarray:
        """The context of every frame as one number (T,); a song begins after silence."""
        steps = len(song.frames)
        padded = np.concatenate([np.full(self.length, NO_CLASS), song.frames]) + 1
        codes = song.positions[:, STEP_IN_BAR] * self.position
        if self.lookback:
            earlier = np.arange(steps) - self.lookback * song.positions[:, STEPS_A_BAR]
            recalled = np.where(earlier < 0, NO_CLASS, song.frames[earlier.clip(min=0)])
            codes = codes * (self.num_classes + 1) + recalled + 1
        for back in range(self.length):
            codes = codes * (self.num_classes + 1) + padded[back : back + steps]
        return codes

    def probabilities(self, song: Encoded) -> np.ndarray:
        """See `Baseline`."""
        codes = self._contexts(song)
        rows = np.searchsorted(self.contexts, codes).clip(max=len(self.contexts) - 1)
        known = self.contexts[rows] == codes
        after = np.where(known[:, None], self.counts[rows], 0).astype(np.float64)
        return (after + self.unigram) / (after.sum(axis=1, keepdims=True) + 1)


class Copy:
    """What was goes on, with the chance that it did in training; otherwise the unigram."""

    kind = CATEGORICAL

    def __init__(self, songs: Sequence[Encoded], encoding: Encoding) -> None:
        self.encoding = encoding
        self.unigram = Counts(songs, encoding.num_classes, length=0).unigram
        hits = np.concatenate(
            [song.frames[1:] == encoding.copied(song.frames[:-1]) for song in songs]
        )
        self.chance = (hits.sum() + 0.5) / (len(hits) + 1)

    def probabilities(self, song: Encoded) -> np.ndarray:
        """See `Baseline`."""
        probabilities = np.tile(self.unigram, (len(song.frames), 1))
        copied = self.encoding.copied(np.concatenate([[NO_CLASS], song.frames[:-1]]))
        rows = np.flatnonzero(copied != NO_CLASS)
        probabilities[rows] *= 1 - self.chance
        probabilities[rows, copied[rows]] += self.chance
        return probabilities


class InterpolatedCounts:
    """A mixture of counts after 0 to 4 frames, its weights fitted by EM on the validation songs.

    It is told what the network is told: with the beat, and with each lookback, every context is
    counted a second time. Source: Jelinek and Mercer, Interpolated estimation of Markov source
    parameters from sparse data, 1980.
    """

    kind = CATEGORICAL

    def __init__(
        self, train: Sequence[Encoded], val: Sequence[Encoded], encoding: Encoding
    ) -> None:
        kinds: list[dict[str, Any]] = [{}]
        kinds += [{"position": True}] if encoding.beat else []
        kinds += [{"lookback": bars} for bars in encoding.lookback]
        self.parts = [
            Counts(train, encoding.num_classes, length=length, **kind)
            for kind in kinds
            for length in range(LONGEST_CONTEXT + 1)
        ]
        self.weights = self._fit_weights(val)

    def _fit_weights(self, songs: Sequence[Encoded]) -> np.ndarray:
        """The weights (parts,) under which the songs are most likely."""
        likelihoods = np.concatenate(
            [
                np.stack([true_class(part.probabilities(song), song) for part in self.parts])
                for song in songs
            ],
            axis=1,
        )  # (parts, frames)
        return mixture_weights(likelihoods)

    def probabilities(self, song: Encoded) -> np.ndarray:
        """See `Baseline`."""
        return sum(
            weight * part.probabilities(song)
            for weight, part in zip(self.weights, self.parts, strict=True)
        )


def mixture_weights(likelihoods: np.ndarray, *, prior: np.ndarray | float = 0.0) -> np.ndarray:
    """The weights (parts,) under which what came is most likely, by EM.

    Where nothing came all are alike.

    Args:
        likelihoods: (parts, M) of each part for what came; each may be scaled along the parts.
        prior: (parts,) how many more of the M each part is thought to have made (Dirichlet).
    """
    parts, count = likelihoods.shape
    borrowed = np.broadcast_to(prior, parts)
    weights = np.full(parts, 1 / parts)
    if not count:
        return weights
    for _ in range(_EM_ROUNDS):
        shares = weights[:, None] * likelihoods
        made = (shares / shares.sum(axis=0)).sum(axis=1)
        weights = (made + borrowed) / (count + borrowed.sum())
    return weights


def true_class(probabilities: np.ndarray, song: Encoded) -> np.ndarray:
    """The probability of what came, for every frame that has a class."""
    rows = np.flatnonzero(song.frames != NO_CLASS)
    return probabilities[rows, song.frames[rows]]


def fit_baselines(
    train: Sequence[Encoded], val: Sequence[Encoded], encoding: Encoding
) -> dict[str, Baseline]:
    """The four that every table shows."""
    return {
        COPY: Copy(train, encoding),
        "unigram": Counts(train, encoding.num_classes, length=0),
        "bigram": Counts(train, encoding.num_classes, length=1),
        INTERPOLATED: InterpolatedCounts(train, val, encoding),
    }
