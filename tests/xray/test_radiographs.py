"""Every image found takes part or has a reason, keeps its pixels, and follows its patient."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.splits import SPLITS, Folders, Folds, Fractions, Listed, Split
from dlcourse.xray.archive import write_ledger
from dlcourse.xray.images import read_image
from dlcourse.xray.official import TEST_LIST, Official
from dlcourse.xray.phantom_corpus import write_phantoms
from dlcourse.xray.radiographs import Radiographs, read_radiographs, split_by_patient
from dlcourse.xray.studies import PNEUMOTHORAX, Study
from dlcourse.xray.subset import Subset

DATA = Path(__file__).resolve().parents[3] / "shared/data"
SIZE = 32
SPLITTERS = [
    Fractions(val=0.25, test=0.25),
    Fractions(val=0.25, test=0.25, split_seed=1),
    *(Folds(fold=fold, folds=4, val=0.3) for fold in range(4)),
    Official(val=0.3, verify=False),
]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("phantoms") / "whole"
    write_phantoms(folder, patients=24, size=64)
    return folder


@pytest.fixture
def own(phantoms: Path, tmp_path: Path) -> Path:
    """A copy, to be changed."""
    return Path(shutil.copytree(phantoms, tmp_path / "own"))


def read(root: Path, cache: Path, split: Split | None = None, **options: object) -> Radiographs:
    settings = {"size": SIZE, "subset": Subset(), "split": split or SPLITTERS[0]} | options
    return read_radiographs(root, cache=cache, **settings)


def assert_own_pixels(radiographs: Radiographs) -> None:
    """Row by row what the study's own file holds."""
    assert len(radiographs.rows) == len(radiographs.kept)
    for row, study in zip(radiographs.rows, radiographs.kept, strict=True):
        assert np.array_equal(radiographs.images[row], read_image(study.path, SIZE)), study.file


def test_every_image_found_is_kept_or_has_a_reason(own: Path, tmp_path: Path) -> None:
    found = sorted(path.relative_to(own).as_posix() for path in (own / "images").iterdir())
    stranger, empty = "images/99999999_000.png", found[3]
    shutil.copy(own / found[0], own / stranger)
    (own / empty).write_bytes(b"")
    radiographs = read(own, tmp_path / "cache")
    reasons = {study.file: study.reason for study in radiographs.studies}
    assert [*reasons] == sorted([*found, stranger])
    assert {file for file, reason in reasons.items() if reason} == {stranger, empty}
    assert reasons[stranger] == "not in Data_Entry_2017_v2020.csv"
    assert "no image" in reasons[empty]
    for study in radiographs.studies:
        assert (study.split in SPLITS) == (not study.reason)
    assert_own_pixels(radiographs)


@pytest.mark.parametrize("broken", [(0,), (5, 6), (-1,), (0, 9, -2)])
def test_truncated_files_are_left_out_and_no_row_shifts(
    own: Path, tmp_path: Path, broken: tuple[int, ...]
) -> None:
    files = sorted((own / "images").iterdir())
    for place in broken:
        files[place].write_bytes(files[place].read_bytes()[:500])
    radiographs = read(own, tmp_path / "cache")
    left_out = [study for study in radiographs.studies if study.reason]
    assert {study.path for study in left_out} == {files[place] for place in broken}
    assert all("is damaged" in study.reason for study in left_out)
    assert not any(study.split for study in left_out)
    assert_own_pixels(radiographs)
    again = read(own, tmp_path / "cache")  # out of the cache
    assert [s.reason for s in again.studies] == [s.reason for s in radiographs.studies]
    assert_own_pixels(again)


def test_a_damaged_file_of_the_subset_keeps_the_rows_in_order(own: Path, tmp_path: Path) -> None:
    chosen = read(own, tmp_path / "cache", subset=Subset(positives=8, negatives=9)).kept
    chosen[4].path.write_bytes(chosen[4].path.read_bytes()[:300])
    radiographs = read(own, tmp_path / "cache", subset=Subset(positives=8, negatives=9))
    assert [s.file for s in radiographs.kept] == [s.file for s in chosen if s is not chosen[4]]
    assert_own_pixels(radiographs)


@pytest.mark.parametrize("split", SPLITTERS, ids=repr)
def test_no_patient_stands_in_two_splits(phantoms: Path, tmp_path: Path, split: Split) -> None:
    radiographs = read(phantoms, tmp_path / "cache", split)
    where: dict[str, set[str]] = {}
    for study in radiographs.kept:
        where.setdefault(study.patient, set()).add(study.split)
    assert max(map(len, where.values())) == 1
    assert set.union(*where.values()) == set(SPLITS)
    assert len(where) < len(radiographs.kept)  # some have several images


def test_over_all_folds_every_image_is_tested_once(phantoms: Path, tmp_path: Path) -> None:
    tested = [
        study.file
        for fold in range(4)
        for study in read(phantoms, tmp_path / "cache", Folds(fold=fold, folds=4)).kept
        if study.split == "test"
    ]
    assert sorted(tested) == sorted(f"images/{p.name}" for p in (phantoms / "images").iterdir())


