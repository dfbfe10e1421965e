"""Keyboards so small that every frame can be listed, and heads with random weights on them."""

from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.grid import bar_positions
from dlcourse.music.heads import NADE, Bernoulli, Head, SetSoftmax
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.notes import HELD, OFF, Metre
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.sampling import Sampler

HEADS = {
    "bernoulli": partial(Bernoulli, reach=1),
    "nade": partial(NADE, hidden=5, reach=1),
    "set_softmax": partial(SetSoftmax, hidden=6, dropout=0.0, reach=1),
}
EVERY_HEAD = pytest.mark.parametrize("name", HEADS)
KINDS = [(4, False, False), (4, False, True), (3, True, False), (3, True, True)]
EVERY_KIND = pytest.mark.parametrize(("keys", "onsets", "copy"), KINDS)
WALTZ = Metre(0, 3, 8)  # bars of six steps


def keyboard(
    keys: int, *, onsets: bool = True, lookback: tuple[int, ...] = (), match: bool = False
) -> PianoRoll:
    """The keys from middle C upwards."""
    return PianoRoll(onsets=onsets, low=60, high=59 + keys, lookback=lookback, match=match)


def all_frames(encoding: PianoRoll) -> Tensor:
    """(S ** P, P) int8."""
    states = range(encoding.num_states)
    return torch.tensor([*product(states, repeat=encoding.num_keys)], dtype=torch.int8)


def shaken(module: nn.Module, *, std: float = 0.7, seed: int = 0) -> nn.Module:
    """With normal weights, also where they begin as zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(std * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def random_frames(encoding: PianoRoll, *shape: int, seed: int) -> Tensor:
    """(..., P) int8, half of the keys off."""
    rng = np.random.default_rng(seed)
    states = rng.integers(1, encoding.num_states, (*shape, encoding.num_keys))
    return torch.from_numpy((states * rng.integers(0, 2, states.shape)).astype(np.int8))


def random_inputs(head: Head, rows: int, *, seed: int) -> Tensor:
    """(M, I); large enough that nothing is nearly certain by itself."""
    return torch.randn(rows, head.num_inputs, generator=torch.Generator().manual_seed(seed))


def random_context(encoding: PianoRoll, rows: int, *, seed: int) -> Tensor:
    """(M, C, P)."""
    return random_frames(encoding, rows, encoding.num_lags, seed=seed)


def log_p(head: Head, inputs: Tensor, context: Tensor, frames: Tensor) -> Tensor:
    """(M,) of frames (M, P), all after the same inputs (I,) and context (C, P)."""
    many = len(frames)
    rows = inputs.expand(many, -1), frames, context.expand(many, -1, -1)
    with torch.no_grad():
        return -head.decisions(*rows).nats()


def can_be(frames: Tensor, before: Tensor, *, onsets: bool) -> Tensor:
    """(M,) bool: whether no key of frames (M, P) is held that was off before (P,)."""
    return ~((frames == HELD) & (before == OFF)).any(-1) | (not onsets)


def possible_song(encoding: PianoRoll, steps: int, *, seed: int) -> np.ndarray:
    """(T, P) int8 frames in which no key is held that did not sound."""
    frames = random_frames(encoding, 1, steps, seed=seed).numpy()
    return encoding.from_states(encoding.states(frames))[0]


def entry(frames: np.ndarray, metre: Metre = WALTZ, *, name: str = "song") -> Entry:
    """A song that was never a file."""
    positions = bar_positions(metre, len(frames))
    return Entry(name, name, encoded=Encoded(frames, positions, 1, {}, ""))


def predictor(
    encoding: Encoding,
    head: str | None,
    *,
    supervise: str = "every",
    std: float = 0.7,
    seed: int = 0,
) -> NotePredictor:
    """An LSTM of eight units that was not trained, but has its likes and dislikes."""
    made = NotePredictor(
        encoding=encoding,
        net=partial(NoteLSTM, hidden=8),
        supervise=supervise,
        head=head and HEADS[head],
        seed=0,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD,
        scheduler=None,
    )
    own = getattr(shaken(made, std=std, seed=seed).head, "num_own", 0)
    with torch.no_grad():
        made.net.head.bias[:own] += 3  # keys are not so rare
    return made


def places(songs: int, steps: int, metre: Metre = WALTZ) -> np.ndarray:
    """Positions (N, T, 3)."""
    return np.stack([bar_positions(metre, steps)] * songs)


def nothing(encoding: Encoding, songs: int) -> np.ndarray:
    """Primers (N, 0, ...)."""
    dtype = np.int8 if encoding.frame_shape else np.int64
    return np.zeros((songs, 0, *encoding.frame_shape), dtype=dtype)


def options_of(script: list[list[int]], logits: np.ndarray, step: int) -> np.ndarray:
    """What N frames (N, B) have to take at a step to come out as scripted, given (N, B, K).

    A script lists a frame's decisions in their order, from the highest key down. A frame that is
    all said waits for the others by the one word that is left to it.
    """
    if logits.shape[1] > 1:  # all keys at once, the lowest first
        return np.array([row[::-1] for row in script])
    wait = logits[:, 0].argmax(-1)
    rows = zip(script, wait, strict=True)
    return np.array([row[step] if step < len(row) else only for row, only in rows])[:, None]


def composed(
    model: NotePredictor,
    primers: np.ndarray,
    steps: int,
    sampler: Any = None,
    **how: Any,
) -> np.ndarray:
    """The new frames (N, S, ...)."""
    songs, given_steps = primers.shape[:2]
    at = places(songs, given_steps + steps)
    how = {"seed": 0} | how
    frames = (sampler or Sampler()).compose(model.next_inputs, primers, at, head=model.head, **how)
    assert np.array_equal(frames[:, :given_steps], primers)
    assert frames.dtype == primers.dtype
    return frames[:, given_steps:]


def primers_for(model: NotePredictor, songs: int, steps: int = 5) -> np.ndarray:
    return np.stack([possible_song(model.encoding, steps, seed=seed) for seed in range(songs)])


@torch.no_grad()
def song_nats(model: NotePredictor, frames: Tensor) -> Tensor:
    """-log p of whole songs (N, T, P)."""
    songs, steps = frames.shape[:2]
    at = torch.from_numpy(places(songs, steps))
    inputs, _ = model(frames, at)
    context = model.encoding.context(frames, at)
    flat = (x.flatten(0, 1) for x in (inputs, frames, context))
    return model.head.decisions(*flat).nats().view(songs, steps).sum(1)


def made(name: str, keys: int, *, onsets: bool, copy: bool, lookback: tuple[int, ...] = ()) -> Head:
    """A head of some kind on a keyboard, with random weights."""
    encoding = keyboard(keys, onsets=onsets, lookback=lookback)
    return shaken(HEADS[name](encoding, copy=copy))
