"""Priors reach what they mean in every head, and are shown what they need."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dlcourse.music.encoding import Encoding
from dlcourse.music.grid import STEPS_A_BAR, bar_positions
from dlcourse.music.guide import Guide, earlier_frames
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.notes import HELD, OFF, STRUCK, Metre
from dlcourse.music.priors.constant import Constant
from dlcourse.music.priors.prior import Moment, Prior, Priors
from tests.music.small_rolls import (
    HEADS,
    all_frames,
    can_be,
    composed,
    keyboard,
    nothing,
    options_of,
    places,
    predictor,
    primers_for,
    random_context,
    random_frames,
    random_inputs,
)

EVERY_HEAD = pytest.mark.parametrize("name", HEADS)


@pytest.mark.parametrize("encoding", [keyboard(3, lookback=(1, 2)), Melody(lookback=(1,))])
def test_a_head_is_shown_the_same_earlier_frames_in_drawing_as_in_training(
    encoding: Encoding,
) -> None:
    if encoding.frame_shape:
        frames = random_frames(encoding, 2, 20, seed=0).numpy()
    else:
        frames = np.random.default_rng(0).integers(0, 80, (2, 20))
    at = np.stack([bar_positions(Metre(0, beats, 8), 20) for beats in (3, 4)])
    context = encoding.context(torch.from_numpy(frames), torch.from_numpy(at)).numpy()
    for step in range(20):
        found = earlier_frames(encoding, frames, at, step=step)
        assert np.array_equal(found, context[:, step])


class Wish(Prior):
    """Log-weights (P, 3) that are always the same."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = weights

    def log_weights(self, moment: Moment) -> np.ndarray:
        return np.broadcast_to(self.weights, (*moment.chosen.shape, 3)).copy()


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_frame_is_weighed_by_what_it_does_to_every_key(
    name: str, onsets: bool, one_by_one: bool
) -> None:
    """What all decisions of a frame add up to, against the states that the frame brings about."""
    head = predictor(keyboard(3, onsets=onsets), name).head
    frames = all_frames(head.encoding)
    context = random_context(head.encoding, len(frames), seed=1)
    possible = can_be(frames, context[:, 0], onsets=onsets)
    frames, context = frames[possible], context[possible]
    many = len(frames)
    wish = np.random.default_rng(0).normal(size=(many, 3, 3))
    songs = np.concatenate([context.numpy(), np.zeros_like(context.numpy())], axis=1)
    guide = Guide(Priors([Wish(wish)]), head, songs, positions=places(many, 2), given=1)
    inputs = random_inputs(head, many, seed=1)
    decided = head.decisions(inputs, frames, context)
    script = [decided.targets[decided.frame == row].tolist() for row in range(many)]
    drawing, total, step = guide.begin(inputs.numpy(), 1, one_by_one=one_by_one), 0, 0
    while not drawing.finished:
        own, guided = drawing.logits(), guide.logits(drawing)
        options = options_of(script, own, step)
        added = np.where(np.isfinite(own), guided, 0) - np.where(np.isfinite(own), own, 0)
        total = total + np.take_along_axis(added, options[..., None], -1).sum((1, 2))
        drawing.take(options)
        step += 1
    assert np.array_equal(guide.end(drawing), frames.numpy())
    after = head.encoding.next_states(head.encoding.states(context.numpy())[:, 0], frames.numpy())
    for row in range(many):
        of_frame = sum(wish[row, key, after[row, key]] for key in range(3))
        assert total[row] == pytest.approx(of_frame - wish[row, :, OFF].sum(), abs=1e-5)


