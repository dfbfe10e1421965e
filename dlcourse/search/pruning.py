"""Gives a run up early, when somebody who knows the others says that it is hopeless."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from dlcourse.errors import Pruned


class Pruning(Callback):
    """Tells the monitored value after every validation, and stops when it is answered with True.

    Args:
        monitor: The metric to tell.
        hopeless: Gets the optimizer step and the value.
    """

    def __init__(self, monitor: str, hopeless: Callable[[int, float], bool]) -> None:
        self.monitor, self.hopeless = monitor, hopeless

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Tell, and stop the run.

        Raises:
            Pruned: The answer was True.
        """
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        step, value = trainer.global_step, float(trainer.callback_metrics[self.monitor])
        if self.hopeless(step, value):
            raise Pruned(
                f"given up at step {step} of {trainer.max_steps}: {self.monitor} {value:.4f}"
            )
