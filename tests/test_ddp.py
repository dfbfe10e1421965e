"""Several processes that train one network: the numbers and the files of one process."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlcourse.callbacks import IntervalMeans
from dlcourse.data import BatchPlan, HeldOutBatches, StepBatches
from dlcourse.errors import InputError, Interrupted
from dlcourse.metrics_file import read_metrics
from dlcourse.stopping import SafeStop, WholeCheckpoints
from dlcourse.task import Task
from dlcourse.training import train
from tests.composing import QUICK, QUICK_XRAY, composed, saved

ROOT = Path(__file__).resolve().parents[1]

# Shares of 3 and 2 windows, in which classes of unequal weights are scored; nothing is random.
MUSIC = [
    "data.source.songs=12", "split.val=0.25", "split.test=0.2", "data.batch_size=5",
    "net.dropout=0", "loss=class_weighted",
]  # fmt: skip
# Batch normalisation cannot go over processes without a GPU, so that the net is one without.
XRAY = [
    *(option for option in QUICK_XRAY if not option.startswith("net.")), "net=lab2018",
    "net.dropout=0", "optimizer=sgd", "optimizer.lr=0.01", "steps=10",
    "callbacks.evaluation.atlas=0",
]  # fmt: skip
FORKED = ["trainer=ddp", "trainer.strategy=ddp_fork"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A music run of one process."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    train(saved(composed(folder, *MUSIC)))
    return folder


@pytest.fixture(scope="module")
def divided(whole: Path) -> Path:
    """The same run of two processes."""
    folder = whole.parent / "divided"
    value = train(saved(composed(folder, *MUSIC, *FORKED)))
    assert value == json.loads((folder / "outcome.json").read_text())["value"]
    return folder


def weights(folder: Path, which: str) -> dict[str, torch.Tensor]:
    path = folder / "checkpoints" / f"{which}.ckpt"
    return torch.load(path, weights_only=True)["state_dict"]


def files(folder: Path) -> set[str]:
    """What a run leaves; Hydra's own and what is drawn for W&B aside."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] not in (".hydra", "train.log")}


def flat(values: Any, place: str = "") -> dict[str, Any]:
    """Everything in a JSON value by its place."""
    if not isinstance(values, (dict, list)):
        return {place: values}
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    return {k: v for key, part in pairs for k, v in flat(part, f"{place}/{key}").items()}


def assert_same_run(one: Path, other: Path, *, weight: float = 1e-5, value: float = 1e-6) -> None:
    """Files, weights, every logged value and every result."""
    assert files(one) == files(other)
    for which in ("last", "best"):
        a, b = weights(one, which), weights(other, which)
        assert a.keys() == b.keys()
        assert max(float((a[key] - b[key]).abs().max()) for key in a) <= weight
    rows, others = (flat(read_metrics(folder / "metrics.csv")) for folder in (one, other))
    assert others == pytest.approx(rows, rel=value, abs=value, nan_ok=True)
    tables = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
    for table in tables:
        table.pop("calibration", None)  # its bins part what is equal but for rounding
    tables = [flat(table) for table in tables]
    assert tables[0].keys() == tables[1].keys()
    for place, expected in tables[0].items():
        near = isinstance(expected, float)
        assert tables[1][place] == (pytest.approx(expected, abs=1e-4) if near else expected), place


def after_step(
    monkeypatch: pytest.MonkeyPatch, step: int, rank: int, action: Callable[[Any], None]
) -> None:
    """Let something happen in a forked process after an optimizer step."""
    original = IntervalMeans.on_train_batch_end

    def hooked(self: IntervalMeans, trainer: Any, module: Any, *rest: Any) -> None:
        original(self, trainer, module, *rest)
        if trainer.global_step == step and trainer.global_rank == rank:
            action(trainer)

    monkeypatch.setattr(IntervalMeans, "on_train_batch_end", hooked)


