"""Baselines that give every key a chance of its own: copying, the unigram, and Markov chains.

Given what was before, keys are independent: a factorised likelihood. Each is fitted on training
songs and is a proper distribution over frames.

Shape legend: T steps, P keys, S states a key.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np

from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import STEP_IN_BAR, steps_in_bar
from dlcourse.music.heads.head import FACTORISED
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.roll_history import gone_on, previous, recalled
from dlcourse.progress import progress_bar

_TRUST = 5.0  # how often a context has to be seen before its own counts weigh half


class KeyBaseline(ABC):
    """A distribution over the states of each key by itself."""

    kind = FACTORISED

    @abstractmethod
    def probabilities(self, song: Encoded) -> np.ndarray:
        """(T, P, S) float64 of every frame, given all frames before it."""

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """Nats (..., T) of frames (..., T, P), each in the place of the song's own."""
        steps, keys = np.indices(song.frames.shape, sparse=True)
        return np.log(self.probabilities(song)[steps, keys, frames]).sum(axis=-1)

    def likeliest(self, song: Encoded) -> np.ndarray:
        """The most probable frame (T, P) at every step."""
        return self.probabilities(song).argmax(axis=-1).astype(song.frames.dtype)


class KeyCounts(KeyBaseline):
    """What followed the same context of a key in the training songs.

    p(s | context) = (count(context, s) + a q(s)) / (count(context) + a), where q is what a
    shorter context says. The shortest adds one half to every count (Krichevsky and Trofimov, 1981).

    Source: MacKay and Peto, A hierarchical Dirichlet language model, 1995.

    Args:
        songs: The training songs.
        encoding: What their frames are.
        shorter: What is trusted where a context is rare.
        own: Whether every key has counts of its own.
        sounded: Whether the key sounded in the frame before belongs to its context.
        before: Its state in the frame before does.
        position: The step in the bar does.
        lookback: Its states so many bars before do.
    """

    def __init__(
        self,
        songs: Sequence[Encoded],
        encoding: PianoRoll,
        *,
        shorter: KeyBaseline | None = None,
        own: bool = False,
        sounded: bool = False,
        before: bool = False,
        position: bool = False,
        lookback: Sequence[int] = (),
    ) -> None:
        self.encoding, self.shorter, self.lookback = encoding, shorter, tuple(lookback)
        self.own, self.sounded, self.before, self.position = own, sounded, before, position
        states = encoding.num_states
        counts = np.zeros(self._codes(songs[0])[1] * states)
        for song in progress_bar(songs, "counting states of keys"):
            codes = self._codes(song)[0] * states + song.frames
            counts += np.bincount(codes.ravel(), minlength=len(counts))
        self.counts = counts.reshape(-1, states)

    def _codes(self, song: Encoded) -> tuple[np.ndarray, int]:
        """The context of every key as one number (T, P), and how many contexts there are."""
        codes, size = np.zeros(song.frames.shape, dtype=np.int64), 1
        for digit, base in self._digits(song):
            codes, size = codes * base + digit, size * base
        return codes, size

    def _digits(self, song: Encoded) -> Iterator[tuple[np.ndarray, int]]:
        """What belongs to the context, each broadcast to (T, P), and how many values it has."""
        before, states = previous(song.frames), self.encoding.num_states
        if self.own:
            yield np.arange(self.encoding.num_keys), self.encoding.num_keys
        if self.sounded:
            yield gone_on(before), 2
        if self.before:
            yield before, states
        for bars in self.lookback:
            frames, there = recalled(song, bars)
            yield np.where(there[:, None], frames, states), states + 1
        if self.position:
            step = song.positions[:, STEP_IN_BAR, None]
            yield step, steps_in_bar(self.encoding.steps_per_quarter)

    def probabilities(self, song: Encoded) -> np.ndarray:
        """See `KeyBaseline`."""
        counts = self.counts[self._codes(song)[0]]
        if self.shorter is None:
            return (counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + counts.shape[-1] / 2)
        prior = _TRUST * self.shorter.probabilities(song)
        return (counts + prior) / (counts.sum(axis=-1, keepdims=True) + _TRUST)


class CopyKeys(KeyCounts):
    """Every key goes on as it was, with the chance that it did in training.

    There is one chance for silent keys and one for sounding ones.
    """

    def __init__(self, songs: Sequence[Encoded], encoding: PianoRoll) -> None:
        super().__init__(songs, encoding, sounded=True)

    def likeliest(self, song: Encoded) -> np.ndarray:
        """The frame before, held; where notes seldom last it is not the most probable one."""
        return gone_on(previous(song.frames))


def markov_keys(songs: Sequence[Encoded], encoding: PianoRoll) -> KeyCounts:
    """A Markov chain of every key that is told what the network is told.

    The contexts grow: the state before, that of all lookbacks, the step in the bar, the key itself.
    """
    context = {"before": True}
    chain = KeyCounts(songs, encoding, **context)
    longer = {"lookback": encoding.lookback, "position": encoding.beat, "own": True}
    for part, value in longer.items():
        if value:
            context[part] = value
            chain = KeyCounts(songs, encoding, shorter=chain, **context)
    return chain
