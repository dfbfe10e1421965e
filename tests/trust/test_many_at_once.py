"""Several at once: everything is made once, and is what one alone makes; nobody's work is mixed."""

import hashlib
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from dlcourse import sweeps, training
from dlcourse.files import write_json
from dlcourse.new_folders import new_folder
from dlcourse.runs import DONE, Run
from dlcourse.splits import Fractions
from dlcourse.sweep_folder import open_sweep, plan_sweep
from dlcourse.xray import phantom_corpus
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.sources import Phantoms
from dlcourse.xray.subset import Subset
from tests.composing import QUICK, QUICK_XRAY
from tests.reliability import Trials
from tests.trust.crowd import MOMENT, together
from tests.trust.killing import Ended, Kill, Zygote

Whole = tuple[Path, Ended]
SHORT = ["steps=5", "trainer.accelerator=cpu", "~callbacks.curves"]
SWEEPS = {
    "music": ["train.py", "-m", *QUICK[:-1], *SHORT, "seed=0,1"],
    "xray": ["train.py", "-m", *QUICK_XRAY[:-1], *SHORT, "seed=0,1", "~callbacks.evaluation"],
}


@pytest.fixture(scope="module")
def whole(processes: Zygote, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Whole]:
    """The folder in which one process has done each sweep, and how it ended."""
    made = {}
    for wing, command in SWEEPS.items():
        folder = tmp_path_factory.mktemp(wing)
        made[wing] = folder, processes.run(folder, *command)
        assert made[wing][1].status == 0, made[wing][1].errors
    return made


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """Of every file but locks, and the memory of when files were changed."""
    own = r".*\.lock|.*/fingerprints\.json"
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: hashlib.sha1(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path.is_file() and not re.fullmatch(own, name)
    }


def weights(sweep: Path) -> dict[str, bytes]:
    """The last ones of every job."""
    found = {}
    for path in sorted(sweep.glob("*/checkpoints/last.ckpt")):
        state = torch.load(path, weights_only=True)["state_dict"]
        found |= {f"{path.parts[-3]}/{k}": v.numpy().tobytes() for k, v in state.items()}
    return found


def swept(folder: Path) -> Path:
    (plan,) = (folder / "runs").glob("*/*/sweep.json")
    return plan.parent


def trained(job: str, ended: Sequence[Ended]) -> int:
    """How often some processes together have said that a job is trained."""
    return sum(len(re.findall(rf"/{job}: val/\w+ ", one.out + one.errors)) for one in ended)


@pytest.mark.parametrize("wing", SWEEPS)
def test_processes_that_start_one_sweep_on_empty_folders_share_its_work(
    wing: str, processes: Zygote, whole: dict[str, Whole], tmp_path: Path, trials: Trials
) -> None:
    count = trials(f"processes that start one {wing} sweep on empty folders", usual=3, nightly=8)
    folder, (alone, _) = tmp_path, whole[wing]
    ended = together(processes, folder, [SWEEPS[wing]] * count)
    assert [one.status for one in ended] == [0] * count, [one.errors for one in ended]
    assert hashes(folder / "data") == hashes(alone / "data")
    assert weights(swept(folder)) == weights(swept(alone))
    assert len(weights(swept(folder))) > 2
    jobs = open_sweep(swept(folder)).jobs
    assert [(job.state, trained(job.name, ended)) for job in jobs] == [(DONE, 1)] * 2
    assert not list(folder.rglob("*.partial*"))


def test_a_killed_sweep_goes_on_with_the_same_command(
    processes: Zygote, whole: dict[str, Whole], tmp_path: Path, trials: Trials
) -> None:
    """Killed just before some change of files, by SIGKILL; what was done is not done again."""
    count = trials("kills of sweeps that then go on", usual=1, nightly=20)
    folder, (alone, undisturbed) = tmp_path / "work", whole["music"]
    rng = np.random.default_rng(0)
    for event in np.sort(rng.choice(np.arange(1, undisturbed.events), count, replace=False)):
        shutil.copytree(alone / "data", fresh(folder) / "data")
        kill = Kill(signal.SIGKILL, event=int(event))
        ended = [processes.run(folder, *SWEEPS["music"], kill=kill)]
        done = {path.parent.name for path in folder.glob("runs/*/*/*/outcome.json")}
        ended.append(processes.run(folder, *SWEEPS["music"]))
        assert ended[1].status == 0, (event, ended[1].errors)
        assert weights(swept(folder)) == weights(swept(alone)), event
        assert [job.state for job in open_sweep(swept(folder)).jobs] == [DONE] * 2
        assert not [job for job in done if trained(job, ended[1:])]
        assert (swept(folder) / "report.html").is_file()
        assert not list(folder.rglob("*.partial*")), event