@pytest.mark.parametrize("onsets", [False, True])
def test_a_factorised_head_and_its_priors_are_a_product_of_experts(onsets: bool) -> None:
    model = predictor(keyboard(3, onsets=onsets), "bernoulli")
    wish = np.random.default_rng(1).normal(size=(3, 3))
    context = random_frames(model.encoding, 1, 1, seed=4).numpy()
    inputs = random_inputs(model.head, 1, seed=2)
    frames = np.concatenate([context, np.zeros_like(context)], axis=1)
    guide = Guide(Priors([Wish(wish)]), model.head, frames, positions=places(1, 2), given=1)
    logits = guide.logits(guide.begin(inputs.numpy(), 1))[0]  # (P, S)
    listed, before = all_frames(model.encoding), model.encoding.states(context)[:, 0]
    own = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    found = own[np.arange(3), listed].sum(1)
    after = model.encoding.next_states(before, listed.numpy())
    many = len(listed)
    rows = inputs.expand(many, -1), listed, torch.from_numpy(context).expand(many, -1, -1)
    product = -model.head.decisions(*rows).nats().detach().numpy()
    product += wish[np.arange(3), after].sum(1)
    assert found == pytest.approx(product - np.logaddexp.reduce(product), abs=1e-5)


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
def test_what_is_wished_for_strongly_sounds(name: str, onsets: bool) -> None:
    model, silence = predictor(keyboard(4, onsets=onsets), name), nothing(keyboard(4), 3)
    for key in range(4):
        wish = np.zeros((4, 3))
        wish[key, STRUCK] = 60
        songs = model.encoding.states(composed(model, silence, 6, priors=Priors([Wish(wish)])))
        if onsets:
            assert (songs[..., key] == STRUCK).all()
        else:  # a key that goes on cannot be struck
            assert (songs[:, 0, key] == STRUCK).all()
        wish[key, HELD] = 120
        songs = model.encoding.states(composed(model, silence, 6, priors=Priors([Wish(wish)])))
        assert (songs[:, 0, key] == STRUCK).all()
        assert (songs[:, 1:, key] == HELD).all()
        wish[:, [HELD, STRUCK]] = -60
        assert not composed(model, silence, 6, priors=Priors([Wish(wish)])).any()


@pytest.mark.parametrize("encoding", [Melody(), Lab2018(rests=True, rearticulate=True)])
def test_what_is_wished_for_strongly_sounds_in_one_voice_too(encoding: Encoding) -> None:
    model = predictor(encoding, None)
    wish = np.zeros((78, 3))
    wish[30, STRUCK], wish[30, HELD] = 60, 120
    songs = composed(model, nothing(encoding, 2), 6, priors=Priors([Wish(wish)]))
    states = encoding.states(songs)[..., 30]
    assert states.tolist() == [[STRUCK] + [HELD] * 5] * 2
    with_constant = composed(model, nothing(encoding, 2), 9, priors=Priors([Constant()]))
    assert np.array_equal(with_constant, composed(model, nothing(encoding, 2), 9))


@dataclass
class Seen:
    states: np.ndarray
    chosen: list[np.ndarray]
    bar: np.ndarray
    positions: np.ndarray
    pitches: list[int]


class Watcher(Prior):
    """Wishes nothing and remembers all that it is shown, frame by frame."""

    within_frame = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, Seen] = {}

    def log_weights(self, moment: Moment) -> np.ndarray:
        seen = Seen(moment.states.copy(), [], moment.bar, moment.positions, [*moment.pitches])
        self.seen.setdefault(moment.states.shape[1], seen).chosen.append(moment.chosen.copy())
        return np.zeros((*moment.chosen.shape, 3))


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
def test_a_prior_is_shown_the_song_so_far_and_the_frame_as_far_as_it_is_decided(
    name: str, onsets: bool
) -> None:
    model, watcher = predictor(keyboard(3, onsets=onsets), name), Watcher()
    primers = primers_for(model, 4, 5)
    new = composed(model, primers, 9, priors=Priors([watcher]))
    states = model.encoding.states(np.concatenate([primers, new], axis=1))
    at = places(4, 14)
    assert sorted(watcher.seen) == [*range(5, 14)]
    for step, seen in watcher.seen.items():
        assert np.array_equal(seen.states, states[:, :step])
        assert np.array_equal(seen.positions, at[:, step])
        assert seen.bar.tolist() == [step // 6] * 4 == (step // at[:, step, STEPS_A_BAR]).tolist()
        assert seen.pitches == [60, 61, 62]
        frame = states[:, step]
        assert not seen.chosen[0].any()
        goes_on = np.minimum(states[:, step - 1], HELD)
        for chosen in seen.chosen:
            for song in range(4):  # from the highest down: what is decided stays
                decided = np.flatnonzero(chosen[song])
                lowest = decided[0] if len(decided) else 3
                could_be = [frame[song], *([goes_on[song]] if name == "set_softmax" else [])]
                assert any(np.array_equal(chosen[song, lowest:], x[lowest:]) for x in could_be)
        if name != "set_softmax":  # which asks what its whole words would bring about, as well
            counts = [np.count_nonzero(chosen) for chosen in seen.chosen]
            assert counts == sorted(counts)
            assert len(seen.chosen) == 3
