"""A run again from its folder: identical, or told what differs before or after training."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from dlcourse import reproducing
from dlcourse.errors import InputError
from dlcourse.files import write_json
from dlcourse.music.composer import compose_corpus
from dlcourse.reproducing import reproduce
from dlcourse.reproduction.verdict import Reproduction
from dlcourse.run_provenance import read_provenance
from dlcourse.runs import open_run
from dlcourse.training import train
from dlcourse.trust.signature import sign
from tests.composing import QUICK_XRAY, composed, saved


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "songs"
    compose_corpus(folder, songs=8)
    return folder


@pytest.fixture(scope="module")
def done(songs: Path) -> Path:
    """A run that is done, on a folder of songs."""
    folder = songs.parent / "done"
    train(saved(composed(folder, f"data.root={songs}", "~callbacks.curves")))
    return folder


@pytest.fixture
def run(done: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(done, tmp_path / "run"))


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Training is noted and not done."""
    called: list[str] = []
    monkeypatch.setattr(reproducing, "train", lambda config: called.append(config.folder))
    return called


def states(made: Reproduction) -> dict[str, str]:
    return {row.name: row.state for row in made.inputs}


def change_config(run: Path, **values: object) -> None:
    path = run / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    for key, value in values.items():
        OmegaConf.update(config, key.replace("__", "."), value, merge=False, force_add=True)
    OmegaConf.save(config, path)
    sign(run, open_run(run).noted_config)  # the user's own, whatever it names


def write_resolved(run: Path) -> None:
    """As if the run had been begun with the config it has now."""
    config = open_run(run).config
    config.folder = OmegaConf.load(run / "config.yaml").folder
    OmegaConf.save(config, run / "config.yaml", resolve=True)


