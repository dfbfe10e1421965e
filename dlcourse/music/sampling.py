"""New songs from a next-note distribution: pure functions of logits, seeds and a network.

Shape legend: N songs drawn together, K classes, P primer steps, S new steps.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError


class Predict(Protocol):
    """What is sampled from; `NotePredictor` is one."""

    def __call__(
        self, frames: Tensor, positions: Tensor, *, first: int, state: Any
    ) -> tuple[Tensor, Any]:
        """Logits (N, T - first, K) of the frames from `first` on, and the state after them."""
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

    def probabilities(self, logits: Tensor) -> Tensor:
        """(N, K) float64 chances of being drawn, from logits (N, K)."""
        if self.temperature == 0:
            return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).double()
        logits = logits.double() / self.temperature
        if self.top_k is not None and self.top_k < logits.shape[-1]:
            least = logits.topk(self.top_k, dim=-1).values[..., -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        if self.top_p is not None:
            ordered, order = logits.softmax(-1).sort(dim=-1, descending=True)
            beyond = ordered.cumsum(-1) - ordered >= self.top_p
            logits = logits.masked_fill(beyond.gather(-1, order.argsort(-1)), -torch.inf)
        return logits.softmax(-1)

    def draw(self, logits: Tensor, uniforms: Tensor) -> Tensor:
        """Classes (N,) by inverting the distribution function at uniforms (N,) in [0, 1)."""
        cumulative = self.probabilities(logits).cumsum(-1)
        reached = cumulative > uniforms.double()[:, None] * cumulative[:, -1:]
        return reached.int().argmax(-1)


@torch.inference_mode()
def sample(
    predict: Predict, primers: Tensor, positions: Tensor, *, sampler: Sampler, seed: int
) -> Tensor:
    """Continue N primers together.

    Song i depends on its primer, on `seed` and on i, not on how many are drawn beside it.

    Args:
        predict: Logits of the frames that follow.
        primers: (N, P) classes; P may be 0.
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
    noise = torch.stack([_uniforms(seed, song, steps) for song in range(songs)])  # (N, S)
    noise = noise.to(primers.device)
    frames = torch.cat([primers, primers.new_zeros(songs, steps)], dim=1)
    state, first = None, 0
    for step in range(given, given + steps):
        if sampler.window is not None:
            state, first = None, step + 1 - sampler.window
        logits, state = predict(frames, positions[:, : step + 1], first=first, state=state)
        frames[:, step] = sampler.draw(logits[:, -1], noise[:, step - given])
        first = step + 1
    return frames


def _uniforms(seed: int, song: int, steps: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng([seed, song]).random(steps))


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
