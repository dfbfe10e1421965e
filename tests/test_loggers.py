"""Where the numbers go: the CSV files that survive resuming, and W&B that refuses."""

from pathlib import Path

import pytest

from dlcourse.errors import InputError
from dlcourse.loggers import CurveLogger, wandb_logger
from dlcourse.metrics_file import read_metrics, read_times


class Clock:
    """Tells what it is set to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def log_at(logger: CurveLogger, clock: Clock, seconds: dict[int, float]) -> None:
    """Log something at steps, `seconds` after the logger was made."""
    begun = clock.now
    for step, after in seconds.items():
        clock.now = begun + after
        logger.log_metrics({"train/loss": float(step)}, step)
    logger.save()


def test_rows_of_one_step_are_joined_and_read_back(tmp_path: Path) -> None:
    logger = CurveLogger(str(tmp_path))
    logger.log_metrics({"train/loss": 2.0, "epoch": 0}, 5)
    logger.log_metrics({"val/nll": 1.5}, 5)
    logger.log_metrics({"train/loss": 1.0}, 10)
    logger.finalize("success")
    expected = {5: {"train/loss": 2.0, "val/nll": 1.5, "epoch": 0.0}, 10: {"train/loss": 1.0}}
    assert read_metrics(tmp_path / "metrics.csv") == expected


def test_a_resumed_run_replaces_what_was_written_beyond_its_step(tmp_path: Path) -> None:
    first = CurveLogger(str(tmp_path))
    for step in (5, 10, 15):
        first.log_metrics({"train/loss": float(step)}, step)
    first.save()
    second = CurveLogger(str(tmp_path))
    second.log_metrics({"train/loss": -1.0}, 10)
    second.save()
    rows = read_metrics(tmp_path / "metrics.csv")
    assert {step: row["train/loss"] for step, row in rows.items()} == {5: 5.0, 10: -1.0}


def test_a_logger_that_logs_nothing_keeps_the_earlier_files(tmp_path: Path) -> None:
    first = CurveLogger(str(tmp_path))
    first.log_metrics({"a": 1.0}, 1)
    first.save()
    times = (tmp_path / "times.csv").read_bytes()
    CurveLogger(str(tmp_path)).finalize("failed")
    assert read_metrics(tmp_path / "metrics.csv") == {1: {"a": 1.0}}
    assert (tmp_path / "times.csv").read_bytes() == times


def test_times_count_from_the_start_and_a_step_keeps_its_first(tmp_path: Path) -> None:
    clock = Clock(1000.0)
    logger = CurveLogger(str(tmp_path), clock=clock)
    log_at(logger, clock, {5: 2.0, 10: 4.5})
    clock.now += 100.0  # the test split is scored long after the last step
    logger.log_metrics({"test/nll": 1.0}, 10)
    logger.save()
    assert read_times(tmp_path / "times.csv") == {5: 2.0, 10: 4.5}


def test_a_resumed_run_adds_its_seconds_to_those_of_the_last_row_it_keeps(tmp_path: Path) -> None:
    clock = Clock(0.0)
    log_at(CurveLogger(str(tmp_path), clock=clock), clock, {5: 2.0, 10: 4.0, 15: 6.0})
    clock.now = 5000.0  # the machine was off for a while
    log_at(CurveLogger(str(tmp_path), clock=clock), clock, {10: 3.0, 15: 5.0})
    assert read_times(tmp_path / "times.csv") == {5: 2.0, 10: 5.0, 15: 7.0}
    log_at(CurveLogger(str(tmp_path), clock=clock), clock, {20: 1.0})
    assert read_times(tmp_path / "times.csv") == {5: 2.0, 10: 5.0, 15: 7.0, 20: 8.0}


def test_the_rows_up_to_a_checkpoint_are_on_disk_when_it_is(tmp_path: Path) -> None:
    logger = CurveLogger(str(tmp_path))
    logger.log_metrics({"val/nll": 1.0}, 5)
    logger.after_save_checkpoint(None)  # and then the process is killed
    assert read_metrics(tmp_path / "metrics.csv") == {5: {"val/nll": 1.0}}


def test_w_and_b_without_an_account_or_such_a_mode_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for mode in ("online", "sometimes"):
        with pytest.raises(InputError, match="WANDB_MODE=offline needs none") as error:
            wandb_logger(folder=str(tmp_path / "run"), project="dlcourse", mode=mode)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "wandb.json").exists(), "nothing to go on with"
