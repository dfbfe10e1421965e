"""Every image is listed with what the index says of it, and the real archive has its numbers."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from dlcourse.errors import InputError
from dlcourse.splits import Listed, names_listed
from dlcourse.xray.archive import Archive, read_archive, read_index, write_ledger
from dlcourse.xray.studies import PNEUMOTHORAX, Box, Study
from tests.xray.tiny_archive import write_image, write_index

DATA = Path(__file__).resolve().parents[3] / "shared/data/chestxray"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no chestxray beside the repository")


@pytest.fixture(scope="module")
def index() -> dict[str, Study]:
    return read_index(DATA)


@pytest.fixture(scope="module")
def archive() -> Archive:
    return read_archive(DATA)


@needs_data
def test_the_archive_has_the_published_numbers(index: dict[str, Study]) -> None:
    positive = [study for study in index.values() if study.has(PNEUMOTHORAX)]
    boxes = Counter(box.finding for study in index.values() for box in study.boxes)
    assert len(index) == 112_120
    assert len({study.patient for study in index.values()}) == 30_805
    assert (len(positive), len({study.patient for study in positive})) == (5_302, 1_487)
    assert (boxes.total(), boxes[PNEUMOTHORAX], boxes["Infiltration"]) == (984, 98, 123)


@needs_data
def test_the_mined_label_is_as_wrong_as_the_panel_found(index: dict[str, Study]) -> None:
    test = names_listed(DATA / "test_list.txt")
    panel = {n: s.adjudicated for n, s in index.items() if n in test and s.adjudicated}
    assert len(panel) == 1_962
    pairs = Counter((index[n].has(PNEUMOTHORAX), said[PNEUMOTHORAX]) for n, said in panel.items())
    both = pairs[True, True]
    assert round(both / (both + pairs[False, True]), 3) == 0.497  # sensitivity
    assert round(both / (both + pairs[True, False]), 3) == 0.485  # positive predictive value


@needs_data
def test_a_part_of_the_archive_is_read_with_what_is_missing_counted(archive: Archive) -> None:
    assert (len(archive.studies), archive.without_image) == (501, 111_619)
    assert not any(study.reason for study in archive.studies)
    assert all(study.path == DATA / study.file for study in archive.studies)
    files = [study.file for study in archive.studies]
    assert files == sorted(f"images/{path.name}" for path in (DATA / "images").iterdir())


@needs_data
def test_a_panel_or_a_box_of_the_real_files_lands_in_its_study(index: dict[str, Study]) -> None:
    study = index["00000013_026.png"]
    assert study.adjudicated == {
        "Fracture": False,
        "Pneumothorax": True,
        "Airspace opacity": False,
        "Nodule or mass": False,
    }
    assert study.findings == {"Cardiomegaly", "Emphysema"}
    (box,) = index["00013118_008.png"].boxes
    assert box.finding == "Atelectasis"
    assert box.x * 1024 == pytest.approx(225.084745762712)
    assert box.height * 1024 == pytest.approx(79.1864406779661)


def test_what_is_found_is_listed_and_what_is_not_is_counted(tmp_path: Path) -> None:
    write_index(tmp_path)
    write_image(tmp_path / "images" / "00000001_000.png")
    write_image(tmp_path / "images" / "00000099_003.PNG", seed=1)
    write_image(tmp_path / "more" / "deep" / "00000001_000.png", seed=2)
    write_image(tmp_path / "masks" / "00000001_000.png")
    write_image(tmp_path / "images" / ".00000020_000.png")
    write_image(tmp_path / ".cache" / "00000020_000.png")
    (tmp_path / "images" / "notes.txt").write_text("no image")
    archive = read_archive(tmp_path)
    assert [(s.file, s.patient, s.reason) for s in archive.studies] == [
        ("images/00000001_000.png", "1", ""),
        ("images/00000099_003.PNG", "99", "not in Data_Entry_2017_v2020.csv"),
        ("more/deep/00000001_000.png", "1", "images/00000001_000.png has the same name"),
    ]
    assert archive.studies[0].mask == tmp_path / "masks" / "00000001_000.png"
    assert archive.without_image == 3


def test_the_index_may_lie_elsewhere(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "00000013_026.png")
    with pytest.raises(InputError, match=r"Data_Entry_2017_v2020.csv nor Data_Entry_2017.csv"):
        read_archive(tmp_path / "images")
    index = write_index(tmp_path / "tables")
    (study,) = read_archive(tmp_path / "images", index=index).studies
    assert (study.file, study.findings) == ("00000013_026.png", {"Pneumothorax"})


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    write_index(tmp_path / "data")
    write_image(tmp_path / "elsewhere" / "00000001_000.png")
    (tmp_path / "data" / "images").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "elsewhere")
    studies = read_archive(tmp_path / "data").studies
    assert [(s.file, s.reason) for s in studies] == [("images/00000001_000.png", "")]


def test_folders_without_images_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no image: no file ends in \.png"):
        read_archive(write_index(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        read_archive(tmp_path / "absent")


def test_the_ledger_lists_every_image_and_is_a_split(tmp_path: Path) -> None:
    studies = [
        Study("a/1.png", None, "1", frozenset({"Mass", "Edema"}), 57, "M", "PA", 0, split="train"),
        Study(
            "a/2.png", None, "2", boxes=(Box("Mass", 0, 0, 1, 1),) * 2, mask=Path("m"),
            adjudicated={"Pneumothorax": True, "Fracture": False}, split="test",
        ),
        Study("b,3.png", None, "3", reason="not in the subset"),
    ]  # fmt: skip
    path = tmp_path / "run" / "studies.csv"
    write_ledger(studies, path, without_image=7)
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [(r["file"], r["kept"], r["reason"]) for r in rows] == [
        ("a/1.png", "yes", ""),
        ("a/2.png", "yes", ""),
        ("b,3.png", "no", "not in the subset"),
        ("", "no", "7 rows of the index have no image here"),
    ]
    facts = ("findings", "age", "sex", "view", "follow_up", "boxes", "mask", "adjudicated")
    assert [rows[0][f] for f in facts] == ["Edema|Mass", "57", "M", "PA", "0", "0", "no", ""]
    panel = "Pneumothorax=yes|Fracture=no"
    assert [rows[1][f] for f in facts] == ["No Finding", "", "", "", "", "2", "yes", panel]
    assert Listed(file=str(path)).assign(["1", "2"], ["a/1.png", "a/2.png"]) == ["train", "test"]