def test_shares_of_any_number_of_ranks_are_the_batch_of_one() -> None:
    plan = BatchPlan(23, 5, seed=3)
    for ranks in (1, 2, 3, 5):
        shares = [
            list(StepBatches(plan, lambda i: {"i": i}, current_step=lambda: 6, rank=r, ranks=ranks))
            for r in range(ranks)
        ]
        for step, parts in zip(range(6, 8), zip(*shares, strict=True), strict=True):
            joined = np.concatenate([part["i"] for part in parts])
            assert sorted(joined) == sorted(plan.indices(step))


@pytest.mark.parametrize(("size", "ranks"), [(7, 2), (64, 3), (129, 4), (3, 3)])
def test_every_held_out_item_is_seen_by_one_rank_once(size: int, ranks: int) -> None:
    loaders = [HeldOutBatches(size, 16, lambda i: {"i": i}, rank=r, ranks=ranks)
               for r in range(ranks)]  # fmt: skip
    parts = [batch["i"] for loader in loaders for batch in loader]
    assert sorted(np.concatenate(parts)) == list(range(size))
    assert all(len(list(loader)) == len(loader) > 0 for loader in loaders)


def test_more_devices_than_items_are_refused() -> None:
    plan = BatchPlan(9, 3, seed=0)
    with pytest.raises(InputError, match="4 devices, but a batch has 3 items"):
        StepBatches(plan, lambda i: {}, current_step=lambda: 0, ranks=4)
    with pytest.raises(InputError, match="2 devices, but a held-out split has 1 item"):
        HeldOutBatches(1, 64, lambda i: {}, ranks=2)


def test_so_they_are_before_a_process_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr("dlcourse.devices.fit_in_children", lambda *a, **k: started.append(a))
    with pytest.raises(InputError, match="99 devices, but a batch has 4 items"):
        train(composed(tmp_path / "run", "trainer=ddp", "trainer.devices=99"))
    assert not started


def test_two_processes_train_the_network_of_one(whole: Path, divided: Path) -> None:
    assert_same_run(whole, divided)


def test_so_they_do_in_the_other_lab_when_they_are_spawned(tmp_path: Path) -> None:
    for name, options in (("whole", []), ("divided", ["trainer=ddp"])):
        train(saved(composed(tmp_path / name, *XRAY, *options, quick=False)))
    assert_same_run(tmp_path / "whole", tmp_path / "divided")


def test_dropout_of_two_processes_is_the_same_every_time_but_not_on_both(
    divided: Path, tmp_path: Path
) -> None:
    options = [*MUSIC, *FORKED, "net.dropout=0.5", f"data_dir={divided.parent / 'data'}"]
    for name in ("one", "other"):
        train(saved(composed(tmp_path / name, *options)))
    one, other = (weights(tmp_path / name, "last") for name in ("one", "other"))
    assert all(torch.equal(one[key], other[key]) for key in one)

    class OfRank:
        seed, global_step = 5, 7

        def __init__(self, rank: int) -> None:
            self.global_rank = rank

    masks = []
    for rank in (0, 1):
        Task.on_train_batch_start(OfRank(rank), {}, 0)
        masks.append(torch.rand(100))
    assert not torch.equal(*masks)


@pytest.mark.parametrize(("rank", "step"), [(1, 7), (0, 10)])
def test_one_process_is_asked_to_stop_and_both_do_and_go_on_as_the_whole_run(
    divided: Path, monkeypatch: pytest.MonkeyPatch, rank: int, step: int
) -> None:
    folder = divided.parent / f"stopped-{step}"
    with monkeypatch.context() as patch:
        after_step(patch, step, rank, lambda trainer: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Interrupted, match=f"step {step} of 20.*resume={folder}") as stop:
            train(saved(composed(folder, *MUSIC, *FORKED)))
    assert stop.value.exit_code == 143
    assert not (folder / "results.json").exists()
    train(composed(folder, f"resume={folder}"))
    (folder / "provenance-resumed.json").unlink()
    assert_same_run(divided, folder, weight=0)


