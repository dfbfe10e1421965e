"""The archive's own split is the published one, and is refused where it would leak."""

from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.splits import Split
from dlcourse.xray.archive import patient_of, read_index
from dlcourse.xray.official import TEST_LIST, TRAIN_VAL_LIST, Official
from dlcourse.xray.studies import PNEUMOTHORAX, Study

DATA = Path(__file__).resolve().parents[3] / "shared/data/chestxray"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no chestxray beside the repository")
REST = [f"{patient:08d}_{image:03d}.png" for patient in range(20) for image in range(3)]
TEST = [f"{patient:08d}_{image:03d}.png" for patient in range(20, 30) for image in range(2)]
NAMES = [f"images/{name}" for name in (*REST, *TEST)]


@pytest.fixture
def own(tmp_path: Path) -> Official:
    return lists(tmp_path, REST, TEST)


def lists(folder: Path, rest: list[str], test: list[str]) -> Official:
    (folder / TRAIN_VAL_LIST).write_text("\n".join(rest))
    (folder / TEST_LIST).write_text("\r\n".join([*test, ""]))
    return Official(val=0.2, verify=False).within(folder)


def assign(split: Split, names: list[str] = NAMES) -> dict[str, str]:
    groups = [patient_of(name) for name in names]
    return dict(zip(names, split.assign(groups, names), strict=True))


@pytest.fixture(scope="module")
def index() -> list[Study]:
    return list(read_index(DATA).values())


@needs_data
def test_the_official_split_has_the_published_numbers(index: list[Study]) -> None:
    patients, names = [s.patient for s in index], [s.file for s in index]
    splits = np.array(Official(val=0.1).within(DATA).assign(patients, names))
    positive = np.array([s.has(PNEUMOTHORAX) for s in index])
    own = {split: {p for p, s in zip(patients, splits, strict=True) if s == split} for split in
           ("train", "val", "test")}  # fmt: skip
    assert ((splits != "test").sum(), (splits == "test").sum()) == (86_524, 25_596)
    assert round(100 * positive[splits != "test"].mean(), 2) == 3.05
    assert round(100 * positive[splits == "test"].mean(), 2) == 10.41
    assert sum(map(len, own.values())) == len(set(patients)) == 30_805
    assert len(own["val"]) == round(0.1 * len(own["val"] | own["train"]))
    boxed = {split for s, split in zip(index, splits, strict=True) if s.boxes}
    assert boxed == {"test"}


@needs_data
def test_a_part_of_the_archive_follows_the_same_lists() -> None:
    names = [f"images/{path.name}" for path in (DATA / "images").iterdir()]
    splits = assign(Official().within(DATA), names)
    test = set((DATA / TEST_LIST).read_text().split())
    assert {n for n, s in splits.items() if s == "test"} == {n for n in names if n[7:] in test}


def test_the_lists_decide_and_validation_is_a_share_of_the_patients(own: Official) -> None:
    splits = assign(own)
    assert {n for n, s in splits.items() if s == "test"} == {f"images/{n}" for n in TEST}
    val = {patient_of(n) for n, s in splits.items() if s == "val"}
    assert len(val) == 4
    assert not val & {patient_of(n) for n, s in splits.items() if s == "train"}


def test_only_the_split_seed_decides_who_validates(own: Official) -> None:
    assert assign(own, NAMES[::-1]) == assign(own)
    other = Official(val=0.2, verify=False, split_seed=1).within(str(own.folder))
    assert assign(other) != assign(own)


def test_a_folder_that_was_named_stays(own: Official, tmp_path: Path) -> None:
    assert own.within(tmp_path / "elsewhere") == own


def test_lists_of_ones_own_have_to_be_asked_for(own: Official) -> None:
    with pytest.raises(InputError) as caught:
        assign(Official().within(str(own.folder)))
    said = str(caught.value)
    assert f"{TEST_LIST}: is not the published list (MD5 " in said
    assert "expected adeeabf20ea2a8eb66ced87b78434400); split.verify=false" in said


def test_an_image_has_to_stand_in_one_of_the_lists(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"00000003_001\.png: stands in neither of test_list\.txt"):
        assign(lists(tmp_path, [n for n in REST if n != "00000003_001.png"], TEST))
    with pytest.raises(InputError, match=r"00000003_001\.png: stands in both of test_list\.txt"):
        assign(lists(tmp_path, REST, [*TEST, "00000003_001.png"]))


def test_a_patient_of_both_lists_is_named(tmp_path: Path) -> None:
    moved = ["00000003_001.png", "00000011_002.png"]
    split = lists(tmp_path, [n for n in REST if n not in moved], [*TEST, *moved])
    with pytest.raises(InputError, match=r"share the patient '3'.*; 2 are in several: '3', '11'$"):
        assign(split)


def test_missing_lists_and_impossible_shares_are_errors(own: Official, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: no test_list\.txt here; split\.folder="):
        assign(Official(verify=False).within(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"split=official: no test_list\.txt here"):
        assign(Official(verify=False))
    for val in (0.0, 1.0, -0.1):
        with pytest.raises(InputError, match="above 0 and below 1"):
            assign(Official(val=val, verify=False).within(str(own.folder)))
