"""A cross-validation's runs as one table."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dlcourse.music.results import MODEL, SUMS, results_table
from dlcourse.sweeps import PoolFolds


def leave_run(folder: Path, nats: float | None) -> None:
    """A run folder as a fold leaves it; without results when `nats` is None."""
    (folder / ".hydra").mkdir(parents=True)
    if nats is None:
        return
    file = f"{folder.name}.mid"
    rows = {MODEL: {file: dict.fromkeys(SUMS, 0.0) | {"nll": nats, "frames": 10.0}}}
    table = results_table(rows, song_of={file: file}, unit="nats per 16th", what="all")
    (folder / "results.json").write_text(json.dumps(table))


def pool(folder: Path) -> None:
    PoolFolds().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}}))


def test_finished_folds_are_pooled_and_the_others_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, nats in (("0", 10.0), ("1", 30.0), ("2", None)):
        leave_run(tmp_path / name, nats)
    pool(tmp_path)
    table = json.loads((tmp_path / "results.json").read_text())
    assert table["test"][MODEL]["nll"] == pytest.approx(40 / 20)
    assert table["test"][MODEL]["songs"] == table["pooled_runs"] == 2
    assert table["unfinished_runs"] == ["2"]
    assert "not pooled, because unfinished: 2" in caplog.text
    assert "2.000" in (tmp_path / "results.md").read_text()


def test_without_a_finished_fold_there_is_no_table(tmp_path: Path) -> None:
    leave_run(tmp_path / "0", None)
    pool(tmp_path)
    assert not (tmp_path / "results.json").exists()
