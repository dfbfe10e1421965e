"""Learning-rate schedules, relative to the rate that the optimizer owns."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR


def one_cycle(
    optimizer: Optimizer, *, total_steps: int, peak: float = 3.0, warm_up: float = 0.3
) -> LRScheduler:
    """Up to `peak` times the optimizer's rate over the first steps, then down to nothing.

    Momentum is left alone: not every optimizer has one. Source: Smith and Topin,
    Super-Convergence, 2019.

    Args:
        total_steps: Optimizer steps; 0 leaves the rate as it is.
        warm_up: Share of the steps that go up.
    """
    if total_steps == 0:
        return ConstantLR(optimizer, factor=1.0)
    highest = [peak * group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(
        optimizer, highest, total_steps=total_steps, pct_start=warm_up, cycle_momentum=False
    )
