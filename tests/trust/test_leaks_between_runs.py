"""Runs that would be held to what they, or the weights they begin with, were trained on."""

import shutil
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path
from dlcourse.errors import InputError
from dlcourse.explaining import explain
from dlcourse.ledgers import read_ledger
from dlcourse.training import train
from dlcourse.training_list import list_of_checkpoint, training_list
from tests.composing import QUICK, QUICK_XRAY, composed, saved

SHORT = [*QUICK_XRAY, "steps=5", "callbacks.evaluation.atlas=0", "~callbacks.curves"]


def run(folder: Path, *options: str) -> Path:
    train(saved(composed(folder, *SHORT, *options, quick=False)))
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five steps of the detector."""
    return run(tmp_path_factory.mktemp("runs") / "first")


def explained(folder: Path, part: str = "test") -> Path:
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return explain(compose("explain", [f"run={folder}", "threads=1", f"part={part}", "most=1"]))


def test_a_run_may_begin_from_another_one_of_the_same_split_and_from_no_other(first: Path) -> None:
    begun = run(first.parent / "begun", f"net.weights={first}")
    for folder in (first, begun):
        seen = list_of_checkpoint(folder / "checkpoints" / "best.ckpt").items
        own = training_list(read_ledger(folder / "studies.csv")).items
        assert torch.equal(seen.unique(dim=0), own.unique(dim=0))
    with pytest.raises(InputError, match=r"^leak: net\.weights=.* was trained on \d+ of the \d+"):
        run(first.parent / "other", f"net.weights={begun}", "split.split_seed=1")
    assert not (first.parent / "other" / "checkpoints").exists()


def test_a_run_whose_split_has_changed_is_not_explained_on_what_it_was_trained_on(
    first: Path,
) -> None:
    listed, folder = first.parent / "listed.csv", first.parent / "listed"
    shutil.copy(first / "studies.csv", listed)
    options = [option for option in SHORT if not option.startswith("split.")]
    options += ["split=listed", f"split.file={listed}"]
    train(saved(composed(folder, *options, quick=False)))
    assert explained(folder).is_file()
    swapped = {"train": "test", "test": "train"}
    lines = [line.split(",") for line in listed.read_text().splitlines()]
    listed.write_text("\n".join(",".join(swapped.get(c, c) for c in line) for line in lines))
    for name in ("studies.csv", "corpus.csv"):
        (folder / name).unlink(missing_ok=True)  # the checkpoint knows by itself
    with pytest.raises(InputError, match=r"^leak: .*best\.ckpt was trained on"):
        explained(folder)
    # Of validation, where thresholds are chosen, nothing has changed.
    assert explained(folder, "train").is_file()


def test_a_run_does_not_go_on_with_other_data(tmp_path: Path, make_corpus) -> None:
    corpus = make_corpus(10)
    options = ["data=folder", f"data.root={corpus}", "steps=5"]
    options = [o for o in QUICK if not o.startswith(("data.source", "steps"))] + options
    folder = tmp_path / "run"
    train(saved(composed(folder, *options, quick=False)))
    go_on = composed(folder, *options, "steps=10", f"resume={folder}", quick=False)
    ledger = (folder / "corpus.csv").read_bytes()
    song = corpus / "Song 03.mid"
    content = song.read_bytes()
    song.write_bytes(content.replace(b"Melody", b"Malady"))
    with pytest.raises(InputError, match=r"Song 03\.mid has another content; bring them back"):
        train(go_on)
    assert (folder / "corpus.csv").read_bytes() == ledger
    song.write_bytes(content)
    train(go_on)
