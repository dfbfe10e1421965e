"""Cells written out in numpy, against the same network run by torch."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.music.cells import CellSteps
from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.encoding import Encoding
from dlcourse.music.grid import bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.melody import Melody
from dlcourse.music.notes import Metre
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.sampling import Sampler, sample

ENCODINGS = [Melody(), Melody(lookback=[1, 4]), Lab2018(), Lab2018(beat=True, lookback=[1])]


def predictor(encoding: Encoding, layers: int) -> NotePredictor:
    torch.manual_seed(0)
    net = partial(NoteLSTM, layers=layers, hidden=9, head_std=2.0, dropout=0.5)
    options = {"loss": None, "optimizer": None, "scheduler": None, "seed": 0}
    return NotePredictor(encoding=encoding, net=net, supervise="every", **options).eval()


def some_frames(encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
    """Two songs in two metres; the lab's silent frames have no class."""
    lowest = NO_CLASS if isinstance(encoding, Lab2018) else 0
    frames = np.random.default_rng(0).integers(lowest, encoding.num_classes, (2, 40))
    return frames, np.stack([bar_positions(Metre(0, n, 8), 40) for n in (3, 4)])


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_cells_are_the_network(encoding: Encoding, layers: int) -> None:
    model = predictor(encoding, layers)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps, (frames, positions) = CellSteps(model.net, encoding), some_frames(encoding)
    with torch.no_grad():
        whole, _ = model(torch.from_numpy(frames), torch.from_numpy(positions))
    state, first = None, 0
    for last in (1, 2, 3, 17, 40):
        logits, state = steps(frames, positions[:, :last], first=first, state=state)
        assert logits == pytest.approx(whole[:, last - 1].numpy(), abs=2e-5)
        first = last
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("given_steps", [0, 5])
def test_songs_drawn_with_cells_are_those_drawn_with_torch(
    encoding: Encoding, given_steps: int
) -> None:
    model = predictor(encoding, 2)
    frames, positions = some_frames(encoding)
    drawn = [
        sample(
            predict, frames[:, :given_steps], positions, head=model.head, sampler=Sampler(), seed=3
        ).tolist()
        for predict in (CellSteps(model.net, encoding), model.next_inputs)
    ]
    assert drawn[0] == drawn[1]


@given(
    which=st.sampled_from(ENCODINGS),
    frames=st.lists(st.sampled_from([NO_CLASS, 0, 5, 77]), min_size=1, max_size=60),
    numerator=st.integers(1, 5),
    step=st.integers(0, 59),
)
def test_hot_features_are_those_that_are_one(
    which: Encoding, frames: list[int], numerator: int, step: int
) -> None:
    step = min(step, len(frames) - 1)
    rows = np.array([frames, frames[::-1]])
    positions = np.stack([bar_positions(Metre(0, numerator, 16), step + 1)] * 2)
    hot = which.hot(rows, positions, step)
    at = torch.from_numpy(positions)
    features = which.features(which.context(torch.from_numpy(rows), at), at)[:, step]
    for found, expected in zip(hot.T.tolist(), features.tolist(), strict=True):
        present = [index for index in found if index not in (NO_CLASS, which.num_features)]
        assert sorted(present) == [i for i, value in enumerate(expected) if value]
        assert set(expected) <= {0.0, 1.0}
