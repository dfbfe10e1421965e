"""Sweeps as users run them: what is done is kept, what failed is run again, workers share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from dlcourse.errors import SweepUnfinished
from dlcourse.music.scoring.class_scores import SUMS
from dlcourse.music.scoring.measures import MODEL
from dlcourse.music.scoring.results import results_table
from dlcourse.runs import DONE, FAILED, MISSING, Run
from dlcourse.sweep_benchmark import LAUNCHERS, sweep
from dlcourse.sweep_folder import open_sweep, plan_sweep
from dlcourse.sweeps import SweepReport
from tests.composing import QUICK

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "train.py"
# A rate that no network survives.
GRID = ["-m", *QUICK, "~callbacks.curves", "loss=cross_entropy,focal", "optimizer.lr=0.01,1e38"]
GRID += ["optimizer=sgd", "scheduler=constant", "trainer.gradient_clip_val=null"]


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment,
    )  # fmt: skip


def finished(folder: Path) -> dict[str, str]:
    """When each job's run ended."""
    return {
        path.parent.name: json.loads(path.read_text())["finished"] + str(path.stat().st_mtime_ns)
        for path in folder.glob("*/outcome.json")
    }


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """A sweep of which half the jobs fail: its folder, exit status, what it said at the end."""
    folder = tmp_path_factory.mktemp("sweep")
    with start(folder, *GRID) as process:
        _, errors = process.communicate()
    (sweep,) = (folder / "runs" / "music_composed").iterdir()
    return sweep, process.returncode, errors


def test_a_failed_job_costs_the_others_nothing_and_the_exit_status_tells(
    swept: tuple[Path, int, str],
) -> None:
    folder, code, errors = swept
    states = {job.name: job.state for job in open_sweep(folder).jobs}
    assert states == {
        "loss-cross_entropy_optimizer.lr-0.01": DONE,
        "loss-cross_entropy_optimizer.lr-1e+38": FAILED,
        "loss-focal_optimizer.lr-0.01": DONE,
        "loss-focal_optimizer.lr-1e+38": FAILED,
    }
    assert code == 1
    assert "2 of 4 jobs are not done" in errors
    assert f"scripts/compare.py {folder.relative_to(folder.parents[2])} --status" in errors
    assert "Traceback" not in errors
    run = Run(folder / "loss-focal_optimizer.lr-1e+38")
    assert run.error.startswith("the loss is ")
    assert run.choices["loss"] == "focal"
    assert run.results is None
    assert (folder / "report.html").is_file()


def test_the_same_command_runs_what_is_not_done_and_two_workers_share_it(
    swept: tuple[Path, int, str],
) -> None:
    folder = swept[0]
    before = finished(folder)
    (folder / "loss-focal_optimizer.lr-0.01" / "outcome.json").unlink()  # as a kill leaves it
    (folder / "loss-focal_optimizer.lr-0.01" / "results.json").unlink()
    more = [o.replace("0.01,1e38", "0.01,0.02,0.03,0.04") for o in GRID]
    workers = [start(folder.parents[2], *more) for _ in range(2)]
    said = [worker.communicate() for worker in workers]
    after = finished(folder)
    kept = "loss-cross_entropy_optimizer.lr-0.01"
    assert after[kept] == before[kept]
    assert len(open_sweep(folder).jobs) == 10
    done = [job.name for job in open_sweep(folder).jobs if job.state == DONE]
    assert len(done) == 8, said
    trained = [sum(f"{name}: val/nll" in out for out, _ in said) for name in done if name != kept]
    assert trained == [1] * 7


def test_a_job_that_was_begun_with_another_config_is_refused(
    swept: tuple[Path, int, str],
) -> None:
    folder = swept[0]
    kept = folder / "loss-cross_entropy_optimizer.lr-0.01"
    before = finished(folder)[kept.name]
    path = kept / "config.yaml"
    failed = folder / "loss-cross_entropy_optimizer.lr-1e+38" / "config.yaml"
    for config in (path, failed):
        config.write_text(config.read_text().replace("steps: 20", "steps: 25"))
    noted = kept / ".hydra" / "config.yaml"
    as_it_was_begun = noted.read_text().replace("steps: 20", "steps: 25")
    noted.write_text(as_it_was_begun)
    with start(folder.parents[2], *GRID) as process:
        _, errors = process.communicate()
    assert process.returncode == 2
    assert f"{kept.name}: begun with steps=25, and conf/ now says 20" in errors
    assert noted.read_text() == as_it_was_begun, "its weights are of this config and no other"
    assert "steps: 20" in failed.read_text(), "what had failed was run again with what conf/ says"
    assert finished(folder)[kept.name] == before


