"""W&B as students meet it, read back from offline runs: a sweep, a resumed run, radiographs."""

import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb

from dlcourse.loggers import end_wandb_runs, wandb_logger
from dlcourse.media import show_images, show_results, show_sounds, show_table
from dlcourse.metrics_file import read_metrics
from dlcourse.training import train
from dlcourse.wandb_runs import RUN_ID, describe, forget_run
from dlcourse.xray.roc import compute_roc
from tests.composing import QUICK, QUICK_XRAY, composed, saved
from tests.reading_wandb import OfflineRun, read_runs

ROOT = Path(__file__).resolve().parents[1]
SECRETS = {"WANDB_API_KEY": "0123456789" * 4, "OTHER_SECRET": "correct horse battery staple"}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep over two losses in one process, with secrets about."""
    here = tmp_path_factory.mktemp("sweep")
    options = [o for o in QUICK if o != "~callbacks.songs"]
    command = [
        sys.executable, str(ROOT / "scripts" / "train.py"), "-m", *options, "logger=wandb",
        "loss=cross_entropy,focal", "optimizer=sgd", "seed=3", "callbacks.songs.songs=1",
        "callbacks.songs.bars=1", "hydra.sweep.dir=sweep",
    ]  # fmt: skip
    hidden = ("WANDB_MODE", "WANDB_BASE_URL")
    environment = {k: v for k, v in os.environ.items() if k not in hidden} | SECRETS
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return here / "sweep"


@pytest.fixture(scope="module")
def jobs(sweep: Path) -> dict[str, OfflineRun]:
    """The jobs' W&B runs by loss."""
    runs = {}
    for folder in sorted(path.parent for path in sweep.glob("*/results.json")):
        (run,) = read_runs(folder)
        runs[run.config["choice"]["loss"]] = run
    return runs


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten steps that goes on to twenty, in this process."""
    folder = tmp_path_factory.mktemp("resumed") / "run"
    options = ("logger=wandb", "scheduler=constant")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        train(saved(composed(folder, *options, "steps=10")))
        train(composed(folder, *options), checkpoint=folder / "checkpoints" / "last.ckpt")
    return folder


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OfflineRun]:
    """A small run on phantoms with its maps."""
    folder = tmp_path_factory.mktemp("xray") / "run"
    options = [o for o in QUICK_XRAY if o != "~callbacks.maps"]
    options += ["steps=10", "callbacks.evaluation.atlas=0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WANDB_MODE", raising=False)
        train(saved(composed(folder, *options, "logger=wandb", quick=False)))
    (run,) = read_runs(folder)
    return folder, run


def results_of(run: OfflineRun) -> dict:
    return json.loads((run.folder.parents[1] / "results.json").read_text())


def media(run: OfflineRun) -> list[Path]:
    return [path for path in (run.folder / "files" / "media").rglob("*") if path.is_file()]


def test_every_job_of_a_process_is_a_run_of_its_own_in_the_group_of_its_sweep(
    jobs: dict[str, OfflineRun],
) -> None:
    assert set(jobs) == {"cross_entropy", "focal"}
    assert len({run.facts["run_id"] for run in jobs.values()}) == 2
    for loss, run in jobs.items():
        assert run.facts["run_group"] == "music_composed.sweep"
        assert run.facts["job_type"] == "sweep"
        assert run.facts["display_name"] == run.folder.parents[1].name == f"loss-{loss}"
        tags = {"music_composed", "notes", f"loss={loss}", "optimizer=sgd"}
        assert set(run.facts["tags"]) == tags
        assert run.exit_code == 0


def test_columns_are_the_resolved_options_and_the_names_of_their_files(
    jobs: dict[str, OfflineRun],
) -> None:
    for run in jobs.values():
        assert run.config["choice"]["optimizer"] == "sgd"
        assert run.config["choice"]["net"] == "lstm", "also what nobody typed"
        assert run.config["seed"] == run.config["data"]["seed"] == 3, "interpolations resolved"
        assert run.config["optimizer"]["lr"] > 0
        assert "folder" not in run.config, "where a run lies is no column"


@pytest.mark.trust
def test_no_secret_of_the_environment_is_written_into_a_run_folder(sweep: Path) -> None:
    files = [path for path in sweep.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [name for name, value in SECRETS.items() if value.encode() in content], path


def test_curves_are_those_of_the_metrics_file(jobs: dict[str, OfflineRun]) -> None:
    for run in jobs.values():
        rows = read_metrics(run.folder.parents[1] / "metrics.csv")
        for key in ("train/loss", "val/nll"):
            expected = {step: row[key] for step, row in rows.items() if key in row}
            assert run.curve(key) == pytest.approx(expected)
            assert len(expected) > 3


def test_every_value_has_its_step_and_its_epoch(radiographs: tuple[Path, OfflineRun]) -> None:
    folder, run = radiographs
    with open(folder / "studies.csv", newline="") as lines:
        items = sum(row["split"] == "train" for row in csv.DictReader(lines))
    epochs = run.curve("epoch")
    assert max(epochs) == 10
    for step, epoch in epochs.items():
        assert epoch == pytest.approx(step * 4 / items), "four images a step"
    assert all({"epoch", "trainer/global_step"} <= set(row) for row in run.history)


def test_curves_are_drawn_against_steps(jobs: dict[str, OfflineRun]) -> None:
    for run in jobs.values():
        axes = {m.get("glob_name") or m["name"]: m.get("step_metric") for m in run.metrics}
        step = "trainer/global_step"
        assert axes == {step: None, "epoch": step, "*": step}


def test_the_summary_has_the_test_numbers_of_model_and_baselines(
    jobs: dict[str, OfflineRun], radiographs: tuple[Path, OfflineRun]
) -> None:
    for run in [*jobs.values(), radiographs[1]]:
        rows = results_of(run)["test"]
        assert run.summary["test/nll"] == pytest.approx(rows["model"]["nll"])
    assert run.summary["test/auroc"] == pytest.approx(rows["model"]["auroc"])
    rows = results_of(jobs["focal"])["test"]
    for metric in ("nll", "top1"):
        key = f"test/copy_the_last_frame/{metric}"
        assert jobs["focal"].summary[key] == rows["copy the last frame"][metric]


def test_songs_are_sounds_and_rolls_and_a_table_of_their_likelihood(
    jobs: dict[str, OfflineRun],
) -> None:
    for run in jobs.values():
        assert {path.suffix for path in media(run)} >= {".wav", ".png"}
        table, rows = run.table("predictions"), results_of(run)["test"]
        frames = [row["frames"] for row in table]
        for name in ("model", "bigram"):
            mean = np.average([row[f"nll {name}"] for row in table], weights=frames)
            assert mean == pytest.approx(rows[name]["nll"])


def test_maps_are_pictures_of_the_step_at_which_they_were_drawn(
    radiographs: tuple[Path, OfflineRun],
) -> None:
    folder, run = radiographs
    shown = {
        r["trainer/global_step"]: r["maps.filenames"] for r in run.history if "maps.count" in r
    }
    drawn = {int(p.stem.removeprefix("step-")): p for p in (folder / "maps").glob("*.png")}
    assert set(shown) == set(drawn) == {5, 10}
    for step, (name,) in shown.items():
        assert (run.folder / "files" / name).read_bytes() == drawn[step].read_bytes()


def test_the_predictions_rank_as_the_results_say(radiographs: tuple[Path, OfflineRun]) -> None:
    _, run = radiographs
    table = run.table("predictions")
    assert len({(row["file"], row["patient"]) for row in table}) == len(table)
    columns = ([row[name] for row in table] for name in ("label", "probability"))
    _, _, auroc = compute_roc(*map(np.array, columns))
    assert auroc == pytest.approx(results_of(run)["test"]["model"]["auroc"])


def test_the_area_below_the_drawn_curve_is_the_auroc(radiographs: tuple[Path, OfflineRun]) -> None:
    _, run = radiographs
    charts = sorted(k for k in run.config if k.startswith("_wandb.visualize.curves/"))
    (roc,) = (k.removeprefix("_wandb.visualize.") for k in charts if "roc" in k)
    assert any("precision" in key for key in charts)
    points = run.table(f"{roc}_table")
    x, y = ([row[name] for row in points] for name in ("step", "lineVal"))
    area = np.sum(np.diff(x) * (np.array(y[1:]) + y[:-1]) / 2)
    assert area == pytest.approx(results_of(run)["test"]["model"]["auroc"])


def test_the_tested_weights_are_an_artifact_that_says_how_good_they_are(
    jobs: dict[str, OfflineRun], radiographs: tuple[Path, OfflineRun]
) -> None:
    for run in [*jobs.values(), radiographs[1]]:
        model, monitored = run.model(), results_of(run)["monitored"]
        assert json.loads(model["metadata"]) == {
            "metric": monitored["metric"],
            "value": monitored["best"],
        }
        (file,) = model["manifest"]["contents"]
        best = run.folder.parents[1] / "checkpoints" / "best.ckpt"
        assert Path(file["local_path"]) == best, "referred to and not copied"
        assert base64.b64decode(file["digest"]) == hashlib.md5(best.read_bytes()).digest()


def test_everything_of_a_run_lies_in_its_folder(
    jobs: dict[str, OfflineRun], radiographs: tuple[Path, OfflineRun]
) -> None:
    for run in [*jobs.values(), radiographs[1]]:
        files = [f for a in run.artifacts for f in a["manifest"]["contents"]]
        assert len(files) >= 3, "two tables and the weights"
        for file in files:
            assert run.folder.parents[1] in Path(file["local_path"]).parents
            assert Path(file["local_path"]).is_file()


def test_a_resumed_run_goes_on_in_its_w_and_b_run(resumed: Path) -> None:
    first, second = read_runs(resumed)
    assert first.facts["run_id"] == second.facts["run_id"]
    assert json.loads((resumed / RUN_ID).read_text())["id"] == first.facts["run_id"]
    assert "resume" not in first.facts
    assert second.facts["resume"] is True, "so that the upload appends it"
    assert max(first.curve("val/nll")) == 10
    assert min(second.curve("val/nll")) == 15
    whole = first.curve("val/nll") | second.curve("val/nll")
    rows = read_metrics(resumed / "metrics.csv")
    assert whole == pytest.approx(
        {s: row["val/nll"] for s, row in rows.items() if "val/nll" in row}
    )


def test_a_run_that_begins_anew_is_another_w_and_b_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    ids = []
    for _ in range(2):
        forget_run(tmp_path)
        logger = wandb_logger(folder=str(tmp_path), project="dlcourse", mode="offline")
        logger.log_metrics({"a": 1.0}, 1)
        end_wandb_runs([logger], exit_code=1)
        ids.append(logger.version)
    (run,) = read_runs(tmp_path)
    assert [run.facts["run_id"]] == ids[1:] != ids[:1]
    assert run.facts["job_type"] == "train"
    assert run.exit_code == 1, "W&B shows that it failed"


def test_disabled_and_without_the_model_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(b"weights")
    results = {"test": {"model": {"nll": 1.0}}, "monitored": {"metric": "val/nll", "best": 1.0}}
    for name, mode, log_model in (("off", "disabled", True), ("lean", "offline", False)):
        folder = tmp_path / name
        logger = wandb_logger(folder=str(folder), project="p", mode=mode, log_model=log_model)
        show_table([logger], "predictions", [["a", 1]], columns=["file", "label"], step=1)
        show_results([logger], results, checkpoint=tmp_path / "best.ckpt")
        end_wandb_runs([logger])
    assert not [path for path in (tmp_path / "off").rglob("*") if path.is_file()]
    (run,) = read_runs(tmp_path / "lean")
    assert run.summary["test/nll"] == 1.0
    assert not [a for a in run.artifacts if a["type"] == "model"]


def test_every_logger_is_shown_what_it_can_show(tmp_path: Path) -> None:
    shown: list[tuple[Any, ...]] = []

    class Pictures:
        def log_image(self, key: str, images: list[str], *, step: int, caption: list[str]) -> None:
            shown.append((key, images, step, caption))

    loggers = [object(), Pictures()]
    show_images(loggers, "maps", [tmp_path / "a.png"], step=7)
    show_sounds(loggers, "songs", [tmp_path / "a.wav"], step=7)
    show_table(loggers, "predictions", [[1]], columns=["x"], step=7)
    assert shown == [("maps", [str(tmp_path / "a.png")], 7, ["a"])]


def test_names_and_tags_fit_in_what_w_and_b_takes(tmp_path: Path) -> None:
    folder = tmp_path / "experiment" / ("x" * 200)
    hydra = folder / ".hydra"
    hydra.mkdir(parents=True)
    long = "net=" + "y" * 100
    (hydra / "overrides.yaml").write_text(f"- {long}\n- seed=1\n- logger=wandb\n")
    choices = "{net: y, logger: wandb, experiment: music_lab, task: notes, hydra/launcher: basic}"
    (hydra / "hydra.yaml").write_text(f"hydra: {{runtime: {{choices: {choices}}}}}\n")
    described = describe(folder)
    settings = wandb.Settings(run_name=described["name"], run_tags=described["tags"])
    assert settings.run_name == "x" * 128
    assert described["tags"] == ["music_lab", "notes", long[:64]]
    assert described["group"] == "music_lab"
    assert described["config"]["choice"].keys() == {"net", "logger", "experiment", "task"}
