"""A span between what comes before it and what comes after, drawn from left-to-right networks.

Of many continuations of the left part, drawn as ever, one is chosen with a chance proportional to
p(right part | left part, continuation): the network reads the right part after each of them.
Source: sampling importance resampling (Rubin, Using the SIR Algorithm to Simulate Posterior
Distributions, Bayesian Statistics 3, 1988); exact in the limit of many candidates.

Shape legend: N candidates, I numbers from the network, P keys, K classes, T steps. `...` is nothing
where a frame is a class, and P where it is the states of keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dlcourse.music.beam import reordered
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.encoding import Encoding
from dlcourse.music.guide import NO_PRIORS, earlier_frames
from dlcourse.music.heads import Head
from dlcourse.music.notes import OFF
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Predict, Sampler, one_blas_thread


@dataclass(frozen=True, eq=False)
class Infilling:
    """A song with a span composed anew.

    Attributes:
        frames: (T, ...) of the whole song.
        candidates: N.
        different: How many different spans there were among them.
        effective: The effective sample size 1 / sum(w^2) of their weights w: from 1, where one of
            them has all the weight, to N, where what follows does not care.
    """

    frames: np.ndarray
    candidates: int
    different: int
    effective: float


def infill(
    predict: Predict,
    frames: np.ndarray,
    positions: np.ndarray,
    *,
    span: tuple[int, int],
    head: Head,
    sampler: Sampler,
    seed: int | Sequence[int],
    candidates: int = 64,
    priors: Priors = NO_PRIORS,
    look: int = 64,
) -> Infilling:
    """Compose a span of a song anew, in view of what follows it.

    All that sounds outside the span stays as it was. A note that reached out of it goes on where
    the new span holds that key at its end, and is struck again where it does not.

    With a plain sampler and no priors the span comes from p(span | left, right) of the network. A
    temperature, a cut or priors change the distribution of the candidates, not their weights.

    Args:
        predict: See `sampling.sample`, as for head, sampler and priors.
        frames: (T, ...) of the whole song.
        positions: (T, 3) of the same.
        span: The first step of the span and the one after its last.
        candidates: N.
        look: How many steps of the right part have a say.
    """
    start, end = span
    draws, choice = np.random.SeedSequence(seed).generate_state(2)
    near = frames[: end + look]
    songs = near[None].repeat(candidates, axis=0)
    places = positions[None, : len(near)].repeat(candidates, axis=0)
    if start and sampler.window is None:
        predict = _LeftReadOnce(predict, songs[:1, :start], places[:1, :start])
    how = {"head": head, "seed": int(draws), "priors": priors}
    songs[:, :end] = sampler.compose(predict, songs[:, :start], places[:, :end], **how)
    if end < len(near):
        songs[:, end] = _going_on(head.encoding, songs[:, :end], near[: end + 1])
    nats = nats_after(predict, songs, places, given=end, head=head, window=sampler.window)
    weights = np.exp(nats.min() - nats)
    weights /= weights.sum()
    chosen = songs[np.random.default_rng(choice).choice(candidates, p=weights)]
    different = len(np.unique(songs[:, start:end], axis=0))
    whole = np.concatenate([chosen, frames[len(near) :]])
    return Infilling(whole, candidates, different, float(1 / (weights**2).sum()))


class _LeftReadOnce:
    """A `Predict` for songs that begin alike."""

    def __init__(self, predict: Predict, left: np.ndarray, positions: np.ndarray) -> None:
        self.predict, self.given = predict, left.shape[1]
        _, self.state = predict(left, positions, first=0, state=None)

    def __call__(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, Any]:
        """See `Predict`."""
        if first == 0:
            first, state = self.given, reordered(self.state, np.zeros(len(frames), dtype=int))
        return self.predict(frames, positions, first=first, state=state)


def _going_on(encoding: Encoding, songs: np.ndarray, original: np.ndarray) -> np.ndarray:
    """The frames (N, ...) after spans that sound as the original's last one does.

    Args:
        songs: (N, T, ...), the spans at their ends.
        original: (T + 1, ...).
    """
    before, frame = encoding.states(songs)[:, -1], original[-1]
    if not isinstance(encoding, ClassEncoding):
        return encoding.from_states(encoding.next_states(before, frame))
    if not encoding.is_scored(frame):
        return frame[None].repeat(len(songs))
    wanted = encoding.states(original[None])[0, -1] > OFF  # (P,)
    classes = np.tile(np.arange(encoding.num_classes), len(songs))
    sounds = encoding.next_states(before.repeat(encoding.num_classes, axis=0), classes) > OFF
    fits = (sounds == wanted).all(axis=1).reshape(len(songs), -1)  # (N, K)
    return np.where(fits[:, frame], frame, fits.argmax(axis=1))


@torch.inference_mode()
def nats_after(
    predict: Predict,
    frames: np.ndarray,
    positions: np.ndarray,
    *,
    given: int,
    head: Head,
    window: int | None = None,
) -> np.ndarray:
    """-log p (N,) float64 of all frames (N, T, ...) from `given` on, after those before.

    Args:
        window: As `Sampler.window`.
    """
    total, state, first = np.zeros(len(frames)), None, 0
    with one_blas_thread():
        for step in range(given, frames.shape[1]):
            if not head.encoding.is_scored(frames[:1, step]).all():
                continue
            if window is not None:
                state, first = None, step + 1 - window
            inputs, state = predict(frames, positions[:, : step + 1], first=first, state=state)
            context = earlier_frames(head.encoding, frames, positions, step=step)
            now = map(torch.from_numpy, (inputs, frames[:, step], context))
            total += head.decisions(*now).nats().numpy()
            first = step + 1
    return total