def test_two_runs_of_the_same_microsecond_have_a_folder_each(
    processes: Zygote, tmp_path: Path, trials: Trials
) -> None:
    count = trials("runs that start in the same microsecond", usual=2, nightly=8)
    options = [[f"steps={5 * (1 + i)}", *QUICK[:4], *SHORT[1:], *QUICK[5:-1]] for i in range(count)]
    ended = together(processes, tmp_path, [["train.py", *o] for o in options], frozen=True)
    assert [one.status for one in ended] == [0] * count, [one.errors for one in ended]
    runs = [Run(path) for path in (tmp_path / "runs/music_composed").iterdir()]
    name = f"{MOMENT:%Y-%m-%d_%H-%M-%S-%f}"
    assert {run.folder.name for run in runs} == {
        name,
        *(f"{name}-{i + 2}" for i in range(count - 1)),
    }
    assert sorted(run.config.steps for run in runs) == [5 * (1 + i) for i in range(count)]
    for run in runs:
        assert run.state == DONE
        assert f"steps={run.config.steps}" in run.overrides
        last = torch.load(run.checkpoint("last"), weights_only=True)
        assert last["global_step"] == run.config.steps
        told = (run.folder / "train.log").read_text()
        assert set(re.findall(r"runs/music_composed/(\S+?)[/:]", told)) == {run.folder.name}


def test_many_who_ask_for_the_same_new_folder_get_one_each(tmp_path: Path, trials: Trials) -> None:
    count = trials("askers for the same new folder", usual=200, nightly=2000)
    with ThreadPoolExecutor(16) as pool:
        folders = list(pool.map(lambda _: new_folder(tmp_path / "a" / "b"), range(count)))
    assert len(set(folders)) == count
    assert set(folders) == set((tmp_path / "a").iterdir())


def at_once(calls: Sequence[Callable[[], object]]) -> list[int]:
    """The exit codes of calls that run at the same time, a process each."""
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        call()

    children = [context.Process(target=run, args=(call,)) for call in calls]
    for child in children:
        child.start()
    for child in children:
        child.join(600)
    return [child.exitcode for child in children]


def radiographs(folder: Path, seed: int) -> RadiographData:
    return RadiographData(
        source=Phantoms(patients=3 + seed % 3, seed=seed, size=32), findings=["Pneumothorax"],
        size=16, split=Fractions(val=0.25, test=0.25), subset=Subset(), batch_size=2, seed=0,
        data_dir=str(folder),
    )  # fmt: skip


def killed_while_it_draws(data: RadiographData, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends in the middle, with the lock in its hand."""
    draw, drawn = phantom_corpus.draw_phantom, []

    def drawing(*arguments: object, **options: object) -> object:
        drawn.append(1)
        if len(drawn) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return draw(*arguments, **options)

    monkeypatch.setattr(phantom_corpus, "draw_phantom", drawing)
    data.prepare_data()


def test_phantoms_of_several_seeds_and_a_killed_process_share_a_data_folder(
    tmp_path: Path, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = trials("processes that draw other phantoms in one folder", usual=4, nightly=8)
    for seed in range(count):
        radiographs(tmp_path / "alone", seed).prepare_data()
    calls = [radiographs(tmp_path / "all", seed).prepare_data for seed in range(count)]
    doomed = radiographs(tmp_path / "all", 1)
    codes = at_once([*calls, lambda: killed_while_it_draws(doomed, monkeypatch), *calls])
    assert [code for code in codes if code] in ([], [-signal.SIGKILL])  # or it came too late
    killed_first = at_once(
        [lambda: killed_while_it_draws(radiographs(tmp_path / "next", 0), monkeypatch)]
    )
    assert killed_first == [-signal.SIGKILL]
    assert list((tmp_path / "next").glob(".*.partial")), "it was in the middle"
    assert at_once(
        [radiographs(tmp_path / "next", seed).prepare_data for seed in range(count)]
    ) == ([0] * count)
    radiographs(tmp_path / "all", 0).prepare_data()  # clears up after who is dead by now
    expected = hashes(tmp_path / "alone")
    assert hashes(tmp_path / "all") == hashes(tmp_path / "next") == expected
    assert len({name.partition("/")[0] for name in expected}) == count


def test_of_workers_that_begin_a_job_at_once_one_trains_it(
    tmp_path: Path, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast: who has seen that it is not done must not find it done and do it again."""
    count = trials("jobs that several workers of a sweep begin at once", usual=10, nightly=200)

    def train(config: DictConfig, *, checkpoint: Path | None) -> float:
        run = Run(Path(config.folder))
        with run.claimed(), open(run.folder / "trained", "a") as trained:
            trained.write("once\n")
            write_json(run.folder / "outcome.json", {"state": DONE, "value": 1.0})
        return 1.0

    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(sweeps, "in_sweep", lambda: True)
    monkeypatch.setattr(sweeps, "_note_config", lambda run, config: None)
    monkeypatch.setattr(sweeps, "_check_same", lambda run, config: None)
    for job in range(count):
        config = OmegaConf.create({"folder": str(tmp_path / f"{job}")})
        assert at_once([lambda config=config: sweeps.train_job(config)] * 3) == [0] * 3
        assert (tmp_path / f"{job}" / "trained").read_text() == "once\n"


def test_plans_that_are_made_at_once_are_all_kept(tmp_path: Path, trials: Trials) -> None:
    """As workers of a search make them: a job at a time."""
    count = trials("plans written to one sweep at once", usual=4 * 20, nightly=8 * 100)
    workers = 4 if count < 400 else 8

    def plan(worker: int) -> None:
        for job in range(worker, count, workers):
            plan_sweep(tmp_path, {f"job-{job}": [f"seed={job}"]}, swept=["seed"], command=[])

    assert at_once([lambda worker=w: plan(worker) for w in range(workers)]) == [0] * workers
    assert open_sweep(tmp_path).plan == {f"job-{job}": [f"seed={job}"] for job in range(count)}
