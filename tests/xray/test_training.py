"""Training a detector as users meet it: the same numbers again, also after a stop; its files."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from dlcourse.callbacks import IntervalMeans
from dlcourse.errors import InputError, Interrupted
from dlcourse.metrics_file import read_metrics
from dlcourse.runs import Run
from dlcourse.splits import TEST, TRAIN
from dlcourse.training import build, make, rebuild, train
from dlcourse.xray.callbacks import panel_items, predict_split
from tests.composing import QUICK_XRAY, composed, saved

QUICK = [
    *(option for option in QUICK_XRAY if option != "~callbacks.maps"),
    "callbacks.maps.every=10",
    "~callbacks.curves",
]
LIGHT = ["augment=light", "~callbacks.maps", "callbacks.evaluation.atlas=0"]


def run(folder: Path, *overrides: str) -> Path:
    train(saved(composed(folder, *QUICK, *overrides, quick=False)))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything a run leaves."""
    return run(tmp_path_factory.mktemp("runs") / "whole")


@pytest.fixture(scope="module")
def light(whole: Path) -> Path:
    """An uninterrupted run with augmented images, and without pictures."""
    return run(whole.parent / "light", *LIGHT)


def weights(folder: Path, which: str = "best") -> dict[str, torch.Tensor]:
    path = folder / "checkpoints" / f"{which}.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as lines:
        return [*csv.DictReader(lines)]


def assert_same_run(one: Path, other: Path) -> None:
    for which in ("last", "best"):
        a, b = weights(one, which), weights(other, which)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    for name in ("results.json", "evaluation.json"):
        tables = [json.loads((folder / name).read_text()) for folder in (one, other)]
        assert tables[0] == tables[1]
    assert read_metrics(one / "metrics.csv") == read_metrics(other / "metrics.csv")
    assert (one / "predictions.csv").read_text() == (other / "predictions.csv").read_text()


def test_the_same_seed_gives_the_same_numbers_and_pictures(whole: Path) -> None:
    again = run(whole.parent / "again")
    assert_same_run(whole, again)
    for path in (whole / "maps").iterdir():
        assert path.read_bytes() == (again / "maps" / path.name).read_bytes()


def test_augmentation_and_another_seed_give_other_weights(whole: Path, light: Path) -> None:
    other = run(whole.parent / "other", *LIGHT, "seed=1")
    trained = [weights(folder)["net.head.weight"] for folder in (whole, light, other)]
    assert not torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[1], trained[2])
    assert (light / "studies.csv").read_text() == (other / "studies.csv").read_text()


