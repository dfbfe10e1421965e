"""New songs from a next-note distribution: pure functions of logits, seeds and a network.

Shape legend: N songs drawn together, K classes, P primer steps, S new steps.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from threadpoolctl import ThreadpoolController

from dlcourse.errors import InputError


class Predict(Protocol):
    """What is sampled from: `NotePredictor.next_logits`, or `cells.CellSteps`."""

    def __call__(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, Any]:
        """Run the frames from `first` on; the logits of the last one, and the state after it.

        Args:
            frames: (N, T) classes; only those before a frame say anything of it.
            positions: (N, T', 3) up to the frame to predict, T' <= T.
            first: The first frame to run; all before it are in the state.

        Returns:
            (N, K) logits of frame T' - 1, and the state to go on from.
        """
        ...


class Sampler:
    """How a class is drawn from logits.

    Args:
        temperature: Divides the logits; 0 takes the likeliest class.
        top_k: Keep only the k likeliest classes (Fan et al., ACL 2018).
        top_p: Keep only the likeliest classes that together reach this probability (nucleus
            sampling: Holtzman et al., ICLR 2020).
        window: Run only the last so many frames, from a zero state, for every draw, as the lab
            did. None carries the state: one cell step a frame.
    """

    def __init__(
        self,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        window: int | None = None,
    ) -> None:
        if temperature < 0:
            raise InputError(f"sampler.temperature={temperature}: 0 or more")
        if top_k is not None and top_k < 1:
            raise InputError(f"sampler.top_k={top_k}: 1 or more, or null")
        if top_p is not None and not 0 < top_p <= 1:
            raise InputError(f"sampler.top_p={top_p}: above 0, at most 1, or null")
        if window is not None and window < 1:
            raise InputError(f"sampler.window={window}: 1 or more, or null")
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p
        self.window = window

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """(N, K) float64 chances of being drawn, from logits (N, K)."""
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
        if self.top_p is not None:
            order = np.argsort(-chances, axis=-1, kind="stable")
            ordered = np.take_along_axis(chances, order, -1)
            reached = ordered.cumsum(-1)
            ordered[reached - ordered >= self.top_p * reached[..., -1:]] = 0
            np.put_along_axis(chances, order, ordered, -1)
        return chances

    def draw(self, logits: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
        """Classes (N,) by inverting the distribution function at uniforms (N,) in [0, 1)."""
        cumulative = np.add.accumulate(self._chances(logits), -1, np.float64)
        reached = cumulative > np.asarray(uniforms)[:, None] * cumulative[:, -1:]
        return reached.argmax(-1)


def sample(
    predict: Predict, primers: np.ndarray, positions: np.ndarray, *, sampler: Sampler, seed: int
) -> np.ndarray:
    """Continue N primers together.

    Song i depends on its primer, on `seed` and on i, not on how many are drawn beside it.

    Args:
        predict: Logits of the frame that follows.
        primers: (N, P) int64 classes; P may be 0.
        positions: (N, P + S, 3) of all frames, old and new.

    Returns:
        (N, P + S) classes, the primers first.

    Raises:
        InputError: The sampler's window is longer than the primers.
    """
    songs, given = primers.shape
    steps = positions.shape[1] - given
    if sampler.window is not None and given < sampler.window:
        raise InputError(
            f"a primer of {given} steps is shorter than the window of {sampler.window} that "
            f"every draw runs through: take a longer primer or sampler=temperature"
        )
    noise = np.stack([_uniforms(seed, song, steps) for song in range(songs)])  # (N, S)
    frames = np.concatenate([primers, np.zeros((songs, steps), dtype=np.int64)], axis=1)
    state, first = None, 0
    with _libraries().limit(limits=1, user_api="blas"):  # the products are too small to share
        for step in range(given, given + steps):
            if sampler.window is not None:
                state, first = None, step + 1 - sampler.window
            logits, state = predict(frames, positions[:, : step + 1], first=first, state=state)
            frames[:, step] = sampler.draw(logits, noise[:, step - given])
            first = step + 1
    return frames


@cache
def _libraries() -> ThreadpoolController:
    """The thread pools of this process; looking for them takes a millisecond."""
    return ThreadpoolController()


def _uniforms(seed: int, song: int, steps: int) -> np.ndarray:
    return np.random.default_rng([seed, song]).random(steps)


def find_loop(frames: Sequence[int], *, longest: int = 128, repeats: int = 4) -> int | None:
    """The period in steps of the loop in which a song ends, or None.

    A loop is a stretch that comes at least `repeats` times in a row at the end and lasts at least
    64 steps (four bars of 4/4) in all.
    """
    frames = np.asarray(frames)
    for period in range(1, min(longest, len(frames) // repeats) + 1):
        tail = max(repeats * period, 64)
        if len(frames) >= tail and (frames[-tail + period :] == frames[-tail:-period]).all():
            return period
    return None
