"""Trials that go wrong, and searches that cannot go right."""

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

import dlcourse.training
from dlcourse.cli import conf_path
from dlcourse.errors import InputError, SweepUnfinished
from dlcourse.runs import Run
from dlcourse.search.space import read_space
from dlcourse.search.trial_config import check_space
from tests.search.searching import LEAN, search, trials

pytest.importorskip("optuna")


def test_hopeless_trials_are_pruned_and_failed_ones_noted(tmp_path: Path) -> None:
    line = ["search=none", "optimizer=sgd", "optimizer.lr=tag(log,interval(1e-3,1))"]
    line += ["net.dropout=0.1,2.0", "net.hidden=4", "trials=5", "study.seed=3"]
    line += ["pruner.trials=1", "pruner.steps=10", *LEAN[:2]]
    search(tmp_path / "study", *line)
    found = trials(tmp_path / "study")
    assert {t.state.name for t in found} == {"COMPLETE", "PRUNED", "FAIL"}
    wrong = {t.state.name for t in found if t.params["net.dropout"] == "2.0"}
    assert wrong == {"FAIL"}
    assert sum(t.state.name in ("COMPLETE", "PRUNED") for t in found) == 5
    for trial in found:
        run = Run(tmp_path / "study" / f"trial-{trial.number:04d}")
        words = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}
        assert run.state == words[trial.state.name]
        if trial.state.name == "PRUNED":
            assert trial.last_step in (10, 15, 20)
            assert trial.value == trial.intermediate_values[trial.last_step]
    text = (tmp_path / "study" / "study.md").read_text()
    assert "probability" in text.partition("## Failed")[2]


def test_what_fails_alike_from_the_start_ends_the_search_with_its_error(tmp_path: Path) -> None:
    line = ["search=none", "net.hidden=4,8,16", "steps=21", *LEAN]
    with pytest.raises(InputError, match=r"first 3 trials failed alike: .*multiple of"):
        search(tmp_path / "study", *line)
    assert len(trials(tmp_path / "study")) == 3
    mended = ["search=none", "net.hidden=4,8,16", "trials=1", *LEAN]
    search(tmp_path / "study", *mended)  # as if the cause was elsewhere, a folder of data
    assert trials(tmp_path / "study")[3].state.name == "COMPLETE"


def test_options_that_do_not_go_together_fail_one_trial(tmp_path: Path) -> None:
    line = ["search=none", "optimizer=adam,momentum", "optimizer.momentum=0.5,0.9"]
    search(tmp_path / "study", *line, "trials=2", *LEAN)
    found = trials(tmp_path / "study")
    failed = [t for t in found if t.state.name == "FAIL"]
    assert {t.params["optimizer"] for t in found if t not in failed} == {"momentum"}
    assert all("optimizer.momentum" in t.user_attrs["error"] for t in failed)


def test_a_search_that_only_fails_has_an_end(tmp_path: Path) -> None:
    lines = iter(["one", "another", "a third"])
    with pytest.MonkeyPatch.context() as patch:

        def broken(*_: Any, **__: Any) -> float:
            raise RuntimeError(next(lines))

        patch.setattr(dlcourse.training, "train", broken)
        with pytest.raises(SweepUnfinished, match=r"3 trials failed, the last one .*a third"):
            search(tmp_path / "study", "search=none", "net.hidden=4,8", "trials=3", *LEAN)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["net.hiden=4,8"], "net.hiden=4: Could not override 'net.hiden'"),
        (["optimizer=adam,addam"], "addam"),
        (["resume=runs/x"], "the command that began it"),
        (["trainer=ddp"], "every trial has one device"),
    ],
)
def test_a_wrong_key_is_told_before_anything_is_trained(
    tmp_path: Path, line: list[str], said: str
) -> None:
    with pytest.raises(InputError) as error:
        search(tmp_path / "study", "search=none", "net.hidden=4,8", *line)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "study" / "journal.log").exists()


@pytest.mark.parametrize(("experiment", "name"), [("music", "music"), ("xray", "xray")])
def test_every_shipped_space_composes(experiment: str, name: str) -> None:
    base = [f"experiment={experiment}_{'composed' if name == 'music' else 'phantoms'}"]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("tune", [*base, f"search={name}"])
        check_space(base, read_space(config.search.params), name=name)
