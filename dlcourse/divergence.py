"""When a loss, a gradient or a weight is no number any more: where it began, and what is left.

A step that is not finite spoils all weights for good. Batches are functions of seed and step, so
that a run that is resumed comes to the same step again.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.runs import BEST, LAST
from dlcourse.trust.checkpoints import read_checkpoint

log = logging.getLogger(__name__)
_NAMED = 3  # items of a batch that an error names; the log has all


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether there is no NaN and no infinity; the device is asked once."""
    found = [tensor.detach().isfinite().all() for tensor in tensors]
    return not found or bool(torch.stack(found).all())


def advice() -> str:
    """What to do with a run whose numbers are none."""
    return (
        "a resumed run would come to the same; begin anew with a lower optimizer.lr, or with "
        "trainer.gradient_clip_val=1"
    )


def good_checkpoint(folder: str | Path) -> tuple[Path, int] | None:
    """The last, else the best, of a folder's checkpoints whose weights are finite, and its step."""
    for name in (LAST, BEST):
        path = Path(folder) / f"{name}.ckpt"
        try:
            saved = read_checkpoint(path)
        except InputError:  # there is none, or it is damaged
            continue
        if all_finite(saved["state_dict"].values()):
            return path, int(saved["global_step"])
    return None


def diverged(what: str, names: Sequence[str], *, checkpoints: str | Path | None) -> InputError:
    """The error that stops a run.

    Args:
        what: Was no number, and at which step.
        names: Of the items in the step's batch.
        checkpoints: The folder of those that were saved before.
    """
    first = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more; all in the log" if len(names) > _NAMED else ""
    batch = f" ({first}{more})" if names else ""
    good = None if checkpoints is None else good_checkpoint(checkpoints)
    left = "no checkpoint is from before"
    if good is not None:
        left = f"{good[0]}, of step {good[1]}, is from before and finite"
    return InputError(f"{what}{batch}; {left}; {advice()}")
