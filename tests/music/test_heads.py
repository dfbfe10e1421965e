"""Every head over keys is a distribution, and what is drawn from it is what is scored by it."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.heads import Bernoulli, Categorical, Head
from dlcourse.music.melody import Melody
from dlcourse.music.notes import HELD, STRUCK
from dlcourse.music.sampling import Sampler
from tests.music.small_rolls import (
    EVERY_HEAD,
    EVERY_KIND,
    HEADS,
    all_frames,
    can_be,
    keyboard,
    log_p,
    made,
    options_of,
    random_context,
    random_frames,
    random_inputs,
)


@EVERY_HEAD
@EVERY_KIND
def test_the_probabilities_of_all_frames_add_up_to_one(
    name: str, keys: int, onsets: bool, copy: bool
) -> None:
    for seed in range(5):
        head = made(name, keys, onsets=onsets, copy=copy, lookback=(1,))
        frames = all_frames(head.encoding)
        inputs = 2 * random_inputs(head, 1, seed=seed)[0]
        context = random_context(head.encoding, 1, seed=seed)[0]
        p = log_p(head, inputs, context, frames).exp()
        assert p.sum().item() == pytest.approx(1, abs=1e-6)
        possible = can_be(frames, context[0], onsets=onsets)
        assert (p[possible] > 0).all()
        assert not p[~possible].any()


def test_what_cannot_be_is_a_held_key_that_was_off_in_the_frame_just_before() -> None:
    head = made("bernoulli", 3, onsets=True, copy=False, lookback=(1,))
    context = torch.tensor([[0, HELD, STRUCK], [STRUCK, 0, 0]], dtype=torch.int8)
    frames = torch.tensor([[HELD, 0, 0], [0, HELD, HELD], [STRUCK] * 3], dtype=torch.int8)
    inputs = random_inputs(head, 1, seed=0)[0]
    assert (log_p(head, inputs, context, frames) > -torch.inf).tolist() == [False, True, True]


def scripted(head: Head, inputs: Tensor, context: Tensor, frames: Tensor) -> list[list[int]]:
    """The options that have to be taken one by one for frames (M, P) to come."""
    decided = head.decisions(inputs, frames, context)
    script: list[list[int]] = [[] for _ in frames]
    for frame, target in zip(decided.frame.tolist(), decided.targets.tolist(), strict=True):
        script[frame].append(target)
    return script


@EVERY_HEAD
@EVERY_KIND
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_frame_drawn_decision_by_decision_costs_what_it_is_scored_with(
    name: str, keys: int, onsets: bool, copy: bool, one_by_one: bool
) -> None:
    head = made(name, keys, onsets=onsets, copy=copy, lookback=(2,))
    frames = all_frames(head.encoding)
    inputs = random_inputs(head, len(frames), seed=1)
    context = random_context(head.encoding, len(frames), seed=1)
    script = scripted(head, inputs, context, frames)
    drawing = head.begin(inputs.numpy(), context.numpy(), one_by_one=one_by_one)
    total, steps = np.zeros(len(frames)), 0
    while not drawing.finished:
        options = options_of(script, drawing.logits(), steps)
        logits = torch.from_numpy(drawing.logits()).double()
        each = logits.log_softmax(-1).gather(-1, torch.from_numpy(options)[..., None])
        total += each.sum((1, 2)).numpy()
        drawing.take(options)
        steps += 1
    assert np.array_equal(drawing.frames(), frames.numpy())
    assert drawing.frames().dtype == np.int8
    nats = head.decisions(inputs, frames, context).nats().detach().numpy()
    assert total == pytest.approx(-nats, abs=1e-5)
    assert np.isinf(nats).any() == onsets
    assert steps <= head.max_decisions


@EVERY_HEAD
@pytest.mark.parametrize("one_by_one", [False, True])
def test_songs_chosen_in_the_middle_of_a_frame_go_on_as_if_they_had_been_alone(
    name: str, one_by_one: bool
) -> None:
    head = made(name, 3, onsets=True, copy=True)
    frames = random_frames(head.encoding, 6, seed=3)
    frames[2] = STRUCK  # the most decisions there can be
    inputs, context = random_inputs(head, 6, seed=3), random_context(head.encoding, 6, seed=3)
    script = scripted(head, inputs, context, frames)
    rows = np.array([4, 2, 2, 0])
    for cut in range(4):
        drawing = head.begin(inputs.numpy(), context.numpy(), one_by_one=one_by_one)
        alone = head.begin(inputs[rows].numpy(), context[rows].numpy(), one_by_one=one_by_one)
        chosen, step = [script[row] for row in rows], 0
        while not alone.finished:
            if step == cut:
                stood = drawing.frames().tolist()
                drawing, whole = drawing.select(rows), drawing
            if step >= cut:
                assert drawing.logits() == pytest.approx(alone.logits(), abs=1e-6)
            now = script if step < cut else chosen
            drawing.take(options_of(now, drawing.logits(), step))
            alone.take(options_of(chosen, alone.logits(), step))
            step += 1
        if cut < step:
            assert drawing.finished
            assert np.array_equal(drawing.frames(), frames[rows].numpy())
            # The one that was chosen from has not moved.
            assert not whole.finished
            assert whole.frames().tolist() == stood


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
def test_frames_come_as_often_as_they_are_likely(name: str, onsets: bool) -> None:
    draws, head = 4000, made(name, 3, onsets=onsets, copy=True)
    inputs, context = random_inputs(head, 1, seed=5), random_context(head.encoding, 1, seed=6)
    frames = all_frames(head.encoding)
    p = log_p(head, inputs[0], context[0], frames).exp().numpy()
    many = inputs.expand(draws, -1).numpy(), context.expand(draws, -1, -1).numpy()
    drawing, rng = head.begin(*many), np.random.default_rng(7)
    while not drawing.finished:
        logits = drawing.logits()
        drawing.take(Sampler().draw(logits, rng.random(logits.shape[:2])))
    place = head.encoding.num_states ** np.arange(2, -1, -1)  # of a frame among all
    counts = np.bincount(drawing.frames() @ place, minlength=len(frames))
    assert counts[p == 0].sum() == 0
    often = p * draws > 5
    assert often.sum() >= 4
    found, expected = (np.append(x[often], x[~often].sum()) for x in (counts, p * draws))
    assert chisquare(found, expected * draws / expected.sum()).pvalue > 0.01


def greedy(frames: np.ndarray, p: np.ndarray, before: np.ndarray | None) -> list[int]:
    """The likeliest option of every decision, each summed up over all frames that have it.

    Key by key; or, where there is a frame before, note by note, unless all of that goes on.
    """
    keys, left = frames.shape[1], np.ones(len(frames), dtype=bool)
    if before is None:
        for key in range(keys - 1, -1, -1):
            sums = [p[left & (frames[:, key] == state)].sum() for state in range(3)]
            left &= frames[:, key] == np.argmax(sums)
        return frames[left][0].tolist()
    last, goes_on = keys, (frames == np.minimum(before, HELD)).all(1)
    p, again = np.where(goes_on, 0, p), p[goes_on].item()
    while True:
        below = np.where(frames[:, :last] > 0, np.arange(last) + 1, 0).max(1, initial=0)  # 0: none
        state = np.where(below > 0, frames[np.arange(len(frames)), below - 1], 0)
        words = {(b, s) for b, s in zip(below[left], state[left], strict=True)}
        best = max(sorted(words), key=lambda w: p[left & (below == w[0]) & (state == w[1])].sum())
        left &= (below == best[0]) & (state == best[1])
        if last == keys and again > p[left].sum():
            return frames[goes_on][0].tolist()
        if best[0] == 0:
            return frames[left][0].tolist()
        last = best[0] - 1


@EVERY_HEAD
@EVERY_KIND
def test_the_likeliest_frame_takes_the_likeliest_option_of_every_decision(
    name: str, keys: int, onsets: bool, copy: bool
) -> None:
    head = made(name, keys, onsets=onsets, copy=copy)
    inputs, context = 3 * random_inputs(head, 8, seed=2), random_context(head.encoding, 8, seed=2)
    frames, modes = all_frames(head.encoding), 0
    found = head.likeliest(inputs, context)
    for row in range(8):
        p = log_p(head, inputs[row], context[row], frames).exp()
        before = context[row, 0].numpy() if name == "set_softmax" else None
        expected = greedy(frames.numpy(), p.numpy(), before)
        assert found[row].tolist() == expected
        modes += expected == frames[p.argmax()].tolist()
    assert modes == 8 if name == "bernoulli" else modes >= 4


@EVERY_HEAD
@EVERY_KIND
def test_a_gradient_reaches_every_parameter_and_every_input(
    name: str, keys: int, onsets: bool, copy: bool
) -> None:
    head = made(name, keys, onsets=onsets, copy=copy, lookback=(1,))
    inputs = random_inputs(head, 200, seed=4).requires_grad_()
    context = random_context(head.encoding, 200, seed=4)
    frames = random_frames(head.encoding, 200, seed=5)
    frames[(frames == HELD) & (context[:, 0] == 0) & onsets] = 0
    head.decisions(inputs, frames, context).nats().mean().backward()
    assert torch.isfinite(inputs.grad).all()
    assert (inputs.grad != 0).any(0).all()
    for parameter_name, parameter in head.named_parameters():
        assert parameter.grad.any(), parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


def test_bernoulli_without_onsets_and_copying_is_binary_cross_entropy() -> None:
    head = Bernoulli(keyboard(6, onsets=False), copy=False)
    assert head.num_inputs == 6
    inputs, frames = random_inputs(head, 50, seed=1), random_frames(head.encoding, 50, seed=2)
    nats = head.decisions(inputs, frames, random_context(head.encoding, 50, seed=3)).nats()
    silence = head.decisions(0 * inputs, 0 * frames, 0 * frames[:, None]).nats()
    rare = torch.expm1(silence[0] / 6).log()  # nothing is known: the logit of every key
    assert rare.item() == pytest.approx(-3)
    logits = inputs.double() + rare
    bce = torch.nn.BCEWithLogitsLoss(reduction="none")(logits, frames.double()).sum(1)
    assert torch.allclose(nats, bce, rtol=1e-6)


@EVERY_HEAD
def test_a_head_and_an_encoding_that_do_not_fit_are_an_error(name: str) -> None:
    with pytest.raises(InputError, match="encoding=pianoroll, or head=categorical"):
        HEADS[name](Melody())
    with pytest.raises(InputError, match=r"head.reach=-1: semitones, at least 0"):
        HEADS[name](keyboard(3), reach=-1)
    with pytest.raises(InputError, match="choose head=set_softmax, bernoulli or nade"):
        Categorical(keyboard(3))