def stopped_and_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, step: int, *options: str
) -> Path:
    """The same run, with Ctrl-C after a step and before anything is saved."""
    original = IntervalMeans.on_train_batch_end

    def hooked(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(IntervalMeans, "on_train_batch_end", hooked)
        with pytest.raises(Interrupted, match=f"step {step} of 20"):
            run(folder, *options)
    assert not (folder / "results.json").exists()
    train(composed(folder, *QUICK, f"resume={folder}", quick=False))
    return folder


@pytest.mark.parametrize("step", [3, 5, 12])
def test_ctrl_c_after_a_step_and_resume_is_the_whole_run(
    light: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    folder = light.parent / f"stopped-{step}"
    assert_same_run(light, stopped_and_resumed(folder, monkeypatch, step, *LIGHT))


def test_a_resumed_run_shows_the_same_images_in_its_maps(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stopped_and_resumed(whole.parent / "stopped-maps", monkeypatch, 12)
    names = sorted(path.name for path in (whole / "maps").iterdir())
    assert names == ["step-000010.png", "step-000020.png"]
    for name in names:
        assert (whole / "maps" / name).read_bytes() == (folder / "maps" / name).read_bytes()


def test_the_panel_shows_the_surest_and_the_least_sure_of_both_kinds() -> None:
    scores = {0: 0.9, 1: 0.8, 2: 0.1, 3: 0.7, 4: 0.2, 5: 0.4, 6: 0.3}
    truths = np.array([0, 1, 1, 1, 0, 0, 1])
    assert panel_items(scores, truths, images=1) == [1, 2, 0, 4]
    assert panel_items(scores, truths, images=2) == [1, 3, 6, 2, 0, 5, 4]


def test_a_run_leaves_everything(whole: Path) -> None:
    names = {path.relative_to(whole).as_posix() for path in whole.rglob("*")}
    assert names >= {
        "atlas/index.html", "config.yaml", "evaluation.json", "maps/step-000010.png",
        "maps/step-000020.png", "metrics.csv", "precision_recall.png", "predictions.csv",
        "provenance.json", "reliability.png", "results.json", "results.md", "roc.png",
        "studies.csv",
    }  # fmt: skip
    assert not [name for name in names if "partial" in name]
    for name in names:
        if name.endswith(".png"):
            with Image.open(whole / name) as picture:
                picture.verify()
    results = json.loads((whole / "results.json").read_text())
    assert [*results["test"]] == ["model", "metadata only", "constant"]
    assert (results["lab"], results["steps"]) == ("xray", 20)
    curve = [row["val/nll"] for row in read_metrics(whole / "metrics.csv").values()
             if "val/nll" in row]  # fmt: skip
    assert results["monitored"] == {"metric": "val/nll", "best": pytest.approx(min(curve))}
    page = (whole / "atlas/index.html").read_text()
    assert all(Path(row["file"]).stem in page for row in table(whole / "predictions.csv"))


def test_the_reported_numbers_are_those_of_another_library(whole: Path) -> None:
    rows = table(whole / "predictions.csv")
    truths = np.array([int(row["label"]) for row in rows])
    scores = np.array([float(row["probability"]) for row in rows])
    test = {row["file"]: row for row in table(whole / "studies.csv") if row["split"] == "test"}
    assert [row["file"] for row in rows] == [*test]
    labels = ["Pneumothorax" in test[row["file"]]["findings"].split("|") for row in rows]
    assert truths.tolist() == labels
    model = json.loads((whole / "evaluation.json").read_text())["test"]["model"]
    assert model["auroc"] == pytest.approx(roc_auc_score(truths, scores), abs=1e-12)
    assert model["average_precision"] == pytest.approx(average_precision_score(truths, scores))
    likelihood = np.where(truths == 1, scores, 1 - scores)
    assert model["nll"] == pytest.approx(-np.log(likelihood).mean())
    # The metrics of the training loop are a third way to the same.
    logged = [row for row in read_metrics(whole / "metrics.csv").values() if "test/nll" in row]
    assert logged[-1]["test/auroc"] == pytest.approx(model["auroc"], abs=1e-6)
    assert logged[-1]["test/nll"] == pytest.approx(model["nll"], rel=1e-5)


def test_outcomes_follow_the_threshold_that_validation_chose(whole: Path) -> None:
    evaluation = json.loads((whole / "evaluation.json").read_text())
    youden = next(p for p in evaluation["operating_points"] if p["rule"] == "youden")
    counts = {"TP": 0, "FP": 0, "FN": 0, "TN": 0}
    for row in table(whole / "predictions.csv"):
        assert float(row["threshold"]) == youden["threshold"]
        called = float(row["probability"]) >= youden["threshold"]
        right = called == (row["label"] == "1")
        counts[("T" if right else "F") + ("P" if called else "N")] += 1
    assert counts == {name: youden[name.lower()] for name in counts}


@pytest.mark.parametrize("which", ["best", "last"])
def test_the_mean_of_a_map_and_the_bias_are_the_logit(whole: Path, which: str) -> None:
    module = rebuild(Run(whole), checkpoint=which)
    data = make(Run(whole).config.data)
    data.setup()
    seen = predict_split(module, data, TEST)
    batch = data.fetch(TEST, np.arange(len(seen.studies)))
    with torch.no_grad():
        logits = module.net(batch["images"]).numpy()
    assert np.allclose(seen.cams.mean((-2, -1)) + seen.bias, logits, atol=1e-5)
    log_odds = seen.evidence("Pneumothorax").mean((-2, -1)) + seen.bias[1] - seen.bias[0]
    assert np.allclose(1 / (1 + np.exp(-log_odds)), seen.probabilities[:, 0], atol=1e-6)
    if which == "best":
        kept = [float(row["probability"]) for row in table(whole / "predictions.csv")]
        assert np.allclose(kept, seen.probabilities[:, 0], atol=1e-7)


def test_a_run_on_every_finding_reports_every_one(whole: Path) -> None:
    folder = run(whole.parent / "findings", "task=findings", "~callbacks.maps")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    findings = Run(folder).config.task.findings
    assert len(findings) == 14
    assert [*evaluation["findings"]["findings"]] == findings
    rows, aurocs = table(folder / "predictions.csv"), []
    for finding in findings:
        truths = [int(row[f"label {finding}"]) for row in rows]
        scores = [float(row[f"probability {finding}"]) for row in rows]
        found = evaluation["findings"]["findings"][finding]
        assert found["positives"] == sum(truths)
        if 0 < sum(truths) < len(truths):
            aurocs.append(roc_auc_score(truths, scores))
            assert found["auroc"] == pytest.approx(aurocs[-1])
        else:
            assert found["auroc"] is None
    assert len(aurocs) >= 3
    assert evaluation["findings"]["macro"]["auroc"] == pytest.approx(np.mean(aurocs))
    pneumothorax = evaluation["findings"]["findings"]["Pneumothorax"]
    assert evaluation["test"]["model"]["auroc"] == pneumothorax["auroc"]
    text = (folder / "results.md").read_text()
    assert all(f"| {finding} |" in text for finding in findings)


def test_a_run_starts_from_anothers_weights_and_outlives_its_folder(whole: Path) -> None:
    start = Path(shutil.copytree(whole, whole.parent / "start"))
    options = [f"net.weights={start}", "steps=0", "seed=1", "callbacks.evaluation.atlas=0"]
    second = run(whole.parent / "second", *options)
    ours, theirs = weights(second), weights(start)
    backbone = [name for name in theirs if name.startswith("net.")]
    assert len(backbone) > 10
    assert all(torch.equal(ours[name], theirs[name]) for name in backbone)
    shutil.rmtree(start)
    module = rebuild(Run(second), checkpoint="best")
    assert torch.equal(module.state_dict()["net.head.weight"], ours["net.head.weight"])
    with pytest.raises(InputError, match="start") as error:
        run(whole.parent / "third", *options)
    assert "\n" not in str(error.value)


def test_radiographs_for_a_predictor_of_notes_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="begin with an experiment of one of them") as error:
        train(composed(tmp_path / "run", "data=phantoms", quick=False))
    assert "\n" not in str(error.value)
    assert "'xray'" in str(error.value)
    assert "'music'" in str(error.value)
    assert not (tmp_path / "data").exists()  # nothing was drawn first


def test_songs_for_a_detector_are_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="begin with an experiment of one of them"):
        train(composed(tmp_path / "run", "experiment=xray_phantoms", "data=composed", quick=False))


def test_the_loss_may_weigh_the_classes_of_the_training_split(whole: Path) -> None:
    config = composed(whole.parent / "weighted", *QUICK, "loss=class_weighted", quick=False)
    data, task = build(config)
    counts = np.bincount(data.truths[TRAIN].ravel(), minlength=2)
    share = task.loss.weight[1] / task.loss.weight[0]
    assert counts[0] != counts[1]
    # So few images are nearly worth their number: the weights are the inverse frequencies.
    assert float(share) == pytest.approx(counts[0] / counts[1], rel=0.01)
