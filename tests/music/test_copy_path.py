"""What is copied from earlier frames, against loops over lags, intervals and states."""

import pytest
import torch

from tests.music.small_rolls import (
    EVERY_HEAD,
    HEADS,
    keyboard,
    made,
    random_context,
    random_frames,
)


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
@pytest.mark.parametrize("reach", [0, 2])
def test_the_copy_path_adds_up_what_was_there_and_what_is_around_in_the_frame_before(
    name: str, onsets: bool, reach: int
) -> None:
    encoding = keyboard(4, onsets=onsets, lookback=(1, 2))
    head = HEADS[name](encoding, copy=True, reach=reach)
    planes, width = head.planes, 2 * reach + 1
    context = random_context(encoding, 5, seed=8)
    weights = torch.randn(5, head.num_copy, generator=torch.Generator().manual_seed(8))
    found = head.copied(weights, context)
    near, far = weights.split([planes * planes * width, planes * 2 * planes], dim=1)
    a = near.view(5, planes, planes, width).tolist()  # to what, from what, how far up
    g = far.view(5, planes, 2, planes).tolist()  # to what, how long ago, from what
    for row, lines in enumerate(context.tolist()):
        for to in range(planes):
            for key in range(4):
                total = 0.0
                for of in range(planes):
                    there = [[state > of for state in line] for line in lines]
                    for lag in (1, 2):
                        total += g[row][to][lag - 1][of] * there[lag][key]
                    for d in range(-reach, reach + 1):
                        if 0 <= key + d < 4:
                            total += a[row][to][of][d + reach] * there[0][key + d]
                assert found[row, to, key].item() == pytest.approx(total, abs=1e-5)


@EVERY_HEAD
def test_what_is_copied_moves_with_the_music(name: str) -> None:
    head = made(name, 9, onsets=True, copy=True, lookback=(1,))
    context = torch.zeros(4, 2, 9, dtype=torch.int8)
    context[..., 2:5] = random_frames(keyboard(3), 4, 2, seed=9)
    weights = torch.randn(4, head.num_copy, generator=torch.Generator().manual_seed(9))
    here = head.copied(weights, context)
    assert here.any()
    for semitones in (-1, 3):
        there = head.copied(weights, head.encoding.transpose(context, torch.full((4,), semitones)))
        assert torch.allclose(there, here.roll(semitones, dims=-1))
