"""The chord as words: against loops, and what makes it a distribution over sets."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dlcourse.errors import InputError
from dlcourse.music.heads import SetSoftmax
from dlcourse.music.notes import HELD, OFF
from tests.music.small_rolls import (
    all_frames,
    keyboard,
    log_p,
    random_context,
    random_frames,
    random_inputs,
    shaken,
)

KEYS, HIDDEN = 4, 5


def by_hand(
    head: SetSoftmax, inputs: torch.Tensor, frame: list[int], context: torch.Tensor
) -> float:
    """-log p of one frame, word by word; the copy path is what `test_heads` has proved."""
    planes, words = head.encoding.num_states - 1, (head.encoding.num_states - 1) * KEYS + 2
    own_hidden, own, own_copy = inputs.split([HIDDEN, words, head.num_copy])
    goes_on = [min(state, HELD) for state in context[0].tolist()]
    notes = [(key, frame[key]) for key in reversed(range(KEYS)) if frame[key]]
    notes = [] if frame == goes_on else notes
    nats = 0.0
    for nth in range(len(notes) + 1):
        chosen, hidden = notes[:nth], own_hidden + head.count.weight[nth]
        for key, state in chosen:  # what sounds, and what is struck besides
            for plane in range(1 if planes == 1 else state):
                hidden = hidden + head.chosen.weight[:, plane * KEYS + key]
        more = head.out(torch.tanh(hidden))
        logits = (own + more[:words]).tolist()
        weights = own_copy + more[words:]
        copied = head.copied(weights[None], context[None])[0] if head.copy else None
        last = chosen[-1][0] if chosen else KEYS
        so_far = [dict(chosen).get(key, OFF) for key in range(KEYS)]
        for plane in range(planes):
            for key in range(KEYS):
                word = plane * KEYS + key
                for other, _ in chosen:
                    logits[word] += head.interval[plane, key - other + KEYS - 1].item()
                logits[word] += head.last_interval[plane, key - last + KEYS].item()
                logits[word] += copied[plane, key].item() if head.copy else 0.0
                held_anew = planes == 2 and plane == 0 and context[0, key] == OFF
                nothing_but_stop = key == 0 and [plane + 1, *so_far[1:]] == goes_on
                if key >= last or held_anew or nothing_but_stop:
                    logits[word] = -math.inf
        if so_far == goes_on:
            logits[-2] = -math.inf  # STOP
        if chosen:
            logits[-1] = -math.inf  # GOES ON
        if nth < len(notes):
            target = (notes[nth][1] - 1) * KEYS + notes[nth][0]
        else:
            target = words - 1 if frame == goes_on else words - 2
        nats -= logits[target] - math.log(sum(map(math.exp, logits)))
    return nats


@torch.no_grad()
@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("onsets", [False, True])
def test_it_is_a_chain_of_words_each_below_the_last_or_the_word_that_all_goes_on(
    onsets: bool, copy: bool
) -> None:
    encoding = keyboard(KEYS, onsets=onsets, lookback=(1,))
    head = shaken(SetSoftmax(encoding, hidden=HIDDEN, copy=copy, reach=1))
    frames, inputs = random_frames(encoding, 60, seed=0), random_inputs(head, 60, seed=0)
    context = random_context(encoding, 60, seed=1)
    frames[0] = context[1, 0] = 0
    frames[2:6] = context[2:6, 0].clamp(max=HELD)
    nats = head.decisions(inputs, frames, context).nats().tolist()
    rows = zip(inputs, frames.tolist(), context, strict=True)
    assert nats == pytest.approx([by_hand(head, *row) for row in rows], rel=1e-4)
    assert any(map(math.isinf, nats)) == onsets


def test_a_frame_takes_a_decision_a_note_from_the_highest_down_and_one_to_stop() -> None:
    head = shaken(SetSoftmax(keyboard(KEYS), hidden=HIDDEN))
    frames = [[0, 0, 0, 0], [1, 0, 2, 0], [2, 1, 1, 2], [1, 1, 1, 1]]
    context = torch.tensor([[[1, 2, 1, 2]]] * 4, dtype=torch.int8)
    rows = random_inputs(head, 4, seed=0), torch.tensor(frames, dtype=torch.int8), context
    logits, targets, frame = head.decisions(*rows)
    held, struck, stop, on = range(4), range(4, 8), 8, 9
    words = [[stop], [struck[2], held[0], stop], [struck[3], held[2], held[1], struck[0], stop]]
    assert targets.tolist() == [word for chord in [*words, [on]] for word in chord]
    assert frame.tolist() == [0] * 1 + [1] * 3 + [2] * 5 + [3]
    finite = [np.flatnonzero(row).tolist() for row in torch.isfinite(logits)]
    lower = [[*range(n), *range(4, 4 + n), stop] for n in (4, 4, 2, 0, 4, 3, 2, 1, 0, 4)]
    for first in (0, 1, 4, 9):
        lower[first].append(on)
    assert finite == lower


def test_what_would_go_on_has_one_way_to_come_about() -> None:
    """Neither STOP nor the last note may complete it; what is left is never nothing."""
    head = shaken(SetSoftmax(keyboard(3, onsets=False), hidden=HIDDEN))
    for goes_on in all_frames(head.encoding):
        chosen, last = torch.zeros(1, 3, dtype=torch.int8), 3
        for key in (2, 1, 0, None):
            logits = head.word_logits(
                random_inputs(head, 1, seed=0),
                goes_on[None, None],
                torch.tensor([0]),
                chosen=chosen,
                last=torch.tensor([last]),
            )
            possible = torch.isfinite(logits[0])
            assert possible.any()
            assert possible[3] == (not torch.equal(chosen[0], goes_on))
            if key is not None and goes_on[key]:
                if key == 0:
                    assert not possible[0]
                    break
                chosen[0, key], last = 1, key


def test_silence_after_a_sound_is_to_stop_at_once() -> None:
    head = shaken(SetSoftmax(keyboard(3), hidden=HIDDEN))
    inputs, silence = random_inputs(head, 1, seed=0), torch.zeros(1, 3, dtype=torch.int8)
    for before, word in ((HELD, -2), (OFF, -1)):  # STOP, or that silence goes on
        context = torch.full((1, 1, 3), before, dtype=torch.int8)
        at = HIDDEN + 8 + word
        with torch.no_grad():
            inputs[0, at] = 60.0
            cost = -log_p(head, inputs[0], context[0], silence).item()
            assert cost == pytest.approx(0, abs=1e-9)
            assert not head.likeliest(inputs, context).any()
            inputs[0, at] = -60.0
            assert log_p(head, inputs[0], context[0], silence).item() < -40
            assert before or head.likeliest(inputs, context).any()


def test_what_intervals_say_is_the_same_at_every_pitch() -> None:
    head = SetSoftmax(keyboard(9), hidden=HIDDEN, copy=False)
    shaken(head)
    with torch.no_grad():
        head.chosen.weight.zero_()
        head.out.weight.zero_()
        head.out.bias.zero_()
    inputs = torch.zeros(1, head.num_inputs)
    chosen = torch.tensor([[0, 0, 0, 0, 0, 1, 0, 2, 0], [0, 0, 0, 0, 0, 0, 1, 0, 2]])
    context = torch.ones(1, 1, 9, dtype=torch.int8)
    logits = head.word_logits(
        inputs,
        context,
        torch.tensor([0, 0]),
        chosen=chosen,
        last=torch.tensor([5, 6]),
    )
    here, there = logits[:, :-2].view(2, 2, 9)
    assert torch.allclose(here[:, :5], there[:, 1:6])
    assert here[:, :5].unique().numel() == 10
    assert torch.isinf(here[:, 5:]).all()


def test_there_can_be_more_notes_than_are_counted_apart() -> None:
    encoding = keyboard(20, onsets=False)
    head = shaken(SetSoftmax(encoding, hidden=HIDDEN), std=0.1)
    frames = torch.ones(1, 20, dtype=torch.int8)
    inputs, context = random_inputs(head, 1, seed=0), 0 * frames[:, None]
    decided = head.decisions(inputs, frames, context)
    assert len(decided.targets) == 21 == head.max_decisions
    assert torch.isfinite(decided.nats()).all()
    drawing, total = head.begin(inputs.numpy(), context.numpy()), 0.0
    for word in decided.targets.tolist():
        assert not drawing.finished
        total -= F.log_softmax(torch.from_numpy(drawing.logits()).double(), -1)[0, 0, word].item()
        drawing.take(np.array([[word]]))
    assert drawing.finished
    assert total == pytest.approx(decided.nats().item(), rel=1e-6)


def test_dropout_acts_in_training_alone() -> None:
    head = SetSoftmax(keyboard(4), hidden=64, dropout=0.5)
    rows = [random_inputs(head, 5, seed=0), random_frames(head.encoding, 5, seed=0)]
    rows.append(torch.ones(5, 1, 4, dtype=torch.int8))
    first, second = (head.train().decisions(*rows).nats() for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (head.eval().decisions(*rows).nats() for _ in range(2))
    assert torch.equal(first, second)


def test_a_layer_needs_units() -> None:
    with pytest.raises(InputError, match=r"head\.hidden=0: at least 1"):
        SetSoftmax(keyboard(3), hidden=0)
