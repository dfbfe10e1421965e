"""How well the bars before have foretold the last frames: whether a repetition is going on."""

import torch
from torch import Tensor
from torch.nn import functional

ALIKE_OVER = (1, 4, 16)  # steps
NUM_MATCHES = 1 + len(ALIKE_OVER)  # features of a look back


def foretold(alike: Tensor, steps: Tensor) -> Tensor:
    """What is known before each of some steps.

    Args:
        alike: (N, n, L) how alike each frame and the one that each look back recalls there are,
            in [0, 1], 1 where they are equal.
        steps: (T,) from 0 to n.

    Returns:
        (N, T, `NUM_MATCHES` * L) float32: of each look back whether the last frame was equal, and
        how alike they were over `ALIKE_OVER`.
    """
    # In single precision the differences of sums would depend on where the sums begin.
    sums = functional.pad(alike.double().cumsum(1), (0, 0, 1, 0))  # (N, n + 1, L)
    shares = [(sums[:, steps] - sums[:, (steps - n).clamp(min=0)]) / n for n in ALIKE_OVER]
    equal = functional.pad((alike == 1).double(), (0, 0, 1, 0))[:, steps]
    return torch.cat([equal, *shares], dim=-1).float()
