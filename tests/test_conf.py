"""Every file of conf/ is composed and run: a new option is tested without editing a test."""

import json
import re
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from dlcourse.errors import InputError
from dlcourse.music.composer import compose_corpus
from dlcourse.sweep_names import grid
from dlcourse.training import train
from dlcourse.xray.phantom_corpus import write_phantoms
from tests.composing import QUICK, QUICK_XRAY, composed
from tests.matrix_files import random_rolls, write_rolls

CONF = Path(__file__).resolve().parents[1] / "conf"
SHARED = ("songs", "radiographs", "matrices")  # files of conf/data that the others build on
MATRICES = ("jsb", "nottingham", "musedata", "piano_midi")  # tests/music/test_benchmark_matrices.py
SHARES = ["split.val=0.25", "split.test=0.25"]  # so that a few patients have both classes
BUDGET = ("steps", "validate")  # trainer=smoke has its own
# For each lab: an experiment to choose options on, and settings that make everything small.
SMALL = {
    "music": ["trainer=smoke", *(o for o in QUICK if not o.startswith(BUDGET))],
    "xray": ["trainer=smoke", *(o for o in QUICK_XRAY if not o.startswith(BUDGET))],
}
FILES = {"music": "songs", "xray": "radiographs"}
GROUPS = ("loss", "optimizer", "scheduler", "net", "encoding", "sampler", "callbacks", "metrics")
GROUPS += ("augment", "task", "head")
# What an option of many keys needs beside it.
ROLLS = ["encoding=pianoroll", "head=set_softmax", "metrics=polyphony"]
WITH_BASES = ("callbacks", "data", "task", "experiment", "augment", "sampler")


def lab_of(path: Path) -> str:
    """The lab whose code a config file names; "" for what both share."""
    text = path.read_text(encoding="utf-8")
    if "defaults:" in text and path.parent.name in WITH_BASES:
        bases = re.findall(r"^  - (\w+)$", text, flags=re.MULTILINE)
        found = {lab_of(path.with_stem(base)) for base in bases if base != "_self_"} - {""}
        if found:
            return found.pop()
    if path.parent.name == "experiment":
        return "xray" if path.stem.startswith("xray") else "music"
    found = next((lab for lab in ("music", "xray") if f"dlcourse.{lab}." in text), "")
    if path.parent.name == "augment" and "torchvision." in text:
        return "xray"
    return found or ("music" if path.parent.name == "metrics" else "")


