"""Callbacks that both labs use: lean logging, one progress bar, learning curves, a safe stop."""

import logging
import math
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.callbacks.progress.progress_bar import ProgressBar
from tqdm import tqdm

from dlcourse.curves import draw_curves
from dlcourse.errors import InputError, Interrupted
from dlcourse.loggers import METRICS_FILE, read_metrics

log = logging.getLogger(__name__)


class IntervalMeans(Callback):
    """Logs the means of what `training_step` returns, every so many steps.

    `self.log` costs 0.4 ms a value and step whatever `log_every_n_steps` says; this costs one
    addition. A mean that is not finite stops the run.

    Args:
        every: Optimizer steps between two log entries.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.sums: dict[str, torch.Tensor] = {}
        self.steps = 0

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add, and log when the interval is over."""
        for name, value in outputs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()
        self.steps += 1
        if trainer.global_step % self.every == 0:
            self._log(trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Log the last, shorter interval."""
        self._log(trainer)

    def _log(self, trainer: Trainer) -> None:
        if not self.steps:
            return
        means = {f"train/{name}": float(s) / self.steps for name, s in self.sums.items()}
        first, self.sums, self.steps = trainer.global_step - self.steps + 1, {}, 0
        if not math.isfinite(means["train/loss"]):
            raise InputError(
                f"the loss is {means['train/loss']} between steps {first} and "
                f"{trainer.global_step}: try a lower learning rate; checkpoints/last.ckpt of the "
                f"run folder is from before"
            )
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        for logger in trainer.loggers:
            logger.log_metrics(means | {"train/rate": rate}, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """The interval under way, so that a resumed run logs the same means."""
        return {"sums": self.sums, "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with it."""
        self.sums, self.steps = dict(state["sums"]), state["steps"]


class StepBar(ProgressBar):
    """One bar over all optimizer steps with the last loss and monitored value beside it.

    Where nobody watches (no terminal) there is no bar; every validation is a line in the log.

    Args:
        monitor: The metric to show.
        refresh: Steps between two updates; each costs 0.3 ms.
    """

    def __init__(self, monitor: str, *, refresh: int = 20) -> None:
        super().__init__()
        self.monitor, self.refresh = monitor, refresh
        self.bar: tqdm | None = None
        self.shown: dict[str, str] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Open the bar at the step from which the run goes on."""
        self.bar = tqdm(
            total=trainer.max_steps,
            initial=trainer.global_step,
            desc="training",
            unit="step",
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar now and then."""
        if (
            self.bar is not None
            and not self.bar.disable
            and trainer.global_step % self.refresh == 0
        ):
            self.shown["loss"] = f"{float(outputs['loss']):.3f}"
            self.bar.set_postfix(self.shown, refresh=False)
            self.bar.update(trainer.global_step - self.bar.n)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Show the monitored value, or log it."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None or trainer.sanity_checking:
            return
        self.shown[self.monitor] = f"{float(value):.4f}"
        if self.bar is None or self.bar.disable:
            log.info("step %d: %s %.4f", trainer.global_step, self.monitor, float(value))

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Close the bar."""
        self._close(trainer)

    def on_exception(self, trainer: Trainer, module: LightningModule, exception: Any) -> None:
        """Close the bar, so that the error stands on a line of its own."""
        self._close(trainer)

    def _close(self, trainer: Trainer) -> None:
        if self.bar is not None:
            self.bar.update(trainer.global_step - self.bar.n)
            self.bar.close()
            self.bar = None


class LearningCurves(Callback):
    """Draws `curves.png` from `metrics.csv` at the end of training.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Draw."""
        for logger in trainer.loggers:
            logger.save()
        if (self.folder / METRICS_FILE).is_file():
            draw_curves(read_metrics(self.folder / METRICS_FILE), self.folder / "curves.png")


class SafeStop(Checkpoint):
    """Ctrl-C and SIGTERM end the run after the step under way, with a checkpoint of that step.

    A second Ctrl-C ends it at once. (As a `Checkpoint` it comes after the other checkpoints, so
    that at a validation they have saved before it stops.)

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Note who listens now: Lightning leaves its own handlers behind when a run fails."""
        self._before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Listen, after Lightning has begun to."""
        if threading.current_thread() is threading.main_thread():  # no other one may
            for number in self._before:
                signal.signal(number, self._remember)

    def _remember(self, number: int, frame: Any) -> None:
        self.received = number
        signal.signal(number, self._before[number])
        log.warning("stopping after this step; once more to stop at once")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop between validations; at one, let it happen first."""
        interval = trainer.val_check_interval
        if self.received is None or (interval and trainer.global_step % interval == 0):
            return
        trainer.save_checkpoint(self.folder / "checkpoints" / "last.ckpt")
        self._stop(trainer)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop after a validation: the last checkpoint has just been saved."""
        if self.received is not None and not trainer.sanity_checking:
            self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        assert self.received is not None
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
