"""Where the numbers of a run go: a CSV that survives resuming, and W&B without an account."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import Logger

from dlcourse.metrics_file import (
    METRICS_FILE,
    TIMES_FILE,
    read_metrics,
    read_times,
    write_metrics,
    write_times,
)
from dlcourse.wandb_runs import start_run

GLOBAL_STEP, EPOCH = "trainer/global_step", "epoch"


class CurveLogger(Logger):
    """`metrics.csv` and `times.csv`: a row for every step at which something was logged.

    A resumed run goes on in the same files: rows that the earlier process wrote beyond the step
    from which it is resumed are replaced, and its seconds are added to those of the last row that
    is kept. (Lightning's CSVLogger deletes the file.)

    Args:
        folder: The run folder.
        clock: Seconds, from anywhere.
    """

    def __init__(self, folder: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.path, self.times_path = Path(folder) / METRICS_FILE, Path(folder) / TIMES_FILE
        self._earlier = read_metrics(self.path) if self.path.is_file() else {}
        self._earlier_times = read_times(self.times_path) if self.times_path.is_file() else {}
        self.rows: dict[int, dict[str, float]] = {}
        self.times: dict[int, float] = {}
        self._clock, self._begun = clock, clock()

    @property
    def name(self) -> str:
        """As Lightning asks."""
        return "csv"

    @property
    def version(self) -> int:
        """As Lightning asks."""
        return 0

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run folder has the config."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        """Add values to a step's row."""
        step = step or 0
        if not self.rows:
            self._keep_earlier(step)
        self.rows.setdefault(step, {}).update({k: float(v) for k, v in metrics.items()})
        self.times.setdefault(step, self._clock() - self._begun)

    def _keep_earlier(self, step: int) -> None:
        """The rows before the first step of this process, whose clock goes on where they end."""
        self.rows = {s: row for s, row in self._earlier.items() if s < step}
        self.times = {s: t for s, t in self._earlier_times.items() if s < step}
        self._begun -= max(self.times.values(), default=0.0)

    def take_up(self) -> None:
        """Go on with the files as they are now: other processes have trained and written them."""
        if self.path.is_file():
            self.rows, self.times = read_metrics(self.path), read_times(self.times_path)

    @rank_zero_only
    def save(self) -> None:
        """Write the files, each whole or not at all."""
        if self.rows:
            write_metrics(self.path, self.rows)
            write_times(self.times_path, self.times)

    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Write: whoever goes on from this checkpoint after a kill has the rows up to it."""
        self.save()

    def finalize(self, status: str) -> None:
        """Write what is there, however the run ended."""
        self.save()


class WandbCurves(WandbLogger):
    """Lightning's W&B logger, with the epoch beside every value: curves against steps or epochs.

    Args:
        experiment: A W&B run that was started; None on all processes but the first.
        log_model: Whether `keep_model` of `wandb_media` keeps the best weights as an artifact.
            (Lightning's own option of this name is refused offline.)
    """

    def __init__(self, *, experiment: Any, log_model: bool) -> None:
        super().__init__(experiment=experiment)
        self.keeps_model = log_model
        self._epochs_per_step: float | None = None

    def log_graph(self, model: LightningModule, input_array: Any = None) -> None:
        """Note how many epochs a step is; Lightning calls this when the data are there."""
        plan = model.trainer.datamodule.batch_plan()
        self._epochs_per_step = plan.batch_size / plan.size

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log values, and to which step and epoch they belong."""
        if step is not None and self._epochs_per_step is not None:
            metrics = {**metrics, EPOCH: step * self._epochs_per_step}
        super().log_metrics(metrics, step)


def wandb_logger(
    *,
    folder: str,
    project: str,
    mode: str,
    log_model: bool = True,
    job_type: str | None = None,
    tags: Sequence[str] = (),
) -> WandbCurves:
    """A W&B run of its own for every job, also when a multirun's jobs share a process.

    Offline by default, which needs no account; one `wandb sync` uploads the folder later.

    Args:
        folder: The run folder; it knows the run's name, group, tags and config.
        mode: "offline", "online" or "disabled".
        log_model: Keep the best weights as an artifact.
        job_type: By default "sweep" or "train".
        tags: More of them.

    Raises:
        InputError: W&B refuses, because there is no account or no such mode.
    """
    if rank_zero_only.rank:
        return WandbCurves(experiment=None, log_model=log_model)
    run = start_run(folder, project=project, mode=mode, job_type=job_type, tags=tags)
    run.define_metric(GLOBAL_STEP)
    run.define_metric(EPOCH, step_metric=GLOBAL_STEP)
    run.define_metric("*", step_metric=GLOBAL_STEP)
    return WandbCurves(experiment=run, log_model=log_model)


def wandb_loggers(loggers: Iterable[Any]) -> list[WandbCurves]:
    """Those of a trainer's loggers that are W&B's; none on all processes but the first."""
    found = [logger for logger in loggers if isinstance(logger, WandbCurves)]
    return [] if rank_zero_only.rank else found


def end_wandb_runs(loggers: Iterable[Any], *, exit_code: int = 0) -> None:
    """End every W&B run, so that the next job of a multirun can start its own.

    Args:
        exit_code: Not 0 where the run failed, which W&B then shows.
    """
    for logger in wandb_loggers(loggers):
        logger.experiment.finish(exit_code=exit_code)
