"""A folder of phantoms is an archive like the real one, the same on every day."""

import csv
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.made_folders import RECORD
from dlcourse.splits import SPLITS, names_listed
from dlcourse.xray import phantom_corpus
from dlcourse.xray.archive import FRAME, read_archive
from dlcourse.xray.localisation import truth_mask
from dlcourse.xray.official import Official
from dlcourse.xray.phantom_anatomy import PLACES, SIDES, Anatomy, Exposure, Rim
from dlcourse.xray.phantom_corpus import CONFOUNDERS, write_phantoms
from dlcourse.xray.sources import Phantoms
from dlcourse.xray.studies import PNEUMOTHORAX, Study
from tests.xray.tiny_archive import BOX_HEADER, HEADER

DATA = Path(__file__).resolve().parents[3] / "shared/data/chestxray"
INDEX, BOXES, NOTES = "Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "phantoms.csv"
LISTS = ("train_val_list.txt", "test_list.txt")
PATIENTS, SIZE = 24, 48  # 1024 / 48 is no whole number: the boxes have to survive it


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "corpus"
    write_phantoms(folder, patients=PATIENTS, seed=3, size=SIZE)
    return folder


@pytest.fixture(scope="module")
def studies(corpus: Path) -> list[Study]:
    return read_archive(corpus).studies


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corpora of many patients in no time: the tables are real, the pixels are not."""

    def blank(
        anatomy: Anatomy, exposure: Exposure, rim: Rim | None, *, seed: list[int], size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((size, size), np.uint8), np.full((size, size), rim is not None)

    monkeypatch.setattr(phantom_corpus, "draw_phantom", blank)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def rows(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as table:
        return list(csv.reader(table))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


# The same every time


def test_a_seed_makes_a_corpus_to_the_byte_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        write_phantoms(tmp_path / name, patients=4, seed=seed, size=32)
    one, again, other = (files(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert not any(one[name] == other[name] for name in one.keys() & other if "images/" in name)


def test_no_two_images_share_their_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def noted(*_: object, seed: list[int], size: int) -> tuple[np.ndarray, np.ndarray]:
        seeds.append(tuple(seed))
        return np.zeros((size, size), np.uint8), np.ones((size, size), bool)

    monkeypatch.setattr(phantom_corpus, "draw_phantom", noted)
    for seed in range(3):
        write_phantoms(tmp_path / f"{seed}", patients=20, seed=seed, size=32)
    assert len(set(seeds)) == len(seeds) > 60


def test_a_larger_corpus_begins_with_the_smaller_one(corpus: Path, tmp_path: Path) -> None:
    write_phantoms(tmp_path / "small", patients=PATIENTS // 3, seed=3, size=SIZE)
    small, large = files(tmp_path / "small"), files(corpus)
    tables = {INDEX, BOXES, NOTES, *LISTS}
    assert tables < small.keys() < large.keys()
    for name, content in small.items():
        if name in tables:
            assert large[name].startswith(content)
            assert len(large[name]) > len(content)
        else:
            assert large[name] == content


def test_confounders_change_the_images_that_have_them_and_no_other(tmp_path: Path) -> None:
    """So that a study of shortcuts compares the same patients with and without."""
    read = {}
    for kind in CONFOUNDERS:
        write_phantoms(tmp_path / kind, patients=10, seed=1, size=32, confounders=kind)
        read[kind] = read_archive(tmp_path / kind).studies
    for kind in ("balanced", "biased"):
        marked = 0
        for plain, study in zip(read["none"], read[kind], strict=True):
            has = "yes" in (study.notes["drain"], study.notes["marker"])
            same = (pixels(plain.path) == pixels(study.path)).all()
            assert same == (not has)
            ours = {k: v for k, v in study.notes.items() if k not in ("drain", "marker")}
            assert ours.items() <= plain.notes.items()
            assert replace(study, path=None, mask=None, notes={}).__dict__ == (
                replace(plain, path=None, mask=None, notes={}).__dict__
            )
            marked += has
        assert 0 < marked < len(read[kind])


# The archive's layout


@pytest.mark.parametrize(("name", "literal"), [(INDEX, HEADER), (BOXES, BOX_HEADER)])
def test_the_headers_are_the_archives_own(corpus: Path, name: str, literal: str) -> None:
    with open(corpus / name, newline="", encoding="utf-8") as table:
        header = table.readline()
    assert header == literal + "\n"
    if DATA.is_dir():
        with open(DATA / name, newline="", encoding="utf-8-sig") as table:
            assert header == table.readline()


def test_every_row_has_the_cells_of_its_header(corpus: Path) -> None:
    # The archive's box file names nine columns and fills six.
    for name, cells in ((INDEX, 11), (BOXES, 6), (NOTES, 6)):
        assert {len(row) for row in rows(corpus / name)[1:]} == {cells}
    images = sorted(path.name for path in (corpus / "images").iterdir())
    for name in (INDEX, NOTES):
        assert [row[0] for row in rows(corpus / name)[1:]] == images
    for row in rows(corpus / INDEX)[1:]:
        assert row[0] == f"{int(row[3]):08d}_{int(row[2]):03d}.png"
        assert row[7:9] == [str(SIZE)] * 2


def test_images_are_grey_and_masks_are_black_and_white(studies: list[Study]) -> None:
    for study in studies:
        with Image.open(study.path) as image:
            assert (image.mode, image.size) == ("L", (SIZE, SIZE))
        if study.mask:
            assert np.unique(pixels(study.mask)).tolist() == [0, 255]
            assert pixels(study.mask).shape == (SIZE, SIZE)


def test_the_reader_reads_all_of_it(corpus: Path, studies: list[Study]) -> None:
    assert read_archive(corpus).without_image == 0
    assert not any(study.reason for study in studies)
    patients: dict[str, list[Study]] = {}
    for study in studies:
        patients.setdefault(study.patient, []).append(study)
    assert set(patients) == {str(n + 1) for n in range(PATIENTS)}
    for images in patients.values():
        assert [study.follow_up for study in images] == list(range(len(images)))
        assert 1 <= len(images) <= 4
        ages = [study.age for study in images]
        assert ages == sorted(ages)
        assert 5 <= ages[0] <= ages[-1] <= 94
        assert len({study.sex for study in images}) == 1
    assert {study.view for study in studies} == {"PA", "AP"}
    assert {study.sex for study in studies} == {"M", "F"}
    assert len({study.age for study in studies}) > 10


def test_those_with_a_pneumothorax_are_those_with_mask_and_box(studies: list[Study]) -> None:
    positive = [study for study in studies if study.has(PNEUMOTHORAX)]
    assert 5 < len(positive) < len(studies) - 5
    for study in studies:
        known = (study.mask is not None, bool(study.boxes), bool(study.notes["side"]))
        assert known == (study.has(PNEUMOTHORAX),) * 3
    for study in positive:
        assert [box.finding for box in study.boxes] == [PNEUMOTHORAX]
        mask = pixels(study.mask) > 0
        half = mask[:, : SIZE // 2] if study.notes["side"] == "right" else mask[:, SIZE // 2 :]
        assert half.sum() == mask.sum()
        assert study.notes["side"] in SIDES
        assert study.notes["place"] in PLACES
        assert 0.3 <= float(study.notes["collapse"]) <= 0.75
    assert {(s.notes["side"], s.notes["place"]) for s in positive} == {
        (side, place) for side in SIDES for place in PLACES
    }


def test_a_box_is_the_tight_one_around_the_mask(corpus: Path, studies: list[Study]) -> None:
    in_frame = {row[0]: [float(cell) for cell in row[2:6]] for row in rows(corpus / BOXES)[1:]}
    for study in studies:
        if study.mask:
            mask = pixels(study.mask) > 0
            at = np.argwhere(mask)
            top, left, bottom, right = *at.min(axis=0), *(at.max(axis=0) + 1)
            boxed = np.zeros_like(mask)
            boxed[top:bottom, left:right] = True
            assert (truth_mask(study.boxes, mask.shape) == boxed).all()
            wanted = np.array([left, top, right - left, bottom - top]) * FRAME / SIZE
            assert in_frame.pop(study.path.name) == pytest.approx(wanted.tolist())
    assert not in_frame


def test_the_lists_split_the_patients(corpus: Path, studies: list[Study]) -> None:
    rest, test = (names_listed(corpus / name) for name in LISTS)
    assert sorted([*rest, *test]) == [study.path.name for study in studies]
    patients = [{name.partition("_")[0] for name in names} for names in (rest, test)]
    assert not patients[0] & patients[1]
    assert [len(of) for of in patients] == [18, 6]
    split = Official(val=0.2, verify=False, folder=str(corpus))
    names = split.assign([s.patient for s in studies], [s.file for s in studies])
    assert set(names) == set(SPLITS)


# Who is drawn


def drain_rates(folder: Path, *, confounders: str, seed: int) -> tuple[float, float]:
    """The share with a drain among images with a pneumothorax and among those without."""
    write_phantoms(folder, patients=300, seed=seed, size=32, confounders=confounders)
    studies = read_archive(folder).studies
    with_drain = [[], []]
    for study in studies:
        with_drain[not study.has(PNEUMOTHORAX)].append(study.notes["drain"] == "yes")
    return tuple(float(np.mean(of)) for of in with_drain)


@pytest.mark.usefixtures("undrawn")
def test_drains_are_where_the_option_says(tmp_path: Path) -> None:
    rates = {
        kind: drain_rates(tmp_path / kind, confounders=kind, seed=0) for kind in CONFOUNDERS
    }  # about 150 images with and 350 without: a standard error of 0.04
    assert rates["none"] == (0, 0)
    assert rates["balanced"] == pytest.approx((0.25, 0.25), abs=0.11)
    assert rates["biased"] == pytest.approx((0.8, 0.05), abs=0.11)


@pytest.mark.usefixtures("undrawn")
def test_half_of_the_patients_are_sick_and_findings_come_together(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "c", patients=300, size=32)
    studies = read_archive(tmp_path / "c").studies
    sick = {study.patient for study in studies if study.has(PNEUMOTHORAX)}
    assert 0.34 < len(sick) / 300 < 0.54, "half are, 0.75 of their images show it"
    mixed = [s for s in studies if s.patient in sick and not s.has(PNEUMOTHORAX)]
    assert mixed, "patients have images with and without"
    expected = {"Cardiomegaly": 0.12, "Effusion": 0.1, "Emphysema": 0.2}
    for finding, share in expected.items():
        having = np.array([study.has(finding) for study in studies])
        positive = np.array([study.has(PNEUMOTHORAX) for study in studies])
        assert having.mean() == pytest.approx(share, abs=0.06)
        assert (having & positive).any()
        # It says nothing of a pneumothorax.
        assert having[positive].mean() == pytest.approx(having[~positive].mean(), abs=0.12)
    assert any(len(study.findings) >= 3 for study in studies)
    assert any(not study.findings for study in studies)


# Options, interruptions and what is there already


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confounders": "some"}, "confounders=some: choose one of none, balanced, biased"),
        ({"patients": 0}, "0 phantoms of 32 px"),
        ({"patients": -3}, "-3 phantoms of 32 px"),
        ({"size": 31}, "of 31 px"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_a_line(
    options: dict, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        write_phantoms(tmp_path / "c", **{"patients": 2, "size": 32, **options})
    assert "\n" not in str(caught.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interruption_leaves_nothing_and_the_next_call_draws_it(
    error: type[BaseException], tmp_path: Path
) -> None:
    seen = []

    def interrupted(items: Iterable[int]) -> Iterator[int]:
        for item in items:
            if item == 3:
                [partial] = tmp_path.iterdir()
                seen.extend((partial / "images").iterdir())
                raise error
            yield item

    with pytest.raises(error):
        write_phantoms(tmp_path / "c", patients=4, size=32, progress=interrupted)
    assert seen, "it was in the middle"
    assert not [*tmp_path.iterdir()]
    write_phantoms(tmp_path / "c", patients=4, size=32)
    assert {study.patient for study in read_archive(tmp_path / "c").studies} == set("1234")


def test_what_lies_where_phantoms_belong_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c/mine.txt").write_text("mine")
    write_phantoms(tmp_path / "c", patients=2, size=32)
    [aside] = tmp_path.glob("c-aside-*")
    assert files(aside) == {"c/mine.txt": b"mine"}
    assert {study.patient for study in read_archive(tmp_path / "c").studies} == set("12")


# As a source of the data


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_the_source_draws_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"patients": 3, "seed": 2, "size": 32, "confounders": "biased"}
    source = Phantoms(**options)
    folder = source.folder(tmp_path)
    first = stamps(folder)
    write_phantoms(tmp_path / "same", **options)
    assert files(folder) == files(tmp_path / "same")
    monkeypatch.delattr(phantom_corpus, "draw_phantom")
    assert Phantoms(**options).folder(tmp_path) == folder
    assert stamps(folder) == first


@pytest.mark.usefixtures("undrawn")
def test_any_option_names_another_folder(tmp_path: Path) -> None:
    source = Phantoms(patients=3, seed=0, size=32)
    changes = [{}, {"patients": 4}, {"seed": 1}, {"size": 33}]
    changes += [{"confounders": kind} for kind in ("none", "biased")]
    folders = [replace(source, **change).folder(tmp_path) for change in changes]
    assert len({folder.name for folder in folders}) == len(changes)
    assert set(folders) == set(tmp_path.iterdir())


@pytest.mark.usefixtures("undrawn")
def test_other_drawing_code_names_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, code, data = Phantoms(patients=1, size=32), tmp_path / "code", tmp_path / "data"
    shutil.copytree(
        Path(phantom_corpus.__file__).parent, code, ignore=shutil.ignore_patterns("*.pyc")
    )
    before = source.folder(data)
    monkeypatch.setattr(phantom_corpus, "__file__", str(code / "phantom_corpus.py"))
    (code / "roc.py").write_text("# has no part in it")
    assert source.folder(data) == before
    for part in sorted(code.glob("phantom*.py")):
        part.write_text(part.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        assert source.folder(data) != before
        before = source.folder(data)
    assert len([*data.iterdir()]) == 1 + len([*code.glob("phantom*.py")])