def test_ctrl_c_in_the_parent_reaches_both(
    divided: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt(trainer: Any) -> None:
        stop = next(c for c in trainer.callbacks if isinstance(c, SafeStop))
        os.kill(os.getppid(), signal.SIGINT)
        latest = time.monotonic() + 30
        while stop.received is None and time.monotonic() < latest:
            pass  # the parent passes it on

    after_step(monkeypatch, 3, 0, interrupt)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match="step 3 of 20") as stop:
        train(saved(composed(divided.parent / "interrupted", *MUSIC, *FORKED)))
    assert stop.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert "Traceback" not in capfd.readouterr().err


def test_what_a_process_says_of_a_mistake_is_said_in_one_line(divided: Path) -> None:
    folder = divided.parent / "nan"
    config = composed(
        folder, *MUSIC, *FORKED, "optimizer=sgd", "optimizer.lr=1e38", "scheduler=constant",
        "trainer.gradient_clip_val=null",
    )  # fmt: skip
    with pytest.raises(InputError, match=r"^the loss is (nan|inf) at step"):
        train(saved(config))
    assert json.loads((folder / "outcome.json").read_text())["state"] == "failed"


def test_a_full_disk_of_a_process_is_said_as_of_one(
    divided: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(self: WholeCheckpoints, content: Any, path: str, **options: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(WholeCheckpoints, "save_checkpoint", full)
    folder = divided.parent / "full"
    with pytest.raises(Interrupted, match=r"No space left on device: free some.* go on with:"):
        train(saved(composed(folder, *MUSIC, *FORKED)))
    assert not (folder / "outcome.json").exists()
    assert "Traceback" not in capfd.readouterr().err


def run_script(*options: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    quick = [o for o in QUICK if o not in MUSIC]
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *options, *quick, *MUSIC]
    return subprocess.Popen(
        command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | environment,
    )  # fmt: skip


def test_a_multirun_of_divided_jobs_leaves_one_folder_a_job(divided: Path, tmp_path: Path) -> None:
    data = f"data_dir={divided.parent / 'data'}"
    options = ["-m", *FORKED, data, "seed=0,1", "hydra.sweep.dir=sweep"]
    process = run_script(*options, cwd=tmp_path)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, out[-2000:] + err[-2000:]
    jobs = sorted(path.parent for path in tmp_path.glob("**/results.json"))
    assert {job.parent for job in jobs} == {tmp_path / "sweep"}
    assert len(jobs) == 2
    assert len(list(tmp_path.glob("**/.hydra"))) == 2
    assert_same_run(divided, jobs[0])
    assert read_metrics(jobs[0] / "metrics.csv") != read_metrics(jobs[1] / "metrics.csv")


def test_processes_that_a_cluster_starts_share_one_folder(divided: Path, tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    job = {
        "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2",
        "SLURM_LOCALID": "0", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "lab",
        "SLURM_NODELIST": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # fmt: skip
    options = [
        "trainer=ddp_nodes", "trainer.devices=1", "trainer.num_nodes=2", "hydra.run.dir=runs/77",
        f"data_dir={tmp_path / 'data'}",
    ]  # fmt: skip
    both = [
        run_script(*options, cwd=tmp_path, SLURM_PROCID=rank, SLURM_NODEID=rank, **job)
        for rank in ("0", "1")
    ]
    for process in both:
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, out[-2000:] + err[-2000:]
    assert [path.parent for path in tmp_path.glob("**/metrics.csv")] == [tmp_path / "runs" / "77"]
    assert_same_run(divided, tmp_path / "runs" / "77")


def test_nobody_who_starts_the_processes_is_a_clear_line(divided: Path) -> None:
    folder = divided.parent / "alone"
    with pytest.raises(InputError, match="srun or torchrun has to start the processes"):
        train(saved(composed(folder, *MUSIC, "trainer=ddp_nodes", "trainer.devices=2")))