def test_a_run_is_reproduced_bit_for_bit_in_a_folder_that_is_a_run_again(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    made = reproduce(run)
    assert made.verdict == "identical"
    assert made.as_text().startswith("identical: ")
    assert set(states(made).values()) == {"same"}
    assert made.output.parent == run / "reproduced"
    assert all(path.read_bytes() == content for path, content in before.items())
    told = json.loads((made.output / "reproduction.json").read_text())
    assert told["verdict"] == "identical"
    assert told["outcome"]["largest_relative_difference"] == 0.0
    again = reproduce(made.output, output=run / "second")
    assert again.verdict == "identical"


def test_radiographs_too(tmp_path: Path) -> None:
    options = [*QUICK_XRAY, "steps=5", "callbacks.evaluation.atlas=0", "~callbacks.curves"]
    train(saved(composed(tmp_path / "run", *options, quick=False)))
    made = reproduce(tmp_path / "run")
    assert (made.verdict, set(states(made).values())) == ("identical", {"same"})


def test_a_changed_file_is_named_and_nothing_is_trained(
    run: Path, songs: Path, tmp_path: Path, no_training: list[str]
) -> None:
    others = Path(shutil.copytree(songs, tmp_path / "songs"))
    path = sorted(others.glob("*.mid"))[2]
    path.write_bytes(path.read_bytes() + b"\0")
    for config in (run / "config.yaml", run / ".hydra" / "config.yaml"):
        config.write_text(config.read_text().replace(str(songs), str(others)))
    made = reproduce(run)
    assert made.verdict == "different"
    assert [name for name, state in states(made).items() if state == "differs"] == ["data"]
    assert f"{path.name} has another content" in made.as_text()
    assert "not the same data" in made.sentence()
    assert no_training == []
    assert json.loads((made.output / "reproduction.json").read_text())["outcome"] is None


def test_a_changed_option_is_named_and_nothing_is_trained(
    run: Path, no_training: list[str]
) -> None:
    change_config(run, net__hidden=9)
    made = reproduce(run)
    assert made.verdict == "different"
    assert "net.hidden=8" in made.as_text()
    assert "net.hidden=9 " in made.as_text(), "and not again for the task, which repeats it"
    assert no_training == []


def test_what_differs_in_the_end_is_told_with_the_step_and_the_numbers(run: Path) -> None:
    change_config(run, optimizer__lr=0.02)
    made = reproduce(run, anyway=True)
    assert made.verdict == "different"
    assert states(made)["config"] == "differs"
    assert made.outcome.parted == 3, "the first step that is logged"
    assert made.outcome.weights[1].differing
    text = made.as_text()
    assert "at step 3" in text
    assert "model/nll" in text
    then = json.loads((run / "results.json").read_text())["test"]["model"]["nll"]
    assert f"{then:.6g}" in text


def test_numbers_within_the_tolerance_are_told_apart_from_the_same_ones(run: Path) -> None:
    path = run / "results.json"
    results = json.loads(path.read_text())
    results["test"]["model"]["nll"] *= 1 + 1e-5
    write_json(path, results)
    made = reproduce(run)
    assert made.verdict == "within tolerance"
    assert "differ by up to 1.0e-05" in made.sentence()
    assert made.outcome.verdict(1e-6) == "different"


def test_code_packages_and_machine_of_then_are_compared(run: Path) -> None:
    noted = read_provenance(run)
    noted["versions"]["torch"] = "1.0"
    noted["code_sha256"] = "0" * 64
    del noted["processor"]
    write_json(run / "provenance.json", noted)
    made = reproduce(run)
    assert made.verdict == "identical", "the numbers are what counts"
    found = states(made)
    assert (found["code"], found["packages"]) == ("differs", "differs")
    assert (found["processor"], found["python"]) == ("not known", "same")
    assert "torch 1.0" in made.as_text()


def test_first_weights_that_have_changed_are_named(
    run: Path, tmp_path: Path, no_training: list[str]
) -> None:
    first = tmp_path / "first.pt"
    torch.save({"w": torch.zeros(1)}, first)
    change_config(run, net__weights=str(first))
    write_resolved(run)
    noted = read_provenance(run) | {"first_weights": {"from": str(first), "sha256": "0" * 64}}
    write_json(run / "provenance.json", noted)
    made = reproduce(run)
    assert [name for name, state in states(made).items() if state == "differs"] == ["first weights"]
    assert no_training == []


def test_a_run_from_before_hashes_were_noted_is_compared_as_far_as_it_goes(run: Path) -> None:
    ledger = run / "corpus.csv"
    lines = [line.split(",") for line in ledger.read_text().splitlines()]
    column = lines[0].index("sha1")
    ledger.write_text("\n".join(",".join(c[:column] + c[column + 1 :]) for c in lines) + "\n")
    write_json(run / "provenance.json", {"started": "2026-01-01", "versions": {}})
    made = reproduce(run)
    assert made.verdict == "identical"
    found = states(made)
    assert {found[name] for name in ("data", "code", "packages", "machine")} == {"not known"}


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ({"state": "failed", "error": "the loss is nan"}, r"failed \(the loss is nan\), and only"),
        ({"state": "pruned", "error": None}, "this run is pruned, and only one that is done"),
        (None, "this run is stopped.*resume=.* goes on with it"),
    ],
)
def test_only_what_is_done_is_reproduced(
    run: Path, outcome: dict[str, str | None] | None, message: str
) -> None:
    (run / "outcome.json").unlink()
    (run / "results.json").unlink()
    if outcome:
        write_json(run / "outcome.json", outcome)
    with pytest.raises(InputError, match=message) as error:
        reproduce(run)
    assert "\n" not in str(error.value)
    assert not (run / "reproduced").exists()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("data.colour", "blue", r"unknown today: data\.colour"),
        (
            "net",
            {"_target_": "dlcourse.music.gone.Net"},
            r"missing in it: .*net\._partial_.*music\.gone\.Net'; it was made",
        ),
        ("optimiser", {"lr": 1.0}, None),
    ],
)
def test_a_config_of_another_version_names_the_keys_where_it_cannot_run(
    run: Path, key: str, value: object, message: str | None
) -> None:
    change_config(run, **{key: value})
    write_resolved(run)
    overrides = run / ".hydra" / "overrides.yaml"
    OmegaConf.save(OmegaConf.create(["data.source.songs=8"]), overrides)
    if message is None:  # a key that nothing reads is in nobody's way
        assert reproduce(run).verdict == "identical"
        return
    with pytest.raises(InputError, match=message) as error:
        reproduce(run)
    assert "\n" not in str(error.value)
    assert "git checkout" in str(error.value)


def test_a_config_that_lacks_what_is_needed_today_names_it(run: Path) -> None:
    path = run / ".hydra" / "config.yaml"
    config = OmegaConf.load(path)
    del config.threads
    OmegaConf.save(config, path)
    with pytest.raises(InputError, match=r"missing in it: threads") as error:
        reproduce(run, anyway=True)
    assert "\n" not in str(error.value)


def test_a_folder_that_holds_something_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something already"):
        reproduce(run, output=tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["thesis.txt"]
