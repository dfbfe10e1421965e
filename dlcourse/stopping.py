"""A stop in good order: what a run does when it is asked to end, and what a kill leaves of it."""

import io
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_only

from dlcourse.errors import InputError, Interrupted
from dlcourse.files import written_whole
from dlcourse.loggers import CurveLogger
from dlcourse.moved_runs import at_home
from dlcourse.ranks import gathered, largest_over_ranks
from dlcourse.trust.checkpoints import check_resumable, read_archive

log = logging.getLogger(__name__)


def stop_signals() -> tuple[int, ...]:
    """Those that ask a run to stop: Ctrl-C, and SIGTERM or what a cluster says before it kills."""
    if "SUBMITIT_EXECUTOR" not in os.environ:
        return signal.SIGINT, signal.SIGTERM
    # It requeues the job at a signal of its own.
    return signal.SIGINT, getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that are replaced in one step, so that a kill or a full disk leaves the last one.

    Lightning's are written to $TMPDIR and then moved: from another file system that is a copy over
    the earlier checkpoint, which is lost when the copy is not finished.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write, whole or not at all."""
        content = io.BytesIO()  # torch hides which error it met when it writes the file itself
        torch.save(checkpoint, content)
        with written_whole(path) as partial:
            partial.write_bytes(content.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read; nothing is unpickled. What callbacks know of files is told of where they lie now:
        Lightning forgets which was the best checkpoint once a run folder was moved.

        Raises:
            InputError: Damaged, or not one that training can go on from.
        """
        try:
            content = read_archive(path)
        except InputError as error:
            raise InputError(f"{error}; remove it to begin anew") from error
        if "state_dict" not in content:  # weights, on their way from one process to another
            return content
        check_resumable(content, path)
        return at_home(content, path)


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
        self._ended = False

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
            f"stopped at step {trainer.global_step} of {trainer.max_steps}", 128 + self.received
        )

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Note that it was called."""
        self._ended = True

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """End training where a kill came between the last step and this: Lightning, which finds no
        step left to do, would leave out what callbacks do at the end, as drawing the curves.
        """
        if self._ended:
            return
        for logger in trainer.loggers:
            if isinstance(logger, CurveLogger):
                logger.take_up()  # nothing is logged again
        for callback in trainer.callbacks:
            callback.on_train_end(trainer, module)

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
