"""Training as users meet it: the same numbers again, going on after a stop, whole result files."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from dlcourse.callbacks import IntervalMeans
from dlcourse.errors import InputError, Interrupted
from dlcourse.metrics_file import read_metrics
from dlcourse.resuming import resumed
from dlcourse.training import build, train
from tests.composing import composed, saved


class Crash(Exception):
    """Stands for a kill: nothing is saved at that moment."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupts."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(saved(composed(folder)))
    return folder


def weights(folder: Path, which: str = "last") -> dict[str, torch.Tensor]:
    path = folder / "checkpoints" / f"{which}.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def assert_same_run(one: Path, other: Path) -> None:
    for which in ("last", "best"):
        a, b = weights(one, which), weights(other, which)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert read_metrics(one / "metrics.csv") == read_metrics(other / "metrics.csv")
    tables = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
    assert tables[0] == tables[1]


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, action: str) -> None:
    """Let something happen after an optimizer step, before anything is saved."""
    original = IntervalMeans.on_train_batch_end

    def hooked(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        if trainer.global_step == step:
            if action == "crash":
                raise Crash
            os.kill(os.getpid(), getattr(signal, action))

    monkeypatch.setattr(IntervalMeans, "on_train_batch_end", hooked)


def test_the_same_seed_gives_the_same_numbers(whole: Path) -> None:
    again = whole.parent / "again"
    train(saved(composed(again)))
    assert_same_run(whole, again)


def test_another_seed_gives_other_weights_but_the_same_split(whole: Path) -> None:
    other = whole.parent / "other"
    train(saved(composed(other, "seed=1")))
    a, b = weights(whole), weights(other)
    assert not torch.equal(a["net.head.weight"], b["net.head.weight"])
    assert (whole / "corpus.csv").read_text() == (other / "corpus.csv").read_text()


@pytest.mark.parametrize("step", range(1, 20))
def test_ctrl_c_after_any_step_and_resume_is_the_whole_run(
    whole: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder = whole.parent / f"stopped-{step}"
    no_picture = "~callbacks.curves"
    with monkeypatch.context() as patch:
        at_step(patch, step, "SIGINT")
        with pytest.raises(Interrupted, match=f"step {step} of 20") as stop:
            train(saved(composed(folder, no_picture)))
    assert stop.value.exit_code == 130
    assert f"resume={folder}" in str(stop.value)
    assert not (folder / "results.json").exists()
    train(composed(folder, f"resume={folder}"))
    assert_same_run(whole, folder)


@pytest.mark.parametrize("step", [6, 10, 14, 20])
def test_a_kill_and_resume_is_the_whole_run(
    whole: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder = whole.parent / f"killed-{step}"
    with monkeypatch.context() as patch:
        at_step(patch, step, "crash")
        with pytest.raises(Crash):
            train(saved(composed(folder)))
    train(composed(folder, f"resume={folder}"))
    assert_same_run(whole, folder)


def test_sigterm_says_how_to_go_on(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_step(monkeypatch, 7, "SIGTERM")
    with pytest.raises(Interrupted) as stop:
        train(saved(composed(whole.parent / "terminated")))
    assert stop.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_cluster_that_preempts_gets_the_job_back_after_its_checkpoint(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = whole.parent / "preempted"
    seen: list[int] = []

    def requeue(number: int, frame: object) -> None:  # as submitit does
        seen.append(
            torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["global_step"]
        )
        raise SystemExit(1)

    before = signal.signal(signal.SIGUSR2, requeue)
    try:
        with monkeypatch.context() as patch:
            patch.setenv("SUBMITIT_EXECUTOR", "slurm")
            at_step(patch, 7, "SIGUSR2")
            with pytest.raises(SystemExit):
                train(saved(composed(folder)))
        assert signal.getsignal(signal.SIGUSR2) is requeue
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert seen == [7]
    train(composed(folder), checkpoint=folder / "checkpoints" / "last.ckpt")
    assert_same_run(whole, folder)


def test_a_run_killed_before_its_first_checkpoint_begins_anew_and_says_so(
    whole: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = whole.parent / "early"
    with monkeypatch.context() as patch:
        at_step(patch, 3, "crash")
        with pytest.raises(Crash):
            train(saved(composed(folder)))
    leftover = folder / "checkpoints" / ".last.1@another-machine.partial.ckpt"
    leftover.parent.mkdir()
    leftover.touch()
    train(composed(folder, f"resume={folder}"))
    assert f"{folder}: stopped before its first checkpoint; it begins anew" in caplog.messages
    assert_same_run(whole, folder)
    assert not leftover.exists()


def test_a_folder_that_is_used_again_does_not_go_on_from_what_another_run_left(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(whole, whole.parent / "again with a seed"))
    with monkeypatch.context() as patch:
        at_step(patch, 2, "crash")
        with pytest.raises(Crash):
            train(saved(composed(folder, "seed=3", "log_every=4")))
    train(composed(folder, f"resume={folder}"))
    fresh = whole.parent / "seed 3"
    train(saved(composed(fresh, "seed=3", "log_every=4")))
    assert_same_run(fresh, folder)


def test_a_kill_after_the_last_step_costs_neither_curves_nor_numbers(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = whole.parent / "at the end"
    with monkeypatch.context() as patch:
        patch.setattr("dlcourse.callbacks.LearningCurves.on_train_end", crash)
        with pytest.raises(Crash):
            train(saved(composed(folder)))
    train(composed(folder, f"resume={folder}"))
    assert_same_run(whole, folder)
    assert (folder / "curves.png").read_bytes() == (whole / "curves.png").read_bytes()


def crash(*arguments: object) -> None:
    raise Crash


def test_a_run_whose_folder_was_moved_still_knows_its_best_weights(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A rate that ruins the weights after the first validation.
    ruined = ["optimizer=sgd", "optimizer.lr=300.0", "scheduler=constant"]
    stay, move = whole.parent / "stays", whole.parent / "moves"
    best = train(saved(composed(stay, *ruined)))
    with monkeypatch.context() as patch:
        at_step(patch, 12, "SIGINT")
        with pytest.raises(Interrupted):
            train(saved(composed(move, *ruined)))
    moved = move.rename(whole.parent / "moved")
    assert train(composed(moved, f"resume={moved}")) == best
    assert_same_run(stay, moved)


def test_a_damaged_checkpoint_is_one_line_that_says_what_to_do(whole: Path) -> None:
    folder = Path(shutil.copytree(whole, whole.parent / "damaged"))
    path = folder / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(
        InputError, match=r"last\.ckpt: .*damaged.*remove it to begin anew"
    ) as error:
        train(composed(folder, f"resume={folder}", "steps=25"))
    assert "\n" not in str(error.value)


def test_first_weights_are_read_again_only_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    options = ["experiment=xray_phantoms", "net.weights=there.ckpt", "data_dir=data"]
    saved(composed(folder, *options, quick=False))
    again = composed(folder, f"resume={folder}")
    config, checkpoint = resumed(again)
    assert (config.net.weights, checkpoint) == ("there.ckpt", None)
    last = folder / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
    config, checkpoint = resumed(again)
    assert (config.net.weights, checkpoint) == (None, last)


def test_zero_steps_leave_the_first_weights(whole: Path) -> None:
    folder = whole.parent / "untrained"
    config = composed(folder, "steps=0")
    value = train(saved(config))
    expected = build(config)[1].state_dict()
    found = weights(folder, "best")
    assert all(torch.equal(expected[key], found[key]) for key in expected)
    results = json.loads((folder / "results.json").read_text())
    assert value == pytest.approx(results["test"]["model"]["nll"], abs=0.5)


def test_the_value_returned_is_the_best_monitored_one(whole: Path) -> None:
    folder = whole.parent / "worse"
    # A rate that ruins the weights after the first validation.
    config = composed(folder, "optimizer=sgd", "optimizer.lr=300.0", "scheduler=constant")
    value = train(saved(config))
    curve = [row["val/nll"] for row in read_metrics(folder / "metrics.csv").values()
             if "val/nll" in row]  # fmt: skip
    assert value == pytest.approx(min(curve), rel=1e-6)
    assert curve[-1] > min(curve)


def test_a_loss_that_is_not_finite_stops_the_run(whole: Path) -> None:
    config = composed(
        whole.parent / "nan", "optimizer=sgd", "optimizer.lr=1e38", "scheduler=constant",
        "trainer.gradient_clip_val=null",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"the loss is (nan|inf) at step"):
        train(saved(config))
    assert not (Path(config.folder) / "results.json").exists()


@pytest.mark.parametrize(
    ("budget", "told"),
    [
        (("steps=7", "validate_every=5"), "multiple of validate_every"),
        (("steps=-5",), "steps=-5: a whole number is needed, from 0"),
    ],
)
def test_an_impossible_budget_is_refused(
    tmp_path: Path, budget: tuple[str, ...], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        train(composed(tmp_path / "run", *budget))


def test_the_run_folder_tells_where_it_comes_from(whole: Path) -> None:
    provenance = json.loads((whole / "provenance.json").read_text())
    assert provenance["versions"]["torch"] == torch.__version__.split("+")[0]
    assert "${" not in (whole / "config.yaml").read_text()
    names = {path.name for path in whole.iterdir()}
    assert names >= {"corpus.csv", "curves.png", "metrics.csv", "results.md", "checkpoints"}
    assert not [path for path in whole.rglob("*") if "partial" in path.name]
