"""Learning-rate schedules: functions of the step, relative to the rate that the optimizer owns.

Being functions they have no state: a run that is resumed with more steps follows the longer curve.
"""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine(optimizer: Optimizer, *, total_steps: int) -> LambdaLR:
    """Down to nothing along half a cosine (Loshchilov and Hutter, SGDR, ICLR 2017, equation 5)."""
    return LambdaLR(optimizer, lambda step: _half_cosine(1.0, 0.0, step, total_steps))


def one_cycle(
    optimizer: Optimizer, *, total_steps: int, peak: float = 3.0, warm_up: float = 0.3
) -> LambdaLR:
    """Up to `peak` times the optimizer's rate over the first steps, then down to nothing.

    Both ways along half a cosine, from a 25th of the peak. Momentum is left alone: not every
    optimizer has one. Source: Smith and Topin, Super-Convergence, 2019.

    Args:
        total_steps: Optimizer steps; 0 leaves the rate as it is.
        warm_up: Share of the steps that go up.
    """
    # As in torch's OneCycleLR the last step of the way up has the highest rate.
    top = max(0.0, warm_up * total_steps - 1)

    def factor(step: int) -> float:
        if total_steps == 0:
            return 1.0
        if step < top:
            return _half_cosine(peak / 25, peak, step, top)
        return _half_cosine(peak, 0.0, step - top, total_steps - 1 - top)

    return LambdaLR(optimizer, factor)


def _half_cosine(start: float, end: float, step: float, steps: float) -> float:
    """From `start` at step 0 to `end` at `steps`, and there from then on."""
    if steps <= 0:
        return start
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, step / steps))) / 2