# Each is chosen below on top of an experiment of every lab that it belongs to.
OPTIONS = sorted(
    (lab, f"{path.parent.name}={path.stem}")
    for group in GROUPS
    for path in (CONF / group).glob("*.yaml")
    for lab in SMALL
    if lab_of(path) in (lab, "") and f"{group}/{path.stem}" != "net/student"  # tests/exercises
)
# ChestMNIST is a file of its own kind: tests/xray/test_chestmnist_data.py.
NOT_THERE = (*SHARED, *MATRICES, "chestmnist")
DATA = sorted(path for path in (CONF / "data").glob("*.yaml") if path.stem not in NOT_THERE)
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A few real files of each kind."""
    folder = tmp_path_factory.mktemp("corpus")
    compose_corpus(folder / "songs", songs=8)
    write_phantoms(folder / "radiographs", patients=24, seed=0, size=64)
    (folder / "matrices").mkdir()
    for name in ("JSB_Chorales.mat", "Nottingham.mat"):
        rolls = [random_rolls(songs, seed=songs) for songs in (8, 3, 4)]
        write_rolls(folder / "matrices" / name, rolls)
    return {name: folder / name for name in ("songs", "radiographs", "matrices")}


def small(lab: str, folders: dict[str, Path], *overrides: str) -> list[str]:
    """Overrides that train quickly on files at hand."""
    options = [o for o in SMALL[lab] if not o.startswith("data.source")]
    return [*options, f"data.root={folders[FILES[lab]]}", *overrides]


def beside(option: str) -> list[str]:
    """The other options that one needs."""
    group, _, name = option.partition("=")
    of_rolls = option in ROLLS or (group == "head" and name != "categorical")
    return [other for other in ROLLS if of_rolls and not other.startswith(group)]


@pytest.mark.parametrize(("lab", "option"), OPTIONS)
def test_every_option_trains(
    lab: str, option: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    overrides = small(lab, folders, *beside(option), option)
    if option == "callbacks=default":
        overrides = [o for o in overrides if not o.startswith("~callbacks")]
    if option.startswith("net=") and lab == "xray":
        overrides = [o for o in overrides if not o.startswith("net.")] + ["net.weights=null"]
    train(composed(tmp_path / "run", *overrides, quick=False))
    assert (tmp_path / "run" / "metrics.csv").is_file()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_what_to_expect_and_trains(
    experiment: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    path = CONF / "experiment" / f"{experiment}.yaml"
    lines = path.read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# Expected: "), "the number to expect, and the minutes"
    assert any(character.isdigit() for character in lines[1])
    assert "lr" not in OmegaConf.load(path).get("optimizer", {})
    lab = lab_of(path)
    kind = "matrices" if experiment.startswith(MATRICES) else FILES[lab]
    overrides = [f"experiment={experiment}", "trainer=smoke", f"data.root={folders[kind]}"]
    overrides += ["data.batch_size=4"]
    if lab == "music":
        overrides += ["net.hidden=8", "~callbacks.songs"]
    else:
        overrides += ["data.size=32", "net.weights=null", "data.subset.positives=null"]
        overrides += ["data.subset.negatives=null", "split=fractions", *SHARES]
    train(composed(tmp_path / "run", *overrides, quick=False))
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    baselines = {
        "music": {"copy the last frame", "unigram"},
        "xray": {"metadata only", "constant"},
    }
    assert set(results["test"]) >= {"model"} | baselines[lab]


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_every_data_option_takes_a_folder(
    path: Path, folders: dict[str, Path], tmp_path: Path
) -> None:
    lab = lab_of(path)
    options = small(lab, folders, f"data={path.stem}", "split=fractions")
    train(composed(tmp_path / "run", *options, quick=False))
    ledger = tmp_path / "run" / {"music": "corpus.csv", "xray": "studies.csv"}[lab]
    files = [
        p for p in folders[FILES[lab]].rglob("[!.]*.*") if p.parent.name in ("songs", "images")
    ]
    assert ledger.read_text().count("\n") == 1 + len(files)


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: p.stem)
def test_every_file_begins_with_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert all(len(line) <= 110 for line in lines)


GRIDS = sorted((CONF / "sweep").glob("*.yaml"))


@pytest.mark.parametrize("path", [p for p in GRIDS if p.stem != "none"], ids=lambda p: p.stem)
def test_every_value_of_every_grid_composes(path: Path, tmp_path: Path) -> None:
    settings = OmegaConf.load(path).hydra
    assert settings.mode == "MULTIRUN", "it needs no -m"
    of = re.search(r"Lab (\d)", path.read_text())
    labs = [{"1": "music", "2": "xray"}[of[1]]] if of else ["music", "xray"]
    jobs = grid([f"{key}={value}" for key, value in settings.sweeper.params.items()])
    # One key after the other: all combinations of them would take long and show no more.
    jobs = [job for job in jobs if sum(a != b for a, b in zip(job, jobs[0], strict=True)) < 2]
    split = ["split=folds"] if path.stem == "folds" else []
    assert len(jobs) > 1
    experiments = {"music": "music_composed", "xray": "xray_phantoms"}
    for lab in labs:
        made = [
            composed(tmp_path, f"experiment={experiments[lab]}", *split, *job, quick=False)
            for job in jobs
        ]
        assert len({OmegaConf.to_yaml(config) for config in made}) == len(jobs)


@pytest.mark.parametrize("lab", SMALL)
def test_what_varies_the_other_lab_s_data_is_one_line_that_lists_what_fits(
    lab: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    options = {path.stem: lab_of(path) for path in (CONF / "augment").glob("*.yaml")}
    for option in [name for name, of in options.items() if of not in (lab, "")]:
        with pytest.raises(InputError, match=r"^augment: ") as error:
            train(
                composed(tmp_path / "run", *small(lab, folders, f"augment={option}"), quick=False)
            )
        listed = str(error.value).partition("choose augment=")[2]
        fitting = {name for name, of in options.items() if of in (lab, "")}
        assert set(re.findall(r"\w+", listed)) - {"or"} == fitting


def test_optimizers_own_their_rate() -> None:
    for path in (CONF / "optimizer").glob("*.yaml"):
        assert "lr" in OmegaConf.load(path), path


def test_an_unknown_option_lists_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(HydraException, match=r"(?s)loss/nope.*cross_entropy"):
        composed(tmp_path / "run", "loss=nope")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=fast", "optimizer or scheduler"),
        ("net.hidden=many", "hidden|int|Error in call"),
        ("net.cell=tree", "choose one of lstm, gru, rnn"),
        ("task.supervise=some", "choose every or last"),
        ("data.root=nowhere", "nowhere: no such folder"),
        ("data.draw=cards", "choose windows or songs"),
        ("data.timing=swing", "choose one of auto, score, performed"),
        ("sampler.temperature=-1", "sampler.temperature=-1"),
    ],
)
def test_a_wrong_value_is_one_clear_line(tmp_path: Path, override: str, message: str) -> None:
    quick = [o for o in QUICK if o != "~callbacks.songs"]
    with pytest.raises(InputError, match=message) as error:
        train(composed(tmp_path / "run", *quick, "trainer=smoke", override, quick=False))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "results.json").exists()
