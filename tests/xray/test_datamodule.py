"""Batches hold the right pixels beside the right labels, and a useless split is refused."""

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlcourse.errors import InputError
from dlcourse.splits import SPLITS, TEST, TRAIN, Fractions, Listed, Split
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.images import read_image
from dlcourse.xray.phantom_corpus import write_phantoms
from dlcourse.xray.sources import Phantoms
from dlcourse.xray.studies import PNEUMOTHORAX
from dlcourse.xray.subset import Subset

SEVERAL = (PNEUMOTHORAX, "Cardiomegaly", "Effusion", "Emphysema", "Hernia")
BATCH = 8


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("phantoms") / "whole"
    write_phantoms(folder, patients=32, size=64)
    return folder


def make(root: Path | None, data_dir: Path, **options: Any) -> RadiographData:
    settings = {
        "source": Phantoms(patients=16, size=64),
        "findings": (PNEUMOTHORAX,),
        "size": 32,
        "split": Fractions(val=0.25, test=0.25),
        "subset": Subset(),
        "batch_size": BATCH,
        "seed": 0,
        "root": None if root is None else str(root),
        "data_dir": str(data_dir),
    }
    data = RadiographData(**(settings | options))
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(scope="module")
def data(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> RadiographData:
    return make(phantoms, tmp_path_factory.mktemp("data"), findings=SEVERAL)


@pytest.mark.parametrize("split", SPLITS)
def test_a_batch_is_the_pixels_and_labels_of_its_own_files(
    data: RadiographData, split: str
) -> None:
    studies = data.studies(split)
    items = np.random.default_rng(0).permutation(len(studies))
    batch = data.fetch(split, items)
    assert (batch["images"].dtype, batch["targets"].dtype) == (torch.uint8, torch.uint8)
    assert batch["images"].shape == (len(items), 1, 32, 32)
    assert batch["item"].tolist() == items.tolist()
    for place, item in enumerate(items):
        study = studies[item]
        assert study.split == split
        assert np.array_equal(batch["images"][place, 0].numpy(), read_image(study.path, 32))
        assert batch["targets"][place].tolist() == [int(study.has(f)) for f in SEVERAL]


def test_every_finding_has_its_own_column_read_from_the_index_file(data: RadiographData) -> None:
    with open(Path(data.root) / "Data_Entry_2017_v2020.csv", newline="", encoding="utf-8") as lines:
        labels = {row["Image Index"]: row["Finding Labels"] for row in csv.DictReader(lines)}
    columns = []
    for split in SPLITS:
        for study, truth in zip(data.studies(split), data.truths[split], strict=True):
            named = labels[study.path.name].split("|")
            assert truth.tolist() == [finding in named for finding in SEVERAL], study.file
            columns.append(truth)
    distinct = {tuple(column) for column in np.array(columns).T}
    assert len(distinct) == len(SEVERAL)  # a shift by one would be seen


def test_the_same_after_a_corrupt_file_and_out_of_the_cache(phantoms: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(phantoms, tmp_path / "own"))
    for name in ("00000001_000.png", "00000007_000.png"):
        path = own / "images" / name
        path.write_bytes(path.read_bytes()[:-700])
    for _ in range(2):
        data = make(own, tmp_path / "data")
        for split in SPLITS:
            studies = data.studies(split)
            batch = data.fetch(split, np.arange(len(studies)))
            truths = np.stack([read_image(study.path, 32) for study in studies])
            assert np.array_equal(batch["images"][:, 0].numpy(), truths)
            assert batch["targets"][:, 0].tolist() == [s.has(PNEUMOTHORAX) for s in studies]
        assert len(data.radiographs.studies) - len(data.radiographs.kept) == 2


def test_the_splits_share_nothing_and_are_everything(data: RadiographData) -> None:
    places = np.concatenate([data.items[split] for split in SPLITS])
    assert sorted(places) == [*range(len(data.radiographs.kept))]
    patients = [{study.patient for study in data.studies(split)} for split in SPLITS]
    assert not any(patients[i] & patients[j] for i, j in ((0, 1), (0, 2), (1, 2)))


def test_class_counts_are_those_of_a_loop(data: RadiographData) -> None:
    counts = [0, 0]
    for study in data.studies(TRAIN):
        for finding in SEVERAL:
            counts[study.has(finding)] += 1
    assert data.class_counts().tolist() == counts


def test_balanced_batches_hold_about_as_many_positives_as_negatives(
    phantoms: Path, tmp_path: Path
) -> None:
    shares = {}
    for balanced in (False, True):
        data = make(
            phantoms, tmp_path, balanced=balanced, subset=Subset(positives=12, negatives=None)
        )
        plan, truths = data.batch_plan(), data.truths[TRAIN][:, 0]
        drawn = np.concatenate([plan.indices(step) for step in range(400)])
        shares[balanced] = truths[drawn].mean()
    assert truths.mean() < 0.35
    assert shares[False] == pytest.approx(truths.mean(), abs=0.05)
    # 3200 draws: four standard deviations are 0.035
    assert shares[True] == pytest.approx(0.5, abs=0.035)
    assert set(drawn) == {*range(len(truths))}


def test_an_epoch_shows_every_training_image_once(data: RadiographData) -> None:
    plan = data.batch_plan()
    drawn = np.concatenate([plan.indices(step) for step in range(plan.steps_per_epoch)])
    assert len(drawn) == len({*drawn}) > len(data.items[TRAIN]) - BATCH


def test_held_out_batches_are_all_images_in_order(data: RadiographData) -> None:
    batches = [*data.test_dataloader()]
    assert torch.cat([b["item"] for b in batches]).tolist() == [*range(len(data.items[TEST]))]


class AllOfOneKind:
    """No positive is tested: what bad luck does, on purpose."""

    def __init__(self, positives: set[str]) -> None:
        self.positives = positives

    def assign(self, groups: list[str], names: list[str]) -> list[str]:
        healthy = sorted(set(groups) - self.positives)
        return [
            "test" if g in healthy[:3] else "val" if int(g) % 5 == 0 else "train" for g in groups
        ]


def test_a_split_of_one_class_says_what_to_do(data: RadiographData, tmp_path: Path) -> None:
    positives = {s.patient for s in data.radiographs.kept if s.has(PNEUMOTHORAX)}
    split: Split = AllOfOneKind(positives)
    with pytest.raises(InputError, match=r"the split 'test' has \d+ images, 0 of them") as error:
        make(Path(data.root), tmp_path, split=split)
    assert "\n" not in str(error.value)
    assert "with Pneumothorax: both kinds are needed" in str(error.value)
    assert "take other shares, another split_seed or more images" in str(error.value)


def test_the_ledger_lists_every_file_and_is_a_split_for_the_next_run(
    phantoms: Path, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(phantoms, tmp_path / "own"))
    (own / "images/00000003_000.png").write_bytes(b"")
    lost = own / "images/00000005_000.png"
    lost.unlink()
    first = make(own, tmp_path)
    first.write_ledger(tmp_path)
    with open(tmp_path / "studies.csv", newline="", encoding="utf-8") as lines:
        rows = [*csv.DictReader(lines)]
    files = sorted(f"images/{path.name}" for path in (own / "images").iterdir())
    assert [row["file"] for row in rows] == [*files, ""]
    assert rows[-1]["reason"] == "1 rows of the index have no image here"
    assert {row["file"] for row in rows if row["kept"] == "no"} == {"images/00000003_000.png", ""}
    again = make(own, tmp_path, split=Listed(file=str(tmp_path / "studies.csv")))
    for split in SPLITS:
        assert [s.file for s in again.studies(split)] == [s.file for s in first.studies(split)]


def test_without_a_root_the_source_draws_once(tmp_path: Path) -> None:
    make(None, tmp_path, split=Fractions(val=0.3, test=0.3))
    (folder,) = tmp_path.glob("phantoms-16-0-64-balanced-*")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    make(None, tmp_path, split=Fractions(val=0.3, test=0.3))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_too_small_images_are_refused(phantoms: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.size=8: at least 16 pixels"):
        make(phantoms, tmp_path, size=8)
