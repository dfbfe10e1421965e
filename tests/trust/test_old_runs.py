"""Run folders of earlier versions: they open, are compared, used and gone on with, or say why not.

tests/old_runs/<date>-<lab>-<what was new>/, made by the revision in their provenance.json:

    music-first     no metrics in the config, learning rates by a schedule of torch's
    music-metrics   metrics are a group, of the music lab's own module
    xray-first      the other lab; no outcome.json
    music-outcome   outcome.json; stopping has a module of its own
    music-hashes    hashes of the code and of every file in the ledger
    xray-hashes     the same of the other lab
    music-heads     the head is a group
"""

import shutil
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path
from dlcourse.comparison.comparing import write_report
from dlcourse.errors import InputError
from dlcourse.explaining import explain
from dlcourse.generating import generate
from dlcourse.moved_runs import at_home
from dlcourse.reproducing import reproduce
from dlcourse.runs import DONE, open_run
from dlcourse.training import rebuild, train
from tests.composing import composed, saved
from tests.reliability import Trials

FOLDERS = sorted((Path(__file__).resolve().parents[1] / "old_runs").iterdir())
FIRST = next(folder for folder in FOLDERS if folder.name.endswith("music-first"))
OTHERS = [folder for folder in FOLDERS if folder != FIRST]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs and their data lie for a test: a project folder of somebody else's."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(folder: Path, place: Path, *, steps: int | None = None) -> Path:
    """A copy to work with, stopped before it had so many steps."""
    run = Path(shutil.copytree(folder, place / "runs" / folder.name))
    if steps is not None:
        for name in ("outcome.json", "results.json"):
            (run / name).unlink(missing_ok=True)
        config = run / ".hydra" / "config.yaml"
        lines = config.read_text(encoding="utf-8").splitlines()
        lines = [f"steps: {steps}" if line.startswith("steps: ") else line for line in lines]
        config.write_text("\n".join(lines), encoding="utf-8")
    return run


def option(script: str, *words: str) -> object:
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return compose(script, list(words))


def test_all_of_them_are_done_and_stand_side_by_side(place: Path, trials: Trials) -> None:
    trials("run folders of earlier versions, opened and used", usual=7, nightly=7)
    assert len(FOLDERS) == 7
    runs = [copied(folder, place) for folder in FOLDERS]
    assert [open_run(run).state for run in runs] == [DONE] * 7
    comparison = write_report(runs, output=place / "report")
    records = comparison[0].records
    assert {record.error for record in records} == {None}
    assert {record.state for record in records} == {DONE}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_network_comes_back_with_its_weights(folder: Path, place: Path) -> None:
    run = open_run(copied(folder, place))
    made = rebuild(run, checkpoint="best").state_dict()
    kept = torch.load(run.checkpoint("best"), weights_only=True)["state_dict"]
    assert made.keys() == kept.keys()
    assert all(torch.equal(made[name], kept[name]) for name in kept)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_composes_or_explains(folder: Path, place: Path, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("nightly") and folder not in (FIRST, FOLDERS[-1]):
        pytest.skip("the oldest and the newest; all of them with --nightly")
    run, output = copied(folder, place), place / "output"
    if "music" in folder.name:
        generate(option("generate", f"run={run}", "songs=1", "bars=1", f"output={output}"))
        assert len(list(output.glob("*.mid"))) == 1
    else:
        explain(option("explain", f"run={run}", "most=1", f"output={output}"))
        assert (output / "atlas" / "index.html").is_file()


@pytest.mark.parametrize("folder", OTHERS, ids=lambda folder: folder.name)
def test_it_is_done_again_on_the_same_data(
    folder: Path, place: Path, request: pytest.FixtureRequest
) -> None:
    if not request.config.getoption("nightly") and "xray-first" not in folder.name:
        pytest.skip("the first of X-rays; all of them with --nightly")
    made = reproduce(copied(folder, place))
    states = {row.name: row.state for row in made.inputs}
    assert states["config"] == "same"
    assert states["data"] == ("same" if "sha1" in ledger(folder) else "not known")
    assert made.outcome is not None, "it was trained again"


def ledger(folder: Path) -> str:
    (path,) = [path for name in ("corpus", "studies") for path in folder.glob(f"{name}.csv")]
    return path.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.parametrize("folder", OTHERS, ids=lambda folder: folder.name)
def test_it_goes_on(folder: Path, place: Path, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("nightly") and "music-metrics" not in folder.name:
        pytest.skip("the second oldest; all of them with --nightly")
    run = copied(folder, place, steps=30)
    train(option("train", f"resume={run}"))
    assert open_run(run).state == DONE
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 30


def test_what_the_first_version_left_says_which_revision_does_it_again(place: Path) -> None:
    with pytest.raises(InputError, match=r"git checkout 06391893592b$") as error:
        reproduce(copied(FIRST, place))
    assert "another version of the project" in str(error.value)
    assert "missing in it: cam, data.augment" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_the_first_version_left_says_so_where_it_cannot_go_on(place: Path) -> None:
    run = copied(FIRST, place, steps=30)
    with initialize_config_dir(conf_path(), version_base="1.3"):  # as within scripts/train.py
        config = compose("train", [f"resume={run}"])
        with pytest.raises(InputError, match=r"git checkout 06391893592b$"):
            train(config)


def test_a_checkpoint_is_at_home_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    state = {
        "dirpath": "/cluster/run/checkpoints",
        "best_model_path": "/cluster/run/checkpoints/best.ckpt",
        "best_model_score": 0.5,
        "best_k_models": {"/cluster/run/checkpoints/best.ckpt": 0.5},
        "last_model_path": "/elsewhere/checkpoints/best.ckpt",
    }
    before = {"global_step": 3, "callbacks": {"best": state, "bar": {"at": 1}, "other": 2}}
    after = at_home(before, path)
    best = str(path.with_name("best.ckpt").resolve())
    assert after["callbacks"] == {
        "best": {
            "dirpath": str(path.parent.resolve()),
            "best_model_path": best,
            "best_model_score": 0.5,
            "best_k_models": {best: 0.5},
            "last_model_path": "/elsewhere/checkpoints/best.ckpt",
        },
        "bar": {"at": 1},
        "other": 2,
    }
    assert before["callbacks"]["best"] is state
    assert state["dirpath"] == "/cluster/run/checkpoints"


def test_a_run_that_was_moved_keeps_its_best_weights(place: Path) -> None:
    """Of a rate at which it only gets worse: the best checkpoint is the one from before."""
    options = ["optimizer.lr=0.3", "steps=40", "data_dir=data", "~callbacks.curves"]
    best = train(saved(composed(place / "run", *options)))
    moved = Path(shutil.move(place / "run", place / "moved"))
    assert train(option("train", f"resume={moved}")) == best
    config = moved / ".hydra" / "config.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("steps: 40", "steps: 60"), encoding="utf-8")
    assert train(option("train", f"resume={moved}")) <= best
