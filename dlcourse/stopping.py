"""A stop in good order: what a run does when it is asked to end."""

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_only

from dlcourse.errors import InputError, Interrupted
from dlcourse.ranks import gathered, largest_over_ranks

log = logging.getLogger(__name__)


def stop_signals() -> tuple[int, ...]:
    """Those that ask a run to stop: Ctrl-C, and SIGTERM or what a cluster says before it kills."""
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return signal.SIGINT, signal.SIGTERM
    # It requeues the job at a signal of its own.
    return signal.SIGINT, getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")


class SafeStop(Checkpoint):
    """Ctrl-C and SIGTERM end the run after the step under way, with a checkpoint of that step.

    A second Ctrl-C ends it at once. (As a `Checkpoint` it comes after the other checkpoints, so
    that at a validation they have saved before it stops.) Several ranks stop at the same step,
    whichever of them was asked to.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.signals: tuple[int, ...] = ()  # other ones, where the process that started us listens
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Note who listens now: Lightning leaves its own handlers behind when a run fails.

        A cluster's preemption arrives through submitit, whose handler puts the job back into the
        queue: it is called once the checkpoint is written.
        """
        if len(folders := set(gathered(str(self.folder)))) > 1:
            raise InputError(
                f"the processes of one run have several run folders, {' and '.join(folders)}: "
                f"hydra.run.dir=runs/<name> gives them one"
            )
        self._before = {n: signal.getsignal(n) for n in self.signals or stop_signals()}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Listen, after Lightning has begun to."""
        if threading.current_thread() is threading.main_thread():  # no other one may
            for number in self._before:
                signal.signal(number, self._remember)

    def _remember(self, number: int, frame: Any) -> None:
        self.received = number
        signal.signal(number, self._before[number])
        rank_zero_only(log.warning)("stopping after this step; once more to stop at once")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop between validations; at one, let it happen first."""
        interval = trainer.val_check_interval
        if (interval and trainer.global_step % interval == 0) or not self._asked(trainer):
            return
        trainer.save_checkpoint(self.folder / "checkpoints" / "last.ckpt")
        self._stop(trainer)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop after a validation: the last checkpoint has just been saved."""
        if not trainer.sanity_checking and self._asked(trainer):
            self._stop(trainer)

    def _asked(self, trainer: Trainer) -> bool:
        """Whether a rank was asked to stop; all of them get the same answer."""
        asked = largest_over_ranks(self.received or 0, trainer.strategy.root_device)
        if asked:  # else a signal that has come meanwhile waits for the next step
            self.received = asked
        return bool(asked)

    def _stop(self, trainer: Trainer) -> None:
        assert self.received is not None
        handler = self._before[self.received]
        if self.received not in (signal.SIGINT, signal.SIGTERM) and callable(handler):
            handler(self.received, None)  # submitit's: it requeues the job and exits
        raise Interrupted(
            f"stopped at step {trainer.global_step} of {trainer.max_steps}; go on with: "
            f"python scripts/train.py resume={self.folder}",
            128 + self.received,
        )

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._restore()

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: Any) -> None:
        """Give the signals back: Lightning does not tear down what failed."""
        self._restore()

    def _restore(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)
