"""A search from end to end: trials are run folders, kills cost nothing, the best one runs again."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

import dlcourse.training
from dlcourse.cli import conf_path
from dlcourse.errors import Interrupted
from dlcourse.runs import Run
from dlcourse.sweep_folder import open_sweep
from dlcourse.tuning import gathered, study_folder
from tests.composing import QUICK
from tests.search.searching import LEAN, Killed, at_validation, die, search, trials

optuna = pytest.importorskip("optuna")
ROOT = Path(__file__).resolve().parents[2]
VARY = ["net.hidden=4,8", "optimizer=adam,sgd", "optimizer.lr=tag(log,times,interval(0.1,10))"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four trials of three options; nothing is pruned."""
    folder = tmp_path_factory.mktemp("search") / "study"
    search(folder, "search=none", *VARY, "trials=4", "pruner=null", "~callbacks.curves")
    return folder


def test_every_trial_is_a_run_folder(study: Path) -> None:
    assert len(trials(study)) == 4
    for trial in trials(study):
        run = Run(study / f"trial-{trial.number:04d}")
        assert run.state == "done"
        assert run.outcome is not None
        assert run.outcome["value"] == trial.value
        assert run.choices["experiment"] == "music_composed"
        assert run.choices["optimizer"] == trial.params["optimizer"]
        assert str(run.config.net.hidden) == trial.params["net.hidden"]
        assert run.checkpoint("best").is_file()
        with initialize_config_dir(conf_path(), version_base="1.3"):
            typed = compose("train", [*run.overrides, f"folder={run.folder}"])
            own = compose("train", [f"optimizer={trial.params['optimizer']}"])
        assert OmegaConf.to_container(typed, resolve=True) == OmegaConf.to_container(
            OmegaConf.load(run.folder / "config.yaml")
        )
        assert run.config.optimizer.lr == own.optimizer.lr * trial.params["optimizer.lr"]
    assert [job.state for job in open_sweep(study).jobs] == ["done"] * 4


def test_the_best_trial_composes_and_trains_to_the_same_value(study: Path, tmp_path: Path) -> None:
    best = min(trials(study), key=lambda t: t.value)
    run = Run(study / f"trial-{best.number:04d}")
    place = [f"folder={tmp_path / 'run'}", f"hydra.searchpath=[file://{study}]"]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("train", ["experiment=best", *place])
    there = run.config
    there.folder = config.folder
    assert OmegaConf.to_container(config, resolve=True) == OmegaConf.to_container(
        there, resolve=True
    )
    assert dlcourse.training.train(config) == best.value
    text = (study / "experiment" / "best.yaml").read_text()
    assert text.startswith(f"# @package _global_\n# Expected: val/nll {best.value:.6g}, ")


def test_the_report_says_what_was_found_and_what_it_is_worth(study: Path) -> None:
    best = min(trials(study), key=lambda t: t.value)
    results = json.loads((study / f"trial-{best.number:04d}" / "results.json").read_text())
    text = (study / "study.md").read_text()
    assert f"Best: trial {best.number}, val/nll {best.value:.6g}" in text
    assert f"on the test split nll {results['test']['model']['nll']:.4f}" in text
    assert "smallest of 4 trials on the validation split" in text
    assert "4 done, 0 pruned, 0 failed" in text
    rows = (study / "trials.csv").read_text().splitlines()
    assert len(rows) == 5
    assert rows[0] == "trial,state,value,step,seconds,net.hidden,optimizer,optimizer.lr*,error"
    assert (study / "history.png").read_bytes().startswith(b"\x89PNG")


def test_a_killed_search_ends_as_one_that_was_not(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["search=none", *VARY, "trials=4", "pruner=null", "~callbacks.curves"]
    line += [f"data_dir={study.parent / 'data'}"]
    with monkeypatch.context() as patch:
        at_validation(6, die, patch)  # the second one of trial 1
        with pytest.raises(Killed):
            search(tmp_path / "study", *line)
    with monkeypatch.context() as patch:
        patch.setattr("dlcourse.search.trial_queue.Claim.tell", lambda *_: die())
        with pytest.raises(Killed):  # trial 1 is done, but nobody knows
            search(tmp_path / "study", *line)
    search(tmp_path / "study", *line)
    for one, other in zip(trials(study), trials(tmp_path / "study"), strict=True):
        assert one.params == other.params
        assert one.value == other.value
        assert one.intermediate_values == other.intermediate_values
    resumed = sorted(tmp_path.glob("study/trial-*/provenance-resumed.json"))
    assert [path.parent.name for path in resumed] == ["trial-0001"]


def test_a_finished_search_trains_nothing_more(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> float:
        raise AssertionError("trained again")

    monkeypatch.setattr(dlcourse.training, "train", never)
    line = ["search=none", *VARY, "trials=4", "pruner=null", "~callbacks.curves"]
    assert search(study, *line) == min(t.value for t in trials(study))


def test_ctrl_c_keeps_the_trial_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["search=none", "net.hidden=4,8", "trials=1", *LEAN]
    with monkeypatch.context() as patch:
        at_validation(2, lambda: os.kill(os.getpid(), signal.SIGINT), patch)
        with pytest.raises(Interrupted, match="same command goes on") as stop:
            search(tmp_path / "study", *line)
    assert stop.value.exit_code == 130
    assert Run(tmp_path / "study" / "trial-0000").state == "stopped"
    search(tmp_path / "study", *line)
    (trial,) = trials(tmp_path / "study")
    assert list(trial.intermediate_values) == [5, 10, 15, 20]
    assert (tmp_path / "study" / "trial-0000" / "provenance-resumed.json").is_file()


def test_options_with_several_values_reach_the_search_as_they_were_typed() -> None:
    typed = ["a='x,y'", "b=1,2", "--config-dir=a,b", "c=choice('it\\'s',\"q\\\"\\\\\")", "d=3"]
    found = gathered(typed)
    assert found[:3] == ["a='x,y'", "--config-dir=a,b", "d=3"]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("tune", [found[3]])
    assert list(config.vary) == [typed[1], typed[3]]
    assert gathered(typed[2:3]) == typed[2:3]


def test_a_study_is_found_again_by_what_was_typed() -> None:
    def place(*typed: str) -> str:
        return study_folder("music_composed", "music", typed)

    assert place("trials=9") == "music_composed/tune-music"
    assert place("search=music", "experiment=music_composed", "trials=3") == place()
    assert len({place(), place("steps=5"), place("vary=[]"), place("steps=6")}) == 4


def test_two_processes_share_one_search(tmp_path: Path) -> None:
    line = ["search=none", "net.hidden=4,6,8", "net.dropout=interval(0,0.5)", "trials=4", *LEAN]
    command = [sys.executable, str(ROOT / "scripts" / "tune.py"), *QUICK[:3], *QUICK[4:], *line]
    pipes: dict[str, Any] = {"cwd": tmp_path, "stderr": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, **pipes) for _ in range(2)]
    for worker in workers:
        _, errors = worker.communicate()
        assert worker.returncode == 0, errors[-2000:]
    (folder,) = tmp_path.glob("runs/music_composed/tune-none-*")
    found = trials(folder)
    assert [t.state.name for t in found] == ["COMPLETE"] * 4
    assert len({json.dumps(t.params) for t in found}) == 4


def test_help_is_there_at_once() -> None:
    code = (
        "import sys; sys.argv = ['tune.py', '--help'];"
        "from dlcourse.tuning import main; main();"
        "assert not {'torch', 'lightning', 'matplotlib', 'optuna'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "trials" in done.stdout
