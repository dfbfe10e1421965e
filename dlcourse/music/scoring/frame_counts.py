"""Baselines over whole frames: the keys of a frame come together or not at all.

A joint likelihood. Frames that were never seen have their chance from a part that treats keys
alone, so that each mixture is a proper distribution over all frames.

Shape legend: T steps, P keys, M frames.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from itertools import cycle
from typing import Protocol

import numpy as np

from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import STEP_IN_BAR
from dlcourse.music.heads.head import JOINT
from dlcourse.music.roll_history import gone_on, previous, recalled
from dlcourse.music.scoring.baselines import mixture_weights
from dlcourse.music.scoring.key_counts import KeyBaseline
from dlcourse.progress import progress_bar

_FAMILIAR = (1, 2, 4, 8)  # how often a frame was seen in training: the bounds of five classes
_PRIOR = 10.0  # frames that a class of frames borrows from all others


class Part(Protocol):
    """A distribution over frames, which may give most of them no chance."""

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """Nats (..., T) of frames (..., T, P), each in the place of the song's own."""
        ...

    def likeliest(self, song: Encoded) -> np.ndarray:
        """Its most probable frame (T, P) at every step."""
        ...


class GoesOn:
    """Nothing happens: what sounds is held."""

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """See `Part`: 0 or -inf."""
        return _certain(frames, self.likeliest(song))

    def likeliest(self, song: Encoded) -> np.ndarray:
        """See `Part`."""
        return gone_on(previous(song.frames))


class Recalls:
    """The frame so many bars before comes again; in the first bars everything goes on."""

    def __init__(self, bars: int) -> None:
        self.bars = bars

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """See `Part`: 0 or -inf."""
        return _certain(frames, self.likeliest(song))

    def likeliest(self, song: Encoded) -> np.ndarray:
        """See `Part`."""
        earlier, there = recalled(song, self.bars)
        return np.where(there[:, None], earlier, gone_on(previous(song.frames)))


class FrameCounts:
    """What followed the same frame in the training songs, not smoothed.

    Args:
        songs: The training songs.
        before: Whether the frame before is the context; else there is none.
        position: Whether the step in the bar belongs to it.
        otherwise: What is said after a context that was never seen; needed where there is one.
    """

    def __init__(
        self,
        songs: Sequence[Encoded],
        *,
        before: bool,
        position: bool = False,
        otherwise: Part | None = None,
    ) -> None:
        self.before, self.position, self.otherwise = before, position, otherwise
        self.counts: defaultdict[Hashable, Counter[bytes]] = defaultdict(Counter)
        for song in progress_bar(songs, "counting frames"):
            for context, frame in zip(self._contexts(song), _names(song.frames), strict=True):
                self.counts[context][frame] += 1
        self.totals = {context: after.total() for context, after in self.counts.items()}
        self.most = {context: after.most_common(1)[0][0] for context, after in self.counts.items()}

    def _contexts(self, song: Encoded) -> list[Hashable]:
        """(T,); a song begins after no frame, which is not a silent one."""
        steps = len(song.frames)
        frames = [b"", *_names(song.frames[:-1])] if self.before else [b""] * steps
        places = song.positions[:, STEP_IN_BAR] * self.position
        return list(zip(frames, places.tolist(), strict=True))

    def seen(self, song: Encoded) -> np.ndarray:
        """How often the context of every frame (T,) was seen in training."""
        return np.array([self.totals.get(context, 0) for context in self._contexts(song)])

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """See `Part`."""
        after = [self.counts.get(context, {}) for context in self._contexts(song)]
        found = [here.get(f, 0) for here, f in zip(cycle(after), _names(frames), strict=False)]
        seen = self.seen(song)
        with np.errstate(divide="ignore"):  # what never followed has no chance
            known = np.log(np.reshape(found, frames.shape[:-1]) / np.maximum(seen, 1))
        if seen.all():
            return known
        return np.where(seen > 0, known, self.otherwise.log_likelihood(song, frames))

    def likeliest(self, song: Encoded) -> np.ndarray:
        """See `Part`."""
        found = song.frames.copy() if self.otherwise is None else self.otherwise.likeliest(song)
        for step, context in enumerate(self._contexts(song)):
            if context in self.most:
                found[step] = np.frombuffer(self.most[context], dtype=np.int8)
        return found


