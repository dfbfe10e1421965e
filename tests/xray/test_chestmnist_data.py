"""ChestMNIST all the way: from its file to batches, without patients, with a split of its own."""

from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.splits import Fractions
from dlcourse.training import build, train
from dlcourse.xray.radiographs import read_radiographs
from dlcourse.xray.studies import FINDINGS, PNEUMOTHORAX
from dlcourse.xray.subset import Subset
from tests.composing import QUICK_XRAY, composed

PARTS = {"train": 20, "val": 8, "test": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in ChestMNIST's form; every second image has a pneumothorax and a bright corner."""
    folder, arrays = tmp_path_factory.mktemp("chestmnist"), {}
    rng = np.random.default_rng(0)
    for split, count in PARTS.items():
        labels = np.zeros((count, 14), dtype=np.uint8)
        labels[::2, FINDINGS.index(PNEUMOTHORAX)] = 1
        images = rng.integers(0, 100, (count, 28, 28), dtype=np.uint8)
        images[::2, :8, :8] = 255
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    np.savez(folder / "chestmnist.npz", **arrays)
    return folder


def test_its_own_split_reaches_training_with_the_right_pixels(folder: Path, tmp_path: Path) -> None:
    small = [o for o in QUICK_XRAY if not o.startswith(("data.source", "data.size"))]
    options = [*small, "data=chestmnist", f"data.root={folder}", "data.size=28", "steps=5"]
    config = composed(tmp_path / "run", *options, quick=False)
    data, _ = build(config)
    for split, count in PARTS.items():
        assert len(data.items[split]) == count
        batch = data.fetch(split, np.arange(count))
        assert (batch["images"][:, 0, 0, 0] == 255).tolist() == batch["targets"][:, 0].tolist()
    train(config)
    assert (tmp_path / "run" / "results.json").is_file()


def test_another_split_is_refused_and_a_subset_is_not(folder: Path, tmp_path: Path) -> None:
    options = {"size": 28, "cache": tmp_path}
    with pytest.raises(InputError, match="names no patients"):
        read_radiographs(folder, subset=Subset(), split=Fractions(), **options)
    few = Subset(positives=5, negatives=3)
    read = read_radiographs(folder, subset=few, split=None, **options)
    assert sum(study.has(PNEUMOTHORAX) for study in read.kept) == 5
    assert len(read.kept) == len(read.rows) == 8
    for row, study in zip(read.rows, read.kept, strict=True):
        assert (read.images[row][0, 0] == 255) == study.has(PNEUMOTHORAX)


def test_a_size_that_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data\.size=64 .* than chestmnist\.npz"):
        read_radiographs(folder, size=64, subset=Subset(), split=None, cache=tmp_path)