def test_parallel_jobs_leave_what_jobs_one_by_one_leave(tmp_path: Path) -> None:
    options = [*QUICK, "~callbacks.curves", "seed=0,1", f"data_dir={tmp_path}/data"]
    numbers = []
    submitit = ("hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5")
    for name, launcher in {**LAUNCHERS, "submitit": submitit}.items():
        (tmp_path / name).mkdir()
        sweep(tmp_path / name, launcher, options)
        files = sorted((tmp_path / name).glob("runs/*/*/*/metrics.csv"))
        assert len(files) == 2
        numbers.append([path.read_text() for path in files])
    assert numbers[0] == numbers[1] == numbers[2]


def leave_fold(folder: Path, nats: float | None) -> None:
    """A run folder as a fold leaves it; without results when `nats` is None."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text("folder: x\n")
    if nats is None:
        return
    file = f"{folder.name}.mid"
    rows = {MODEL: {file: dict.fromkeys(SUMS, 0.0) | {"nll": nats, "frames": 10.0}}}
    table = results_table(rows, song_of={file: file}, unit="nats per 16th", what="all")
    (folder / "results.json").write_text(json.dumps(table))


def pool(folder: Path, swept: list[str]) -> None:
    config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}})
    with pytest.raises(SweepUnfinished, match="jobs are not done") as stop:
        SweepReport(pool=True).on_multirun_end(config)
    assert stop.value.exit_code == 1


def test_finished_folds_are_pooled_and_the_others_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = {str(i): [f"split.fold={i}"] for i in range(4)}
    plan_sweep(tmp_path, plan, swept=["split.fold"], command=[])
    for name, nats in (("0", 10.0), ("1", 30.0), ("2", None)):
        leave_fold(tmp_path / name, nats)
    pool(tmp_path, ["split.fold"])
    table = json.loads((tmp_path / "results.json").read_text())
    assert table["test"][MODEL]["nll"] == pytest.approx(40 / 20)
    assert table["test"][MODEL]["songs"] == table["pooled_runs"] == 2
    assert table["unfinished_runs"] == ["2", "3"]
    assert "not pooled, because unfinished: 2, 3" in caplog.text
    assert "2.000" in (tmp_path / "results.md").read_text()


def test_each_setting_has_its_own_pool(tmp_path: Path) -> None:
    plan = {
        f"{loss}{i}": [f"loss={loss}", f"split.fold={i}"]
        for i in (0, 1)
        for loss in ("bce", "focal")
    }
    plan_sweep(tmp_path, plan | {"x": ["loss=x", "split.fold=0"]}, swept=["loss", "split.fold"],
               command=[])  # fmt: skip
    for name, nats in (("bce0", 10.0), ("bce1", 20.0), ("focal0", 50.0), ("focal1", 70.0)):
        leave_fold(tmp_path / name, nats)
    pool(tmp_path, ["loss", "split.fold"])
    means = {
        path.parent.name: json.loads(path.read_text())["test"][MODEL]["nll"]
        for path in tmp_path.glob("pooled/*/results.json")
    }
    assert means == {"loss-bce": pytest.approx(1.5), "loss-focal": pytest.approx(6.0)}
    assert not (tmp_path / "results.json").exists()
    assert open_sweep(tmp_path).jobs[-1].state == MISSING


def test_without_a_finished_fold_there_is_no_table(tmp_path: Path) -> None:
    plan_sweep(tmp_path, {"0": ["split.fold=0"]}, swept=["split.fold"], command=[])
    leave_fold(tmp_path / "0", None)
    pool(tmp_path, ["split.fold"])
    assert not (tmp_path / "results.json").exists()
