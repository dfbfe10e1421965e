"""Runs on varied songs: what they say of it, and going on after a kill."""

import json
import logging
from pathlib import Path

import pytest

from dlcourse.training import train
from tests.composing import composed, saved
from tests.test_training import Crash, assert_same_run, at_step


def test_a_run_says_what_was_decided_and_has_the_baselines_of_one_without(
    make_corpus, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables, root = [], make_corpus(8)
    for name in ("none", "transpose_stretch"):
        options = [f"data.root={root}", "trainer=smoke", f"augment={name}"]
        with caplog.at_level(logging.INFO):
            train(composed(tmp_path / name, *options))
        tables.append(json.loads((tmp_path / name / "results.json").read_text()))
    plain, varied = tables
    assert "augmentation" not in plain
    text = (tmp_path / "transpose_stretch" / "results.md").read_text()
    assert len(varied["augmentation"]) == 2
    for fact in varied["augmentation"]:
        assert fact in text
        assert sum(fact == record.message for record in caplog.records) == 1
    rows = {row for row in plain["test"] if plain["test"][row] != varied["test"][row]}
    by_file = {row for row in rows if plain["by_file"][row] != varied["by_file"][row]}
    assert by_file == {"model"}


def test_a_transposed_run_that_is_killed_and_resumed_is_the_whole_run(
    make_corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [f"data.root={make_corpus(8)}", "augment=transpose_always"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(saved(composed(whole, *options)))
    with monkeypatch.context() as patch:
        at_step(patch, 14, "crash")
        with pytest.raises(Crash):
            train(saved(composed(killed, *options)))
    train(composed(killed, f"resume={killed}"))
    assert_same_run(whole, killed)
