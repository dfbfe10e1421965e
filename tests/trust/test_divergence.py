"""A loss, gradient or weight that is no number stops the run, is named, and spoils nothing."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor

from dlcourse.callbacks import IntervalMeans
from dlcourse.errors import InputError
from dlcourse.music.melody import Melody
from dlcourse.splits import TRAIN
from dlcourse.task import Task
from dlcourse.training import build, train
from tests.composing import QUICK, QUICK_XRAY, composed, saved
from tests.reliability import Trials

MUSIC = [*QUICK, "experiment=music_composed"]
XRAY = [*QUICK_XRAY, "data.source.patients=12"]
STEPS, VALIDATED = 20, 5  # of the quick runs


class SpoiltGradient(Callback):
    """One value of the gradient of a step, counted from 1, is no number."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_optimizer_step(self, trainer, module, optimizer) -> None:
        if trainer.global_step == self.step - 1:
            next(module.parameters()).grad.view(-1)[0] = torch.nan


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs and the data that they share lie."""
    return tmp_path_factory.mktemp("runs")


def spoil_loss(patch: pytest.MonkeyPatch, step: int, value: float) -> None:
    original = Task._loss

    def loss(self: Task, scored: dict[str, Tensor]) -> Tensor:
        spoilt = self.training and self.global_step == step - 1
        return original(self, scored) * (value if spoilt else 1)

    patch.setattr(Task, "_loss", loss)


def spoilt_runs(count: int) -> Iterator[tuple[str, int, list[str]]]:
    """What goes wrong, at which step, in a run of which wing."""
    rng = np.random.default_rng(0)
    for number in range(count):
        kind = ("loss nan", "loss inf", "gradient")[number % 3]
        wing = XRAY if number % 4 == 1 else MUSIC
        yield kind, int(rng.integers(1, STEPS + 1)), wing


def named(config, step: int) -> str:
    """The first item of a step's batch, read from the batch itself."""
    data, _ = build(config)
    item = data.batch_plan().indices(step - 1)[:1]
    batch = data.fetch(TRAIN, item)
    if "song" in batch:
        return data.songs(TRAIN)[int(batch["song"][0])].file
    return data.studies(TRAIN)[int(batch["item"][0])].file


def test_a_run_whose_numbers_end_says_where_and_keeps_the_checkpoint_of_before(
    base: Path, trials: Trials, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    count = trials("runs whose loss or gradient is spoilt at some step", usual=3, nightly=60)
    for number, (kind, step, wing) in enumerate(spoilt_runs(count)):
        config = composed(base / f"{number}", *wing, quick=False)
        caplog.clear()
        with monkeypatch.context() as patch:
            if kind != "gradient":
                spoil_loss(patch, step, float(kind.split()[1]))
            with pytest.raises(InputError) as caught:
                train(saved(config), callbacks=[SpoiltGradient(step)] * (kind == "gradient"))
        message = str(caught.value)
        shown = step + 1 if kind == "gradient" and step % VALIDATED else step
        what = "after step" if kind == "gradient" and step % VALIDATED == 0 else "at step"
        assert f" {what} {shown}" in message
        assert named(config, shown) in message
        assert f"batch of step {step}: " in caplog.text
        assert_left_in_order(Path(config.folder), message, before=(step - 1) // VALIDATED)


def assert_left_in_order(folder: Path, message: str, *, before: int) -> None:
    """No file of weights that are no numbers; the last good one is named with its step."""
    outcome = json.loads((folder / "outcome.json").read_text())
    assert (outcome["state"], outcome["error"]) == ("failed", message)
    assert "\n" not in message
    assert not (folder / "results.json").exists()
    found = {path.stem: path for path in (folder / "checkpoints").glob("*.ckpt")}
    assert set(found) == ({"last", "best"} if before else set())
    for path in found.values():
        content = torch.load(path, weights_only=True)
        assert all(value.isfinite().all() for value in content["state_dict"].values())
    if before:
        assert torch.load(found["last"], weights_only=True)["global_step"] == before * VALIDATED
        assert f"{found['last']}, of step {before * VALIDATED}, is from before" in message
    else:
        assert "no checkpoint is from before" in message


def test_a_stop_in_the_interval_of_the_bad_step_does_not_overwrite_the_good_checkpoint(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM asks for a checkpoint at once: that of step 7 would be without numbers."""
    config = composed(base / "stopped", *MUSIC, quick=False)
    original = IntervalMeans.on_train_batch_end

    def hooked(self, trainer, module, *rest) -> None:
        original(self, trainer, module, *rest)
        if trainer.global_step == 7:
            trainer.save_checkpoint(Path(config.folder) / "checkpoints" / "last.ckpt")

    monkeypatch.setattr(IntervalMeans, "on_train_batch_end", hooked)
    with pytest.raises(InputError, match="weights are not finite after step 7, and are not saved"):
        train(saved(config), callbacks=[SpoiltGradient(7)])
    last = torch.load(Path(config.folder) / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == 5
    assert all(value.isfinite().all() for value in last["state_dict"].values())


def test_a_loss_beyond_every_probability_is_told_as_it_is(base: Path) -> None:
    """Weights that have blown up but are numbers: certain and wrong, by thousands of nats."""
    options = ["optimizer=sgd", "optimizer.lr=3e4", "scheduler=constant", "steps=5"]
    config = composed(base / "huge", *MUSIC, *options, quick=False)
    train(saved(config))
    results = json.loads((Path(config.folder) / "results.json").read_text())
    row = results["test"]["model"]
    assert row["nll"] > 745
    assert row["perplexity"] is None  # exp(745) is no double
    outcome = json.loads((Path(config.folder) / "outcome.json").read_text())
    assert outcome["state"] == "done"
    assert outcome["value"] > 745


def test_a_monitored_value_that_is_undefined_stops_the_run_for_none_would_be_the_best(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing changes in the validation songs; Lightning would keep the first checkpoint."""
    config = composed(base / "monitor", *MUSIC, "monitor=val/change", quick=False)
    monkeypatch.setattr(Melody, "changes", lambda self, _, targets: targets < 0)
    with pytest.raises(InputError, match="monitor=val/change: not defined on this validation"):
        train(saved(config))


def test_probabilities_that_are_no_numbers_stop_a_validation(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With finite weights: an overflow in evaluation mode alone."""
    config = composed(base / "validation", *MUSIC, quick=False)
    original = Task._evaluate

    def overflowing(self: Task, batch, metrics):
        with monkeypatch.context() as patch:
            score = self.score
            patch.setattr(
                self, "score", lambda b: (s := score(b)) | {"logits": s["logits"] * torch.nan}
            )
            return original(self, batch, metrics)

    monkeypatch.setattr(Task, "_evaluate", overflowing)
    with pytest.raises(InputError, match="val/nll is not a number after step 5"):
        train(saved(config))
    assert not list((Path(config.folder) / "checkpoints").glob("*.ckpt"))
