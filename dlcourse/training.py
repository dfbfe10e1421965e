"""Train: compose, build, fit, test, return the monitored value. The only `instantiate` calls."""

import logging
import math
import time
import traceback
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from dlcourse.errors import InputError, Pruned
from dlcourse.files import disk_refusal, write_json
from dlcourse.options import check_numbers
from dlcourse.own_code import check_own_code
from dlcourse.reproduction.old_configs import explained
from dlcourse.resuming import make_way, resumed, told_how_to_go_on, without_start
from dlcourse.run_provenance import note_origins, sign_run
from dlcourse.runs import DONE, FAILED, PRUNED, Run
from dlcourse.signals import signals_heeded

if TYPE_CHECKING:  # torch takes seconds to import: it waits until a config is composed
    from lightning.pytorch import Callback, Trainer

    from dlcourse.data import CourseData
    from dlcourse.task import Task

log = logging.getLogger(__name__)


def train(
    config: DictConfig,
    *,
    checkpoint: Path | None = None,
    callbacks: "Sequence[Callback]" = (),
) -> float:
    """Train and test what the config says, in the run folder `config.folder`.

    How it ended stands in `outcome.json`, written last of all; a run that was stopped has none.

    Args:
        checkpoint: To go on from; it has to be of this run. Without one the run begins anew.
        callbacks: Lightning's, besides those of the config.

    Returns:
        The best value of the monitored metric, for whoever sweeps.

    Raises:
        InputError: Anything about options, files or folders that the user can mend.
        Interrupted: By a signal, or by a disk that is full or closed; says how to go on.
        Pruned: A callback gave the run up.
    """
    from dlcourse.ranks import started_rank

    begun = config.resume is None
    if not begun:
        config, checkpoint = resumed(config)
    check_numbers(config)
    started = time.time()
    if started_rank(config.trainer):  # files are rank zero's
        return _fit_and_test(config, checkpoint, callbacks)
    run = Run(Path(config.folder))
    with told_how_to_go_on(run), run.claimed():
        earlier = (run.outcome or {}).get("seconds", 0.0) if checkpoint is not None else 0.0
        make_way(run, anew=checkpoint is None)
        if begun:  # else it stays whose it was
            sign_run(config)
        try:
            with signals_heeded():
                value = _fit_and_test(config, checkpoint, callbacks)
        except Exception as error:
            if disk_refusal(error) is None:
                _leave_outcome(run, error=error, seconds=earlier + time.time() - started)
            if checkpoint is not None and (told := explained(run, error)):
                raise told from error
            raise
        seconds = earlier + time.time() - started
        _leave_outcome(run, value=value, seconds=seconds)
    log.info("%s: %s %.4f, %.0f s", config.folder, config.monitor, value, seconds)
    return value


def _fit_and_test(
    config: DictConfig, checkpoint: Path | None, callbacks: "Sequence[Callback]"
) -> float:
    from lightning.pytorch.utilities.exceptions import MisconfigurationException

    from dlcourse.devices import fit
    from dlcourse.loggers import end_wandb_runs
    from dlcourse.quiet import quieten
    from dlcourse.ranks import started_rank

    quieten()
    _check_budget(config)
    data, task = build(config)
    if not started_rank(config.trainer):
        note_origins(config, data, task, resumed=checkpoint is not None)
    trainer = _trainer(config)
    trainer.callbacks.extend(callbacks)
    exit_code = 1
    try:
        fit(trainer, task, data, checkpoint=checkpoint)
        value = _finish(trainer, task, data, config)
        exit_code = 0
        return value
    except Pruned:
        exit_code = 0
        raise
    except MisconfigurationException as error:  # such as a monitor that nobody measures
        raise InputError(" ".join(str(error).split())) from error
    finally:  # also after a failure: the next job of a multirun starts a W&B run of its own
        end_wandb_runs(trainer.loggers, exit_code=exit_code)


def _trainer(config: DictConfig, **extra: Any) -> "Trainer":
    from dlcourse.stopping import WholeCheckpoints

    trainer: Trainer = make(config.trainer, **extra)
    trainer.strategy.checkpoint_io = WholeCheckpoints()
    return trainer


