"""Training on several devices with Lightning's strategies.

`ddp_spawn` and `ddp_fork` start a process a device, on one machine. Under `ddp` a cluster starts
them (srun, torchrun), on any number of machines. Either way the test is run by one process on one
device, so that no sample counts twice.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from torch import distributed as dist

from dlcourse.child_processes import fit_in_children, starts_children
from dlcourse.data import CourseData, HeldOutBatches, StepBatches
from dlcourse.errors import InputError
from dlcourse.runs import BEST, LAST
from dlcourse.splits import VAL
from dlcourse.task import Task
from dlcourse.trust.terminal import one_line

log = logging.getLogger(__name__)


def fit(trainer: Trainer, task: Task, data: CourseData, *, checkpoint: Path | None = None) -> None:
    """Train, in this process or in those that the trainer's strategy starts.

    Afterwards the task has the last weights here, too.

    Raises:
        InputError: `ddp` without somebody who starts the processes, or more of them than items; or
            training cannot go on from the checkpoint.
    """
    _settle_batch_norm(trainer, task)
    arguments = {"datamodule": data, "ckpt_path": checkpoint, "weights_only": True}
    if starts_children(trainer):
        _check_shares(data, trainer.world_size)
        fit_in_children(trainer, task, **arguments)
        return
    strategy = trainer.strategy
    if strategy.launcher and not strategy.cluster_environment.creates_processes_externally:
        raise InputError(
            "trainer.strategy=ddp: srun or torchrun has to start the processes; trainer=ddp starts "
            "them itself, on one machine"
        )
    first = _FirstStep()
    trainer.callbacks.insert(0, first)
    try:
        trainer.fit(task, **arguments)
    except InputError:
        raise
    except Exception as error:
        if checkpoint is None or first.done:
            raise
        raise InputError(
            f"{checkpoint}: training cannot go on from it ({type(error).__name__}: "
            f"{one_line(error)}): tampered with, or of another version; begin anew"
        ) from error
    if dist.is_initialized():  # the metrics of the test would wait for the other processes
        dist.destroy_process_group()


class _FirstStep(Callback):
    """Notes that a step is done: all that a checkpoint says has then been of use."""

    done = False

    def on_train_batch_end(self, *args: Any) -> None:
        """It is."""
        self.done = True


def _check_shares(data: CourseData, ranks: int) -> None:
    """Ask whether there is something for every process before as many are started."""
    StepBatches(data.batch_plan(), data.fetch, current_step=lambda: 0, ranks=ranks)
    HeldOutBatches(*data.held_out_size(VAL), data.fetch, ranks=ranks)


def _settle_batch_norm(trainer: Trainer, task: Task) -> None:
    """PyTorch has no synchronised batch normalisation for processors."""
    strategy = trainer.strategy
    if strategy.root_device.type != "cpu" or getattr(strategy, "_layer_sync", None) is None:
        return
    strategy._layer_sync = None
    if any(isinstance(module, torch.nn.modules.batchnorm._BatchNorm) for module in task.modules()):
        log.warning(
            "batch normalisation of %d processes without a GPU: each normalises by its own share "
            "of a batch, so that the weights are not those of one process",
            trainer.world_size,
        )


def restored(trainer: Trainer, checkpoints: Path) -> Trainer:
    """The trainer, which knows now, with its callbacks, what those of other processes have left."""
    found = [path for name in (LAST, BEST) if (path := checkpoints / f"{name}.ckpt").is_file()]
    if not found:  # 0 steps
        return trainer
    saved = torch.load(found[0], map_location="cpu", weights_only=True)
    trainer.fit_loop.load_state_dict(saved["loops"]["fit_loop"])
    for callback in trainer.callbacks:
        if callback.state_key in saved["callbacks"]:
            callback.load_state_dict(saved["callbacks"][callback.state_key])
    return trainer


def of_one_device(trainer: Trainer) -> dict[str, Any]:
    """Options of one that does the same on one device, and asks no cluster how many there are."""
    return {
        "callbacks": trainer.callbacks, "logger": trainer.loggers,
        "devices": 1, "num_nodes": 1, "strategy": "auto", "sync_batchnorm": False,
        "plugins": [LightningEnvironment()],
    }  # fmt: skip
