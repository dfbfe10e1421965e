"""The benchmark of logging times what it says: everything is logged, and the same is learned."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dlcourse.metrics_file import read_metrics
from dlcourse.music.logging_cost import LOGGED, LoggedTraining, logging_cases
from dlcourse.music.rivals import plain_loop
from dlcourse.training import build, make
from tests.composing import QUICK, composed
from tests.reading_wandb import read_runs

EPOCH = [*QUICK, "+trainer.limit_val_batches=0", "validate_every=20", "net.dropout=0"]
EPOCH += [f"~callbacks.{name}" for name in ("best", "last", "curves", "results")]


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    def made(*overrides: str) -> Any:
        config = composed(tmp_path / "run", *EPOCH, *overrides, quick=False)
        return *build(config), lambda: make(config.trainer)

    return made


def test_the_timed_training_logs_to_everything_and_learns_what_the_loop_learns(
    parts: Any, tmp_path: Path
) -> None:
    watched = LoggedTraining(parts(*LOGGED))
    trainer, task = watched.prepare()
    watched.run((trainer, task))
    steps = [3, 6, 9, 12, 15, 18, 20]
    assert list(read_metrics(tmp_path / "run" / "metrics.csv")) == steps
    drawn = watched.terminal.getvalue()
    assert "training:" in drawn
    assert "20/20" in drawn
    for logger in trainer.loggers[1:]:
        logger.experiment.finish()
    (run,) = read_runs(tmp_path / "run")
    assert list(run.curve("train/loss")) == steps
    data, fresh, _ = parts()
    plain_loop(fresh, data, steps=20, clip=trainer.gradient_clip_val)
    for name, value in fresh.state_dict().items():
        torch.testing.assert_close(task.state_dict()[name], value)


def test_every_training_has_a_run_of_its_own_and_the_last_leaves_nothing(
    parts: Any, tmp_path: Path
) -> None:
    watched = LoggedTraining(parts(*LOGGED))
    names = {watched.prepare()[0].loggers[1].experiment.id for _ in range(2)}
    assert len(names) == 2
    watched.end()
    assert not (tmp_path / "run" / "wandb").exists()


def test_the_goal_is_judged_on_what_a_watched_run_adds_to_the_loop(parts: Any) -> None:
    epoch, starting = logging_cases(parts(), parts(*LOGGED))
    goal = epoch.claims[0]
    assert (goal.top, goal.bottom, goal.at_most) == ("logged", "loop", 1.10)
    assert starting.claims[0].at_most is None