def _leave_outcome(
    run: Run, *, seconds: float, value: float | None = None, error: Exception | None = None
) -> None:
    """Write `outcome.json`: done with a value, pruned, or failed with the error."""
    state = DONE if error is None else PRUNED if isinstance(error, Pruned) else FAILED
    kind = "" if isinstance(error, (InputError, Pruned)) else f"{type(error).__name__}: "
    line = None if error is None else " ".join(f"{kind}{error}".split())
    outcome = {
        "state": state,
        "value": value if value is None or math.isfinite(value) else None,
        "seconds": round(seconds, 3),
        "error": line,
        "traceback": "".join(traceback.format_exception(error)) if state == FAILED else None,
        "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    write_json(run.folder / "outcome.json", outcome)


def make(config: Any, **extra: Any) -> Any:
    """Instantiate a node of a config; plain containers reach libraries, never omegaconf's."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(config, _convert_="all", **extra)
    except InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        if isinstance(error.__cause__, (TypeError, ValueError)):  # an option of the wrong kind
            raise InputError(" ".join(str(error).split())) from error
        raise


def build(config: DictConfig) -> "tuple[CourseData, Task]":
    """The data, read and split, and the task with freshly initialised weights."""
    import torch
    from lightning.pytorch import seed_everything

    check_own_code(config)
    _check_lab(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    data: CourseData = make(config.data)
    data.prepare_data()
    data.setup()
    loss = make(config.loss)
    if isinstance(loss, partial):
        loss = loss(data.class_counts())
    seed_everything(config.seed, verbose=False)
    return data, make(config.task, loss=loss)


def rebuild(run: Run, *, checkpoint: str) -> "Task":
    """The task of a run with its trained weights, to be used and not to be trained further."""
    from dlcourse.runs import load_weights

    config = without_start(run.config)
    check_own_code(config)
    task: Task = make(config.task, loss=None, optimizer=None, scheduler=None)
    load_weights(task, run.checkpoint(checkpoint))
    return task.eval()


def _check_lab(config: DictConfig) -> None:
    """Songs are nothing for a detector, nor radiographs for a predictor of notes."""
    labs = {
        key: str(config[key].get("_target_", "")).split(".")[1:2]
        for key in ("task", "data")
        if str(config[key].get("_target_", "")).startswith("dlcourse.")
    }
    if len(labs) == 2 and labs["task"] != labs["data"]:
        raise InputError(
            f"these data are of the lab {labs['data'][0]!r}, this task is of {labs['task'][0]!r}: "
            f"begin with an experiment of one of them, experiment={labs['data'][0]}_..., and "
            f"change its options"
        )


def _check_budget(config: DictConfig) -> None:
    steps, interval = config.trainer.max_steps, config.trainer.val_check_interval
    whole = type(steps) is type(interval) is int
    if not whole or steps < 0 or interval < 1 or steps % interval:
        raise InputError(
            f"steps={steps}, validate_every={interval}: steps has to be a multiple of "
            f"validate_every, so that the last step is validated too"
        )


def _finish(trainer: "Trainer", task: "Task", data: "CourseData", config: DictConfig) -> float:
    """Test the best weights; return the value for which they are the best."""
    import torch

    from dlcourse.devices import of_one_device, restored

    best = Path(config.folder) / "checkpoints" / "best.ckpt"
    if trainer.global_rank:  # what follows writes files, which are rank zero's
        return float(trainer.callback_metrics.get(config.monitor, math.nan))
    if trainer.strategy.launcher is not None:  # several processes trained: one of them tests
        trainer = restored(_trainer(config, **of_one_device(trainer)), best.parent)
    if not best.is_file():  # 0 steps: the untrained network is the best there is
        trainer.validate(task, datamodule=data, verbose=False)
        trainer.save_checkpoint(best)
        value = float(trainer.callback_metrics[config.monitor])
    else:
        score = trainer.checkpoint_callback.best_model_score
        if not isinstance(score, torch.Tensor):
            raise InputError(
                f"{best}: last.ckpt beside it does not know what it was best by: tampered with, or "
                f"of another run; begin anew"
            )
        value = float(score)
    trainer.test(task, datamodule=data, ckpt_path=str(best), weights_only=True, verbose=False)
    return value
