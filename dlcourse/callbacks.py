"""Callbacks that both labs use: lean logging, one progress bar, learning curves."""

import logging
import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks.progress.progress_bar import ProgressBar
from tqdm import tqdm

from dlcourse.curves import draw_curves
from dlcourse.divergence import all_finite, diverged
from dlcourse.metrics_file import METRICS_FILE, read_metrics
from dlcourse.progress import watched
from dlcourse.ranks import mean_over_ranks

# Run folders of before call it by this module's name.
from dlcourse.stopping import SafeStop

__all__ = ["IntervalMeans", "LearningCurves", "SafeStop", "StepBar"]

log = logging.getLogger(__name__)


class IntervalMeans(Callback):
    """Logs the means of what `training_step` returns, every so many steps.

    `self.log` costs 0.4 ms a value and step whatever `log_every_n_steps` says; this costs one
    addition. A loss that is not finite stops the run at the end of the interval, or before a
    validation, and is told by its step and batch: the losses are kept where they were computed,
    and looked at then.

    Args:
        every: Optimizer steps between two log entries.
    """

    def __init__(self, every: int) -> None:
        self.every = every
        self.sums: dict[str, torch.Tensor] = {}
        self.steps = 0
        self.losses: list[torch.Tensor] = []  # of this process's steps in the interval

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add, and log when the interval is over."""
        for name, value in outputs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()
        self.steps += 1
        self.losses.append(outputs["loss"].detach())
        if trainer.global_step % self.every == 0:
            self._log(trainer, module)

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Nothing is measured, or saved afterwards, of a network that is no more."""
        self._check(trainer, module)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Log the last, shorter interval."""
        self._log(trainer, module)

    def _log(self, trainer: Trainer, module: LightningModule) -> None:
        if not self.steps:
            return
        means = {f"train/{k}": float(s) / self.steps for k, s in self._over_ranks().items()}
        if not math.isfinite(means["train/loss"]):
            self._check(trainer, module)
        self.sums, self.steps, self.losses = {}, 0, []
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        for logger in trainer.loggers:
            logger.log_metrics(means | {"train/rate": rate}, trainer.global_step)

    def _check(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop where a loss of the interval is not finite, or a weight after its last step."""
        losses = mean_over_ranks(torch.stack(self.losses)) if self.losses else torch.zeros(0)
        bad = (~losses.isfinite()).nonzero()[:, 0].tolist()
        if not bad and all_finite(module.parameters()):
            return
        step = trainer.global_step - (len(losses) - 1 - bad[0] if bad else 0)
        what = f"the weights are not finite after step {step}, by the gradient of its batch"
        if bad:
            what = (
                f"the loss is {float(losses[bad[0]])} at step {step}, by its own batch or by the "
                f"gradient of the one before"
            )
            log.warning("batch of step %d: %s", step - 1, ", ".join(_batch(trainer, step - 1)))
        names = _batch(trainer, step)
        log.warning("batch of step %d: %s", step, ", ".join(names))
        saved = trainer.checkpoint_callback
        raise diverged(what, names, checkpoints=getattr(saved, "dirpath", None))

    def state_dict(self) -> dict[str, Any]:
        """The interval under way, so that a resumed run logs the same means.

        Lightning asks every rank, and keeps what rank zero says.
        """
        return {"sums": self._over_ranks(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with it."""
        self.sums, self.steps = dict(state["sums"]), state["steps"]

    def _over_ranks(self) -> dict[str, torch.Tensor]:
        return {name: mean_over_ranks(total) for name, total in self.sums.items()}


def _batch(trainer: Trainer, step: int) -> list[str]:
    """Names of what was learnt from in a step, counted from 1."""
    data = trainer.datamodule
    if data is None or step < 1:
        return []
    return trainer.lightning_module.item_names(data, data.batch_plan().indices(step - 1))


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

    def disable(self) -> None:
        """As Lightning asks of all ranks but zero, which alone opens the bar."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Open the bar at the step from which the run goes on."""
        self.bar = tqdm(
            total=trainer.max_steps,
            initial=trainer.global_step,
            desc="training",
            unit="step",
            disable=not watched() or not trainer.is_global_zero,
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
        if value is None or trainer.sanity_checking or not trainer.is_global_zero:
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
        if not trainer.is_global_zero:
            return
        for logger in trainer.loggers:
            logger.save()
        if (self.folder / METRICS_FILE).is_file():
            draw_curves(read_metrics(self.folder / METRICS_FILE), self.folder / "curves.png")
