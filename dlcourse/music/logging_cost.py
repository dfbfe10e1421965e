"""What it costs to log: the lab's LSTM with all that a watched run writes, and as a raw loop."""

import copy
import io
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from typing import Any

from dlcourse.benchmarking import Case, Claim, Contender
from dlcourse.loggers import end_wandb_runs
from dlcourse.music.datamodule import SongData
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.rivals import plain_loop
from dlcourse.wandb_runs import forget_run

# Data, task and a maker of trainers.
Parts = tuple[SongData, NotePredictor, Callable[[], Any]]
LOGGED = ["logger=wandb", "logger.wandb.mode=offline"]


class Terminal(io.StringIO):
    """Standard error of somebody who watches: bars are drawn."""

    def isatty(self) -> bool:
        """As a terminal says."""
        return True


class LoggedTraining:
    """Trainings with `metrics.csv`, W&B and a progress bar, one after the other.

    Args:
        parts: Of a run with `LOGGED`.
    """

    def __init__(self, parts: Parts) -> None:
        self.data, self.task, self.trainer = parts
        self.terminal = Terminal()
        self.last: Any = None

    def prepare(self) -> tuple[Any, NotePredictor]:
        """Start a W&B run, which takes a second whatever the length of the training."""
        self.end()
        self.last = self.trainer()
        return self.last, copy.deepcopy(self.task)

    def run(self, made: tuple[Any, NotePredictor]) -> None:
        """Train, watched."""
        trainer, fresh = made
        with redirect_stderr(self.terminal):
            trainer.fit(fresh, datamodule=self.data)

    def end(self) -> None:
        """End the W&B run and remove what it logged."""
        if self.last is not None:
            end_wandb_runs(self.last.loggers)
            forget_run(self.last.default_root_dir)
            self.last = None


def logging_cases(plain: Parts, logged: Parts) -> list[Case]:
    """An epoch as it is watched, and what W&B takes besides, however long a run is.

    Args:
        plain: Of a run with `metrics.csv` alone.
        logged: Of the same run with `LOGGED`.
    """
    watched = LoggedTraining(logged)
    starting = Contender(run=lambda _: (watched.prepare(), watched.end()))
    return [
        _epoch_case(plain, watched),
        Case(
            name="logging",
            contenders={"W&B": starting},
            claims=(Claim(text="start and end a W&B run, once", top="W&B"),),
        ),
    ]


def _epoch_case(plain: Parts, watched: LoggedTraining) -> Case:
    """Everything that a watched run logs, against a loop that logs nothing."""
    data, task, trainer = plain
    quiet = trainer()
    loop = partial(plain_loop, data=data, steps=quiet.max_steps, clip=quiet.gradient_clip_val)
    return Case(
        name=f"logging, {quiet.max_steps} x {data.batch_size} windows of {data.window}",
        contenders={
            "logged": Contender(prepare=watched.prepare, run=watched.run),
            "Trainer": Contender(
                prepare=lambda: (trainer(), copy.deepcopy(task)),
                run=lambda made: made[0].fit(made[1], datamodule=data),
            ),
            "loop": Contender(prepare=lambda: copy.deepcopy(task), run=loop),
        },
        claims=(
            Claim(text="CSV, W&B and bar / plain loop", top="logged", bottom="loop", at_most=1.10),
            Claim(text="CSV, W&B and bar / CSV alone", top="logged", bottom="Trainer"),
        ),
    )
