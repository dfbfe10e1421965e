"""The autoregressive head against the equations of its paper, written out."""

import math

import pytest
import torch

from dlcourse.errors import InputError
from dlcourse.music.heads import NADE
from dlcourse.music.notes import OFF
from tests.music.small_rolls import (
    all_frames,
    keyboard,
    random_context,
    random_frames,
    random_inputs,
    shaken,
)

KEYS, HIDDEN = 4, 5


def by_hand(head: NADE, inputs: list[float], frame: list[int], before: list[int]) -> float:
    """-log p of a frame, from the highest key down, without the copy path."""
    planes = head.encoding.num_states - 1
    above, out = head.above.detach().tolist(), head.out.detach().tolist()
    gathered, nats = inputs[planes * KEYS : planes * KEYS + HIDDEN], 0.0
    for key in reversed(range(KEYS)):
        h = [1 / (1 + math.exp(-a)) for a in gathered]
        logits = [0.0]
        for state in range(planes):
            row = state * KEYS + key
            logit = inputs[row] - 3 + sum(v * x for v, x in zip(out[row], h, strict=True))
            impossible = planes == 2 and state == 0 and before[key] == OFF
            logits.append(-math.inf if impossible else logit)
        nats -= logits[frame[key]] - math.log(sum(map(math.exp, logits)))
        on = [frame[key] > 0, frame[key] == 2][:planes]
        for state, x in enumerate(on):
            w = above[state * KEYS + key]
            gathered = [a + w[i] * x for i, a in enumerate(gathered)]
    return nats


@pytest.mark.parametrize("onsets", [False, True])
def test_it_is_the_equations_of_its_paper(onsets: bool) -> None:
    encoding = keyboard(KEYS, onsets=onsets)
    head = shaken(NADE(encoding, hidden=HIDDEN, copy=False))
    frames, inputs = random_frames(encoding, 40, seed=0), random_inputs(head, 40, seed=0)
    context = random_context(encoding, 40, seed=1)
    nats = head.decisions(inputs, frames, context).nats().tolist()
    rows = zip(inputs.tolist(), frames.tolist(), context[:, 0].tolist(), strict=True)
    assert nats == pytest.approx([by_hand(head, *row) for row in rows], rel=1e-5)
    assert any(map(math.isinf, nats)) == onsets


@pytest.mark.parametrize("copy", [False, True])
def test_a_key_minds_all_keys_above_it_and_none_below(copy: bool) -> None:
    head = shaken(NADE(keyboard(KEYS), hidden=HIDDEN, copy=copy))
    frames = all_frames(head.encoding)
    inputs = random_inputs(head, 1, seed=2).expand(len(frames), -1)
    context = torch.ones(len(frames), 1, KEYS, dtype=torch.int8)
    logits = head.all_logits(inputs, head.encoding.planes(frames), context)
    for key in range(KEYS):
        groups: dict[tuple[int, ...], set[tuple[float, ...]]] = {}
        for frame, row in zip(frames.tolist(), logits[:, key].tolist(), strict=True):
            groups.setdefault(tuple(frame[key + 1 :]), set()).add(tuple(round(x, 4) for x in row))
        assert {len(found) for found in groups.values()} == {1}
        assert len(set.union(*groups.values())) == 3 ** (KEYS - 1 - key)


def test_a_layer_needs_units() -> None:
    with pytest.raises(InputError, match=r"head\.hidden=0: at least 1"):
        NADE(keyboard(3), hidden=0)
