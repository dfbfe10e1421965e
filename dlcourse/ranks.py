"""What several processes that train one network tell each other; alone, each answer is one's own.

A rank is one of these processes, rank zero the one that writes files.
"""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

T = TypeVar("T")


def started_rank(trainer: Mapping[str, Any]) -> int:
    """The rank that a cluster's launcher (srun, torchrun) gave this process, from its environment.

    Args:
        trainer: The node of the config. All but `strategy: ddp` start their processes themselves,
            so that several of them below one srun are runs of their own, each with a rank zero.
    """
    if trainer.get("strategy") != "ddp":
        return 0
    return int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")))


def are_several() -> bool:
    """Whether other processes train the same network."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def mean_over_ranks(values: Tensor) -> Tensor:
    """The mean of what every rank calls this with; without a gradient."""
    if not are_several():
        return values.detach()
    summed = values.detach().clone()
    dist.all_reduce(summed)
    return summed / dist.get_world_size()


def largest_over_ranks(number: int, device: torch.device) -> int:
    """The largest of the numbers that the ranks call this with."""
    if not are_several():
        return number
    largest = torch.tensor(number, device=device)
    dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return int(largest)


def gathered(value: T) -> list[T]:
    """What every rank calls this with, in the order of the ranks."""
    if not are_several():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
