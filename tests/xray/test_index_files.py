"""The archive's CSV files become studies; whatever is wrong is one line with its file and row."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.xray.archive import read_index
from dlcourse.xray.studies import Box
from tests.xray.tiny_archive import BOX_HEADER, HEADER, ROWS, write_index


def test_every_column_of_a_row_becomes_a_field(tmp_path: Path) -> None:
    studies = read_index(write_index(tmp_path))
    first, _, third, _ = studies.values()
    assert (first.patient, first.age, first.sex, first.view, first.follow_up) == (
        "1", 57, "M", "PA", 0,
    )  # fmt: skip
    assert first.findings == {"Cardiomegaly", "Emphysema"}
    assert studies["00000001_001.png"].findings == frozenset()
    assert (third.age, third.follow_up) == (None, 26), "414 years are an error of the archive"


def test_the_header_of_2017_and_its_spelled_ages_say_the_same(tmp_path: Path) -> None:
    rows = [row.replace(",57,", ",057Y,") + "," for row in ROWS]
    old = write_index(tmp_path / "a", rows, header=f"{HEADER},", name="Data_Entry_2017.csv")
    new = write_index(tmp_path / "b")
    assert [vars(s) for s in read_index(old).values()] == [
        vars(s) for s in read_index(new).values()
    ]


@pytest.mark.parametrize(
    ("age", "years"),
    {
        "58": 58,
        "058Y": 58,
        "012M": 1,
        "011M": 0,
        "003D": 0,
        "120": 120,
        "1440M": 120,
        "121": None,
        "414": None,
        "": None,
        "1500M": None,
    }.items(),
)
def test_ages_are_years_whatever_their_unit(tmp_path: Path, age: str, years: int | None) -> None:
    row = ROWS[0].replace(",57,", f",{age},")
    assert read_index(write_index(tmp_path, [row]))["00000001_000.png"].age == years


def test_boxes_panel_and_notes_join_their_images(tmp_path: Path) -> None:
    write_index(tmp_path)
    boxes = [
        "00000020_000.png,Infiltrate,256,512,128,64,,,",
        "00000020_000.png,Mass,0,0,1024,1024",
        "00009999_000.png,Mass,1,1,1,1",
    ]
    write_index(tmp_path, boxes, header=BOX_HEADER, name="BBox_List_2017.csv")
    (tmp_path / "google2019_adjudicated_labels.csv").write_bytes(
        b"Image Index,Fracture,Pneumothorax,Set Id\r\n00000020_000.png,NO,YES,test\r\n"
        b"00000013_026.png,,NO,val\r\n"
    )
    notes = ["00000013_026.png,yes,left"]
    write_index(tmp_path, notes, header="Image Index,drain,side", name="phantoms.csv")
    studies = read_index(tmp_path)
    assert studies["00000020_000.png"].boxes == (
        Box("Infiltration", 0.25, 0.5, 0.125, 0.0625),
        Box("Mass", 0.0, 0.0, 1.0, 1.0),
    )
    assert studies["00000020_000.png"].adjudicated == {"Fracture": False, "Pneumothorax": True}
    assert studies["00000013_026.png"].adjudicated == {"Pneumothorax": False}
    assert studies["00000013_026.png"].notes == {"drain": "yes", "side": "left"}
    assert studies["00000001_000.png"].notes == {}


ROW = ROWS[0]
WRONG_INDEX = [
    ("Image,Findings\n", "row 1: no column 'Image Index'; found Image, Findings; needed Image In"),
    ("", "row 1: no column 'Image Index'; found nothing"),
    (f"{HEADER}\n{ROW},more\n", "row 2: 12 cells; the header names 11 columns"),
    (f"{HEADER}\n\n{ROW[:40]}\n", "row 3: 3 cells; the header names 11 columns"),
    (f"{HEADER}\n{ROW.replace('Cardio', 'Kardio')}\n", "row 2: unknown finding 'Kardiomegaly'; kn"),
    (f"{HEADER}\n{ROW.replace('Cardiomegaly|', '|')}\n", "row 2: unknown finding ''"),
    (f"{HEADER}\n{ROW.replace(',57,', ',old,')}\n", "row 2: 'old' is no age"),
    (f"{HEADER}\n{ROW.replace(',0,1,', ',x,1,')}\n", "row 2: 'x' is no follow-up number"),
    (
        f"{HEADER}\n{ROW}\n{ROWS[1]}\n{ROW.replace('|Emphysema', '')}\n",
        "row 4: 00000001_000.png is of patient 1 with Cardiomegaly; a row above says patient 1 "
        "with Cardiomegaly|Emphysema",
    ),
    (f"{HEADER}\n{ROW}\n{ROW.replace(',0,1,', ',0,2,')}\n", "row 3: 00000001_000.png is of pati"),
]


@pytest.mark.parametrize(("content", "message"), WRONG_INDEX)
def test_a_wrong_index_is_one_line_that_names_file_and_row(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "Data_Entry_2017.csv").write_text(content)
    with pytest.raises(InputError) as caught:
        read_index(tmp_path)
    said = str(caught.value)
    assert f"Data_Entry_2017.csv, {message}" in said
    assert "\n" not in said


def test_a_row_that_stands_twice_and_says_the_same_is_one(tmp_path: Path) -> None:
    assert len(read_index(write_index(tmp_path, [*ROWS, ROWS[0]]))) == len(ROWS)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_named_with_its_row(tmp_path: Path, encoding: str) -> None:
    content = f"{HEADER}\n{ROWS[0]}\n{ROWS[1].replace('No Finding', 'Ödem')}\n"
    (tmp_path / "Data_Entry_2017.csv").write_bytes(content.encode(encoding))
    row = {"utf-16": 1, "latin-1": 3}[encoding]
    with pytest.raises(InputError, match=rf"2017\.csv, row {row}: byte 0x.. is not UTF-8 text"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("00000020_000.png,Tumour,1,2,3,4", "row 2: unknown finding 'Tumour'"),
        ("00000020_000.png,Mass,1,2,three,4", "row 2: x, y, width and height are needed"),
        ("00000020_000.png,Mass,1,2,3", "row 2: 5 cells; the header names 6 columns"),
        ("00000020_000.png,Mass,1000,2,300,4", "row 2: 1000, 2, 300, 4 is no box within 1024 x"),
        ("00000020_000.png,Mass,1,2,0,4", "row 2: 1, 2, 0, 4 is no box"),
        ("00000020_000.png,Mass,nan,2,3,4", "row 2: nan, 2, 3, 4 is no box"),
    ],
)
def test_a_wrong_box_is_named_with_its_row(tmp_path: Path, row: str, message: str) -> None:
    write_index(tmp_path)
    write_index(tmp_path, [row], header=BOX_HEADER, name="BBox_List_2017.csv")
    with pytest.raises(InputError, match=message):
        read_index(tmp_path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_bytes_an_index_is_read_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray("\n".join([HEADER, *ROWS, ""]).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "Data_Entry_2017.csv").write_bytes(content)
    said = "Data_Entry_2017.csv, row "
    try:
        read_index(tmp_path)
    except InputError as error:
        said = str(error)
    assert "Data_Entry_2017.csv, row " in said
