"""New songs from the distribution of the next frame: pure functions of a network, a head, a seed.

Shape legend: N songs drawn together, I numbers from the network, B decisions taken together, K
options of a decision, P primer steps, S new steps. `...` is nothing where a frame is a class, and
the keys where it is their states.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from dlcourse.errors import InputError
from dlcourse.music.guide import NO_PRIORS, Guide
from dlcourse.music.heads import Head
from dlcourse.music.priors.prior import Priors


class Predict(Protocol):
    """What is sampled from: `NotePredictor.next_inputs`, or `cells.CellSteps`."""

    def __call__(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, Any]:
        """Run the frames from `first` on; the head's inputs for the last, and the state after it.

        Args:
            frames: (N, T, ...); only those before a frame say anything of it.
            positions: (N, T', 3) up to the frame to predict, T' <= T.
            first: The first frame to run; all before it are in the state.

        Returns:
            (N, I) for frame T' - 1, and the state to go on from.
        """
        ...


class Sampler:
    """How an option is drawn from logits: a class of the melody, a note of a chord, a key's state.

    Args:
        temperature: Divides the logits; 0 takes the likeliest option.
        top_k: Keep only the k likeliest options (Fan et al., ACL 2018).
        top_p: Keep only the likeliest options that together reach this probability (nucleus
            sampling: Holtzman et al., ICLR 2020).
        min_p: Keep only options at least so likely against the likeliest (Nguyen et al., Turning
            Up the Heat, ICLR 2025).
        window: Run only the last so many frames, from a zero state, for every draw, as the lab
            did. None carries the state: one cell step a frame.
    """

    def __init__(
        self,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        window: int | None = None,
    ) -> None:
        if temperature < 0:
            raise InputError(f"sampler.temperature={temperature}: 0 or more")
        if top_k is not None and top_k < 1:
            raise InputError(f"sampler.top_k={top_k}: 1 or more, or null")
        if top_p is not None and not 0 < top_p <= 1:
            raise InputError(f"sampler.top_p={top_p}: above 0, at most 1, or null")
        if min_p is not None and not 0 <= min_p <= 1:
            raise InputError(f"sampler.min_p={min_p}: 0 to 1, or null")
        if window is not None and window < 1:
            raise InputError(f"sampler.window={window}: 1 or more, or null")
        self.temperature, self.window = temperature, window
        self.top_k, self.top_p, self.min_p = top_k, top_p, min_p

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(..., K) float64 chances of being drawn, from logits (..., K)."""
        chances = self._chances(logits).astype(np.float64)
        return chances / chances.sum(-1, keepdims=True)

    def _chances(self, logits: np.ndarray) -> np.ndarray:
        """`probabilities` up to a factor."""
        logits = np.asarray(logits)
        if self.temperature == 0:
            return np.eye(logits.shape[-1])[logits.argmax(-1)]
        logits = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
        if self.temperature != 1:
            logits = logits.astype(np.float64) / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = np.partition(logits, -self.top_k)[..., -self.top_k, None]
            logits = np.where(logits < least, -np.inf, logits)
        chances = np.exp(logits)
        if self.min_p is not None:
            chances[chances < self.min_p] = 0
        if self.top_p is not None:
            order = np.argsort(-chances, axis=-1, kind="stable")
            ordered = np.take_along_axis(chances, order, -1)
            reached = ordered.cumsum(-1)
            ordered[reached - ordered >= self.top_p * reached[..., -1:]] = 0
            np.put_along_axis(chances, order, ordered, -1)
        return chances

    def draw(self, logits: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Options (...) by inverting the distribution function at uniforms (...) in [0, 1)."""
        cumulative = np.add.accumulate(self._chances(logits), -1, np.float64)
        reached = cumulative > np.asarray(uniforms)[..., None] * cumulative[..., -1:]
        return reached.argmax(-1)

    def compose(
        self, predict: Predict, primers: np.ndarray, positions: np.ndarray, **how: Any
    ) -> np.ndarray:
        """Continue primers; see `sample`."""
        return sample(predict, primers, positions, sampler=self, **how)


def sample(
    predict: Predict,
    primers: np.ndarray,
    positions: np.ndarray,
    *,
    head: Head,
    sampler: Sampler,
    seed: int,
    priors: Priors = NO_PRIORS,
) -> np.ndarray:
    """Continue N primers together.

    Song i depends on its primer, on `seed` and on i, not on how many are drawn beside it.

    Args:
        predict: Makes the head's inputs for the frame that follows.
        primers: (N, P, ...) frames; P may be 0.
        positions: (N, P + S, 3) of all frames, old and new.
        head: The distribution of a frame.
        priors: What else is wished of the songs.

    Returns:
        (N, P + S, ...) frames, the primers first.

    Raises:
        InputError: The sampler's window is longer than the primers. The priors forbid everything.
    """
    songs, given = primers.shape[:2]
    steps = positions.shape[1] - given
    if sampler.window is not None and given < sampler.window:
        raise InputError(
            f"a primer of {given} steps is shorter than the window of {sampler.window} that "
            f"every draw runs through: take a longer primer or sampler=temperature"
        )
    noise = _uniforms(seed, songs, steps, head.max_decisions)
    frames = with_room(primers, steps)
    guide = Guide(priors, head, frames, positions=positions, given=given)
    state, first = None, 0
    with one_blas_thread():
        for step in range(given, given + steps):
            if sampler.window is not None:
                state, first = None, step + 1 - sampler.window
            inputs, state = predict(frames, positions[:, : step + 1], first=first, state=state)
            first = step + 1
            if guide.is_plain:
                frames[:, step] = sampler.draw(inputs, noise[:, step - given, 0])
                continue
            uniforms = noise[:, step - given]
            frames[:, step] = _draw_frame(guide, inputs, step, sampler=sampler, uniforms=uniforms)
    return frames


def _uniforms(seed: int, songs: int, steps: int, most: int) -> np.ndarray:
    """(N, S, most) in [0, 1); those of a song depend on the seed and on its number alone."""
    each = [np.random.default_rng([seed, song]).random((steps, most)) for song in range(songs)]
    return np.stack(each)


def with_room(primers: np.ndarray, steps: int) -> np.ndarray:
    """Primers (N, P, ...) and, after them, room for so many steps."""
    room = np.zeros((len(primers), steps, *primers.shape[2:]), dtype=primers.dtype)
    return np.concatenate([primers, room], axis=1)


def _draw_frame(
    guide: Guide, inputs: np.ndarray, step: int, *, sampler: Sampler, uniforms: np.ndarray
) -> np.ndarray:
    """Frames (N, ...), decision by decision, each with the next of the uniforms (N, most)."""
    drawing = guide.begin(inputs, step)
    while not drawing.finished:
        logits = guide.logits(drawing)  # (N, B, K)
        taken, uniforms = np.split(uniforms, [logits.shape[1]], axis=1)
        drawing.take(sampler.draw(logits, taken))
    return guide.end(drawing)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Products of a few rows are too small to share among threads."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def _libraries() -> ThreadpoolController:
    """The thread pools of this process; looking for them takes a millisecond."""
    return ThreadpoolController()


def find_loop(
    frames: Sequence[int] | np.ndarray, *, longest: int = 128, repeats: int = 4
) -> int | None:
    """The period in steps of the loop in which a song (T, ...) ends, or None.

    A loop is a stretch that comes at least `repeats` times in a row at the end and lasts at least
    64 steps (four bars of 4/4) in all.
    """
    frames = np.asarray(frames)
    for period in range(1, min(longest, len(frames) // repeats) + 1):
        tail = max(repeats * period, 64)
        if len(frames) >= tail and (frames[-tail + period :] == frames[-tail:-period]).all():
            return period
    return None