class FrameMixture:
    """A mixture of distributions over frames, its weights fitted by EM on the validation songs.

    Source: Jelinek and Mercer, Interpolated estimation of Markov source parameters from sparse
    data, 1980: each class of contexts, by how often they were seen, has weights of its own.

    Args:
        parts: At least one of them gives every frame a chance.
        songs: The validation songs.
        familiar: Tells how often the context of a frame was seen; without it there is one class.
    """

    kind = JOINT

    def __init__(
        self,
        parts: Sequence[Part],
        songs: Sequence[Encoded],
        *,
        familiar: FrameCounts | None = None,
    ) -> None:
        self.parts, self.familiar = list(parts), familiar
        nats = np.concatenate([self._by_part(song, song.frames) for song in songs], axis=1)
        likelihoods = np.exp(nats - nats.max(axis=0))  # (parts, M)
        classes = np.concatenate([self._classes(song) for song in songs])
        shared = mixture_weights(likelihoods)
        self.weights = np.stack(
            [
                mixture_weights(likelihoods[:, classes == c], prior=_PRIOR * shared)
                for c in range(len(_FAMILIAR) + 1)
            ]
        )  # (classes, parts)

    def _by_part(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        return np.stack([part.log_likelihood(song, frames) for part in self.parts])

    def _classes(self, song: Encoded) -> np.ndarray:
        """The class of every frame's context (T,)."""
        if self.familiar is None:
            return np.zeros(len(song.frames), dtype=np.int64)
        return np.digitize(self.familiar.seen(song), _FAMILIAR)

    def log_likelihood(self, song: Encoded, frames: np.ndarray) -> np.ndarray:
        """See `Part`."""
        weights = np.log(self.weights[self._classes(song)])  # (T, parts)
        nats = np.moveaxis(self._by_part(song, frames), 0, -1)  # (..., T, parts)
        return np.logaddexp.reduce(weights + nats, axis=-1)

    def likeliest(self, song: Encoded) -> np.ndarray:
        """Of the parts' own most probable frames (T, P) the one that all parts together prefer."""
        candidates = np.stack([part.likeliest(song) for part in self.parts])  # (parts, T, P)
        best = self.log_likelihood(song, candidates).argmax(axis=0)
        return candidates[best, np.arange(len(song.frames))]


def copy_frames(val: Sequence[Encoded], unigram: KeyBaseline) -> FrameMixture:
    """The whole frame goes on as it was; otherwise anything comes.

    Args:
        val: The validation songs.
        unigram: Says what anything is.
    """
    return FrameMixture([GoesOn(), unigram], val)


def markov_frames(
    train: Sequence[Encoded],
    val: Sequence[Encoded],
    keys: KeyBaseline,
    *,
    beat: bool,
    lookback: Sequence[int],
) -> FrameMixture:
    """Counts of whole frames, what goes on or comes again, and a chain of keys for the rest.

    Args:
        train: The training songs.
        val: The validation songs.
        keys: Gives a chance to frames that were never seen.
        beat: Count a second time, with the step in the bar.
        lookback: So many bars after a frame it may come again.
    """
    alone = FrameCounts(train, before=False)
    after = FrameCounts(train, before=True, otherwise=alone)
    placed = FrameCounts(train, before=True, position=True, otherwise=after)
    recalls = [Recalls(bars) for bars in lookback]
    parts = [keys, GoesOn(), alone, after, *([placed] if beat else []), *recalls]
    return FrameMixture(parts, val, familiar=after)


def _names(frames: np.ndarray) -> list[bytes]:
    """Each frame (..., P) as something that can be counted, in one row."""
    frames = np.ascontiguousarray(frames, dtype=np.int8)
    return frames.view(f"V{frames.shape[-1]}").ravel().tolist()


def _certain(frames: np.ndarray, only: np.ndarray) -> np.ndarray:
    """0 where a frame (..., P) is the only one that has a chance, else -inf (...)."""
    return np.where((frames == only).all(axis=-1), 0.0, -np.inf)
