"""Every file of conf/ is composed and run: a new option is tested without editing a test."""

import json
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from dlcourse.errors import InputError
from dlcourse.music.composer import compose_corpus
from dlcourse.training import train
from tests.composing import QUICK, composed

CONF = Path(__file__).resolve().parents[1] / "conf"
SMOKE = [o for o in QUICK if not o.startswith(("steps", "validate"))] + ["trainer=smoke"]
# Each is chosen below on top of the default experiment.
OPTIONS = sorted(
    f"{path.parent.name}={path.stem}"
    for group in (
        "loss",
        "optimizer",
        "scheduler",
        "net",
        "encoding",
        "sampler",
        "callbacks",
        "metrics",
    )
    for path in (CONF / group).glob("*.yaml")
)
# songs.yaml is what the others share
DATA = sorted(path.stem for path in (CONF / "data").glob("*.yaml") if path.stem != "songs")
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few real MIDI files."""
    folder = tmp_path_factory.mktemp("corpus") / "songs"
    compose_corpus(folder, songs=8)
    return folder


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains(option: str, songs: Path, tmp_path: Path) -> None:
    overrides = [o for o in SMOKE if not o.startswith("data.source")]
    overrides += [f"data.root={songs}", option]
    if option == "callbacks=default":
        overrides.remove("~callbacks.songs")
    train(composed(tmp_path / "run", *overrides, quick=False))
    assert (tmp_path / "run" / "metrics.csv").is_file()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_says_what_to_expect_and_trains(
    experiment: str, songs: Path, tmp_path: Path
) -> None:
    lines = (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# Expected: "), "the number to expect, and the minutes"
    assert any(character.isdigit() for character in lines[1])
    overrides = [f"experiment={experiment}", "trainer=smoke", f"data.root={songs}"]
    overrides += ["data.batch_size=4", "net.hidden=8", "~callbacks.songs"]
    config = composed(tmp_path / "run", *overrides, quick=False)
    assert "lr" not in OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml").get(
        "optimizer", {}
    )
    train(config)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert set(results["test"]) >= {"model", "copy the last frame", "unigram", "bigram"}


@pytest.mark.parametrize("data", DATA)
def test_every_data_option_takes_a_folder(data: str, songs: Path, tmp_path: Path) -> None:
    options = [f"data={data}", f"data.root={songs}", "trainer=smoke", "~callbacks.songs"]
    train(composed(tmp_path / "run", *options, "net.hidden=8", quick=False))
    assert (tmp_path / "run" / "corpus.csv").read_text().count("\n") == 9


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: p.stem)
def test_every_file_begins_with_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert all(len(line) <= 110 for line in lines)


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
