"""Where the numbers of a run go: a CSV that survives resuming, and W&B without an account."""

import csv
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.loggers.logger import Logger

from dlcourse.errors import InputError
from dlcourse.files import written_whole

METRICS_FILE = "metrics.csv"


class CurveLogger(Logger):
    """`metrics.csv`: a row for every step at which something was logged.

    A resumed run goes on in the same file: rows that the earlier process wrote beyond the step
    from which it is resumed are replaced. (Lightning's CSVLogger deletes the file.)

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.path = Path(folder) / METRICS_FILE
        self._earlier = read_metrics(self.path) if self.path.is_file() else {}
        self.rows: dict[int, dict[str, float]] = {}

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
        if self._earlier:
            self.rows = {s: row for s, row in self._earlier.items() if s < step}
            self._earlier = {}
        self.rows.setdefault(step, {}).update({k: float(v) for k, v in metrics.items()})

    @rank_zero_only
    def save(self) -> None:
        """Write the file, whole or not at all."""
        if not self.rows:
            return
        columns = sorted({key for row in self.rows.values() for key in row} - {"epoch"})
        with written_whole(self.path) as partial, open(partial, "w", newline="") as out:
            writer = csv.DictWriter(out, ["step", "epoch", *columns], restval="")
            writer.writeheader()
            writer.writerows({"step": s} | row for s, row in sorted(self.rows.items()))

    def finalize(self, status: str) -> None:
        """Write what is there, however the run ended."""
        self.save()


def read_metrics(path: str | Path) -> dict[int, dict[str, float]]:
    """The rows of a `metrics.csv` by step; empty cells are left out."""
    with open(path, newline="") as lines:
        return {
            int(row.pop("step")): {k: float(v) for k, v in row.items() if v}
            for row in csv.DictReader(lines)
        }


def wandb_logger(
    *,
    folder: str,
    project: str,
    mode: str,
    job_type: str = "train",
    tags: list[str] | None = None,
) -> WandbLogger:
    """A W&B run of its own for every job, also when a multirun's jobs share a process.

    Offline by default, which needs no account; one `wandb sync` uploads the folder later. The name
    is the run folder's, the group its parent's: names made of overrides are cut at 128 characters.

    Args:
        mode: "offline", "online" or "disabled".

    Raises:
        InputError: W&B refuses, because there is no account or no such mode.
    """
    import wandb

    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    try:
        run = wandb.init(
            project=project,
            dir=folder,
            mode=mode,
            name=path.name,
            group=path.parent.name,
            job_type=job_type,
            tags=tags,
            reinit="create_new",  # the plain logger merges all jobs of a process into one run
            settings=wandb.Settings(silent=True, console="off"),
        )
    except (wandb.Error, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"W&B does not start in mode {mode!r}: {text}; `wandb login` opens an account, "
            f"WANDB_MODE=offline needs none"
        ) from error
    logger = WandbLogger(experiment=run)
    run.define_metric("*", step_metric="trainer/global_step")
    return logger
