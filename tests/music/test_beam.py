"""Beams against listing everything: the widest finds the mode, the narrowest is argmax."""

from typing import Any

import numpy as np
import pytest
import torch

from dlcourse.errors import InputError
from dlcourse.music.beam import BeamSearch
from dlcourse.music.cells import CellSteps
from dlcourse.music.melody import Melody
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.priors.interval import IntervalFromPrevious
from dlcourse.music.priors.polyphony import PolyphonyCap
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Sampler
from tests.music.small_rolls import (
    HEADS,
    all_frames,
    keyboard,
    nothing,
    places,
    possible_song,
    predictor,
    song_nats,
)

EVERY_HEAD = pytest.mark.parametrize("name", HEADS)


def found(
    model: NotePredictor, primers: np.ndarray, steps: int, sampler: Any, **how: Any
) -> np.ndarray:
    """Whole songs (N, P + S, ...)."""
    at = places(len(primers), primers.shape[1] + steps)
    how = {"predict": model.next_inputs, "seed": 0} | how
    return sampler.compose(primers=primers, positions=at, head=model.head, **how)


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
def test_one_beam_takes_the_likeliest_option_of_every_decision(name: str, onsets: bool) -> None:
    model = predictor(keyboard(4, onsets=onsets, lookback=(1,)), name, std=1.0)
    primers = np.stack([possible_song(model.encoding, 4, seed=seed) for seed in range(5)])
    for priors in (Priors(), Priors([PolyphonyCap(2), IntervalFromPrevious(spread=2.0)])):
        beam = found(model, primers, 12, BeamSearch(width=1), priors=priors)
        best = found(model, primers, 12, Sampler(temperature=0), priors=priors)
        assert np.array_equal(beam, best)
        assert len(np.unique(beam.reshape(-1, 4), axis=0)) > 3


@EVERY_HEAD
@pytest.mark.filterwarnings("error")
def test_a_beam_wide_enough_for_all_songs_finds_the_likeliest(name: str) -> None:
    better = 0
    for keys, onsets, steps in ((2, True, 2), (2, False, 3), (1, True, 4)):
        encoding = keyboard(keys, onsets=onsets, lookback=(1,))
        listed = all_frames(encoding)
        index = torch.cartesian_prod(*[torch.arange(len(listed))] * steps)
        for seed in range(4):
            model = predictor(encoding, name, std=0.8, seed=seed)
            primers = np.stack([possible_song(encoding, 5, seed=song) for song in range(2)])
            beam = found(model, primers, steps, BeamSearch(width=len(index) + 5))
            wider = found(model, primers, steps, BeamSearch(width=3 * len(index)))
            assert np.array_equal(wider, beam)
            one = found(model, primers, steps, BeamSearch(width=1))
            for song, primer in enumerate(primers):
                start = torch.from_numpy(primer).expand(len(index), -1, -1)
                nats = song_nats(model, torch.cat([start, listed[index]], dim=1))
                assert beam[song, 5:].tolist() == listed[index[nats.argmin()]].tolist()
                better += not np.array_equal(one[song], beam[song])
    assert better  # argmax would not have done


@EVERY_HEAD
def test_beams_of_one_song_are_not_those_of_another(name: str) -> None:
    model = predictor(keyboard(3), name, std=1.0)
    primers = np.stack([possible_song(model.encoding, 4, seed=seed) for seed in range(3)])
    together = found(model, primers, 8, BeamSearch(width=4), seed=1)
    for song in range(3):
        alone = found(model, primers[song : song + 1], 8, BeamSearch(width=4), seed=2)
        assert np.array_equal(alone[0], together[song])
    assert np.array_equal(together[:, :4], primers)
    assert len({song.tobytes() for song in together[:, 4:]}) > 1


@pytest.mark.parametrize("cell", ["torch", "by hand"])
def test_a_beam_over_one_voice_finds_the_mode_too(cell: str) -> None:
    """Eighty beams are all first steps: the best of 6400 songs of two."""
    model = predictor(Melody(), None)
    predict = CellSteps(model.net, model.encoding) if cell == "by hand" else model.next_inputs
    beam = found(model, nothing(model.encoding, 1), 2, BeamSearch(width=80), predict=predict)
    frames = torch.cartesian_prod(torch.arange(80), torch.arange(80))
    at = torch.from_numpy(places(1, 2)).expand(6400, -1, -1)
    with torch.no_grad():
        log_p = model(frames, at)[0].log_softmax(-1).gather(-1, frames[..., None]).sum((1, 2))
    assert beam[0].tolist() == frames[log_p.argmax()].tolist()


def test_states_of_both_kinds_of_cells_follow_their_beams() -> None:
    model = predictor(Melody(), None, std=2.0)
    primers = np.random.default_rng(0).integers(0, 80, (3, 6))
    by_hand = CellSteps(model.net, model.encoding)
    songs = [
        found(model, primers, 25, BeamSearch(width=5), predict=predict)
        for predict in (model.next_inputs, by_hand)
    ]
    assert np.array_equal(*songs)
    assert len(np.unique(songs[0][:, 6:])) > 3


def test_a_beam_has_a_width() -> None:
    with pytest.raises(InputError, match=r"sampler\.width=0: at least 1"):
        BeamSearch(width=0)
