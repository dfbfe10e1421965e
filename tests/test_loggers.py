"""Where the numbers go: the CSV that survives resuming, and W&B runs read back from disk."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dlcourse.errors import InputError
from dlcourse.loggers import CurveLogger, read_metrics, wandb_logger
from tests.composing import QUICK

ROOT = Path(__file__).resolve().parents[1]


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


def test_a_logger_that_logs_nothing_keeps_the_earlier_file(tmp_path: Path) -> None:
    first = CurveLogger(str(tmp_path))
    first.log_metrics({"a": 1.0}, 1)
    first.save()
    CurveLogger(str(tmp_path)).finalize("failed")
    assert read_metrics(tmp_path / "metrics.csv") == {1: {"a": 1.0}}


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


def inspect(run: Path) -> str:
    """What W&B's own reader says of an offline run."""
    wandb = shutil.which("wandb", path=str(Path(sys.executable).parent)) or "wandb"
    command = [wandb, "leet", "inspect", "--json", str(run)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_multirun_in_one_process_leaves_one_offline_run_a_job(tmp_path: Path) -> None:
    options = [o for o in QUICK if o != "~callbacks.songs" and not o.startswith(("steps", "val"))]
    command = [
        sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *options, "trainer=smoke",
        "logger=wandb", "loss=cross_entropy,focal", "optimizer=adam,sgd", "callbacks.songs.bars=1",
        "hydra.sweep.dir=sweep",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=_offline())
    assert done.returncode == 0, done.stderr[-2000:]
    runs = sorted(tmp_path.glob("sweep/*/wandb/offline-run-*/run-*.wandb"))
    assert len(runs) == 4
    assert len({run.parents[2] for run in runs}) == 4
    for run in runs:
        text = inspect(run.parent)
        assert "val/nll" in text
        assert "train/loss" in text
        media = list((run.parent / "files" / "media").rglob("*.*"))
        assert {path.suffix for path in media} >= {".wav", ".png"}
        assert json.loads((run.parents[2] / "results.json").read_text())["monitored"]["best"] > 0


def _offline() -> dict[str, str]:
    import os

    hidden = ("WANDB_API_KEY", "WANDB_MODE")
    return {k: v for k, v in os.environ.items() if k not in hidden} | {"WANDB_SILENT": "true"}