def test_the_official_lists_are_found_beside_the_index(phantoms: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    for path in [*phantoms.glob("*.csv"), *phantoms.glob("*.txt")]:
        shutil.copy(path, index)
    images = Path(shutil.copytree(phantoms / "images", tmp_path / "root"))
    split = Official(val=0.3, verify=False)
    radiographs = read(images, tmp_path / "cache", split, index=index)
    test = set((phantoms / TEST_LIST).read_text().split())
    assert {s.file for s in radiographs.kept if s.split == "test"} == test


def test_the_same_picture_of_two_patients_goes_to_one_split(own: Path, tmp_path: Path) -> None:
    before = {s.patient: s.split for s in read(own, tmp_path / "cache").kept}
    trained, tested = (
        min(p for p, s in before.items() if s == split) for split in ("train", "test")
    )
    a, b = (own / "images" / f"{int(patient):08d}_000.png" for patient in (trained, tested))
    shutil.copy(a, b)
    after = {s.patient: s.split for s in read(own, tmp_path / "cache").kept}
    assert after[trained] == after[tested]


@pytest.mark.trust
def test_the_same_picture_in_both_official_lists_is_a_leak(own: Path, tmp_path: Path) -> None:
    shutil.copy(own / "images/00000001_000.png", own / "images/00000004_000.png")
    with pytest.raises(InputError, match=r"leak: 'images/00000001_000\.png' .*00000004_000\.png"):
        read(own, tmp_path / "cache", Official(val=0.3, verify=False))


def test_groups_follow_patients_and_contents_through_a_chain() -> None:
    patients = ["1", "1", "2", "2", "3", "3", "4", "5"]
    contents = ["a", "b", "b", "c", "c", "d", "e", "f"]  # 1, 2 and 3 hang together
    studies = [Study(f"{i}.png", None, p) for i, p in enumerate(patients)]
    for seed in range(8):
        split = Fractions(val=0.3, test=0.3, split_seed=seed)
        splits = split_by_patient(studies, contents, split)
        assert len(set(splits[:6])) == 1
        assert set(splits) == set(SPLITS)


def test_the_split_does_not_depend_on_the_order_of_the_images(
    phantoms: Path, tmp_path: Path
) -> None:
    kept = read(phantoms, tmp_path / "cache").kept
    backwards = split_by_patient(kept[::-1], [s.file for s in kept[::-1]], SPLITTERS[0])
    assert backwards[::-1] == [s.split for s in kept]


@pytest.mark.trust
def test_folders_that_share_patients_are_refused(tmp_path: Path) -> None:
    root, index = DATA / "nih1000_64", DATA / "chestxray"
    if not (root.is_dir() and index.is_dir()):
        pytest.skip("no nih1000_64 or chestxray beside the repository")
    with pytest.raises(InputError, match=r"share the patient '\d+'") as caught:
        read(root, tmp_path, Folders(), index=index)
    assert "\n" not in str(caught.value)
    files = [path.relative_to(root) for path in root.rglob("*.png")]
    folders: dict[str, set[str]] = {}
    for file in files:
        folders.setdefault(file.name.split("_")[0], set()).add(file.parts[0])
    shared = {str(int(patient)) for patient, own in folders.items() if len(own) > 1}
    assert f"{len(shared)} are in several" in str(caught.value)


def test_a_subset_has_its_numbers_and_the_others_say_so(phantoms: Path, tmp_path: Path) -> None:
    radiographs = read(phantoms, tmp_path / "cache", subset=Subset(positives=10, negatives=7))
    positive = [study.has(PNEUMOTHORAX) for study in radiographs.kept]
    assert (sum(positive), len(positive)) == (10, 17)
    assert {s.reason for s in radiographs.studies if s.reason} == {"not in the subset"}
    assert len(radiographs.studies) == len([*(phantoms / "images").iterdir()])
    assert len(radiographs.images) == 17  # nothing is decoded in vain


def test_the_ledger_is_read_back_as_the_same_split(own: Path, tmp_path: Path) -> None:
    (own / "images/00000002_000.png").write_bytes(b"no picture")
    first = read(own, tmp_path / "cache", subset=Subset(positives=9))
    write_ledger(first.studies, tmp_path / "studies.csv", without_image=3)
    split = Listed(file=str(tmp_path / "studies.csv"))
    again = read(own, tmp_path / "cache", split, subset=Subset(positives=9))
    assert [(s.file, s.split) for s in again.studies] == [(s.file, s.split) for s in first.studies]


def test_a_folder_of_nothing_usable_says_what_the_first_lacks(tmp_path: Path, own: Path) -> None:
    for path in (own / "images").iterdir():
        path.write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"none of \d+ images can be used") as error:
        read(own, tmp_path / "cache")
    assert "; images/00000001_000.png: is no image" in str(error.value)
