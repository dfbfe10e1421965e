"""The failure atlas: honest colours, a table that can be read back, a page safe to open."""

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dlcourse.xray.atlas import (
    COLUMNS,
    AtlasEntry,
    outline_picture,
    overlay_picture,
    palette,
    write_atlas,
)
from dlcourse.xray.atlas_records import atlas_records, outcome, safe_stem, wrongness
from dlcourse.xray.studies import Box, Study
from tests.test_pages import Reader

SIZE, THRESHOLD = 32, 0.3
HOSTILE = "b/<script>alert(1)</script> 'x' \"y\".png"
BIAS = np.array([0.5, -0.25], np.float32)
IMAGE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)


def study(file: str, **known: object) -> Study:
    return Study(file, None, "13", **known)


def peaked(row: int, column: int, *, height: float = 4.0) -> np.ndarray:
    """Maps (2, 4, 4) whose evidence is 1 against everywhere, but for one cell."""
    cams = np.zeros((2, 4, 4), np.float32)
    cams[0] = 1
    cams[1, row, column] = height + 1
    return cams


def entry(file: str, probability: float, label: int | None, **known: object) -> AtlasEntry:
    cams = known.pop("cams", peaked(1, 2))
    return AtlasEntry(study(file, **known), IMAGE, probability, cams, label)


@pytest.fixture
def entries(tmp_path: Path) -> list[AtlasEntry]:
    """One of each outcome and more: marks of all kinds, two files of one name, hostile texts."""
    mask = tmp_path / "mask.png"
    pixels = np.zeros((64, 64), np.uint8)
    pixels[16:32, 32:48] = 255  # just the cell of `peaked(1, 2)`
    Image.fromarray(pixels).save(mask)
    box = Box("Pneumothorax", 0.0, 0.0, 0.25, 0.25)
    quoted = {"drain": "yes", 'a "b" <i>': "'q', \"r\"\nnext & <b>"}
    return [
        entry("a/x.png", 0.9, 1, mask=mask, view="PA", age=57, sex="F", follow_up=0),
        entry("b/x.png", 0.31, 0, boxes=(box,), notes={"drain": "no"}, view="AP"),
        entry("m.png", 0.01, 1, boxes=(replace(box, x=0.5, y=0.25),), findings={"Effusion"}),
        entry("n.png", 0.005, 0, boxes=(replace(box, finding="Nodule", x=0.5, y=0.25),)),
        entry(HOSTILE, 0.3, None, notes=quoted, adjudicated={"Pneumothorax": True}),
    ]


@pytest.fixture
def folder(entries: list[AtlasEntry], tmp_path: Path) -> Path:
    return write(entries, tmp_path / "atlas")


def write(entries: list[AtlasEntry], folder: Path, **options: object) -> Path:
    given = {"title": "T", "finding": "Pneumothorax", "threshold": THRESHOLD, "bias": BIAS}
    given |= {"facts": {"Run": HOSTILE}, "command": f"explain {HOSTILE}"}
    page = write_atlas(entries, folder, **(given | options))
    assert page == folder / "index.html"
    return folder


def read(folder: Path) -> Reader:
    return Reader((folder / "index.html").read_text(encoding="utf-8"))


def cards(reader: Reader) -> list[dict[str, str | None]]:
    return [found for found in reader.named("article") if "data-outcome" in found]


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def rgba(values: np.ndarray, *, limit: float) -> np.ndarray:
    return np.asarray(overlay_picture(values, (SIZE, SIZE), limit=limit).convert("RGBA"))


def test_a_map_that_adds_nothing_is_all_clear() -> None:
    assert (rgba(np.zeros((4, 4)), limit=2.0)[..., 3] == 0).all()


@settings(max_examples=40)
@given(value=st.floats(-3, 3), other=st.floats(-3, 3), limit=st.floats(0.5, 3))
def test_one_value_has_one_colour_in_every_image(value: float, other: float, limit: float) -> None:
    alone = rgba(np.full((1, 1), value), limit=limit)
    beside = rgba(np.array([[value, other]]), limit=limit)
    assert (alone[:, : SIZE // 4] == beside[:, : SIZE // 4]).all()  # to the middle of its cell


@settings(max_examples=40)
@given(value=st.floats(0, 5), limit=st.floats(0.5, 3))
def test_for_and_against_are_equally_opaque_in_proportion_up_to_the_limit(
    value: float, limit: float
) -> None:
    red, blue = (rgba(np.full((2, 2), sign * value), limit=limit)[0, 0] for sign in (1, -1))
    assert red[3] == blue[3]
    assert abs(red[3] / 255 - min(value / limit, 1)) < 1 / 127
    if red[3]:
        assert red[0] > red[2]
        assert blue[2] > blue[0]


def test_the_picture_is_the_bilinear_map_of_half_pixel_centres() -> None:
    """Against numpy's interpolation along each axis, written without torch."""
    values = np.random.default_rng(1).uniform(-1, 1, (4, 5))
    at = [(np.arange(SIZE) + 0.5) * n / SIZE - 0.5 for n in values.shape]
    rows = np.stack([np.interp(at[1], np.arange(5), row) for row in values])
    large = np.stack([np.interp(at[0], np.arange(4), column) for column in rows.T], axis=1)
    shades = np.asarray(overlay_picture(values, (SIZE, SIZE), limit=1.0)).astype(int) - 127
    assert np.abs(shades / 127 - large).max() < 0.6 / 127
    assert (rgba(values, limit=1.0) == palette()[shades + 127]).all()


def test_evidence_and_classes_have_one_scale_each_over_all_images(
    entries: list[AtlasEntry], tmp_path: Path
) -> None:
    """A map half as strong as that of another image is half as opaque, and not stretched."""
    pair = [entry(f"{h}.png", 0.5, 1, cams=np.full((2, 2, 2), h) * [[[-1]], [[2]]]) for h in (1, 2)]
    write(pair, tmp_path / "pair")
    alphas = {
        name: [
            int(np.asarray(Image.open(p).convert("RGBA"))[0, 0, 3])
            for p in sorted((tmp_path / "pair").glob(f"*-{name}.png"))
        ]
        for name in ("evidence", "class0", "class1")
    }
    shares = {"evidence": [0.5, 1], "class0": [0.25, 0.5], "class1": [0.5, 1]}
    for name, found in alphas.items():
        assert np.allclose(np.array(found) / 255, shares[name], atol=1 / 127), name
    text = read(tmp_path / "pair").text
    assert "against −6" in text  # of the log-odds
    assert "against −4" in text  # of a class


def test_an_outline_is_the_border_of_the_mask_alone() -> None:
    mask = np.zeros((8, 8), bool)
    mask[2:6, 3:8] = True
    alpha = np.asarray(outline_picture(mask).convert("RGBA"))[..., 3]
    inner = np.zeros((8, 8), bool)
    inner[3:5, 4:7] = True
    assert (alpha == np.where(mask & ~inner, 255, 0)).all()


@pytest.mark.parametrize(
    ("probability", "label", "expected"),
    [(0.3, 1, "TP"), (0.3, 0, "FP"), (0.29, 1, "FN"), (0.29, 0, "TN"), (0.9, None, "-")],
)
def test_the_threshold_itself_is_positive(
    probability: float, label: int | None, expected: str
) -> None:
    assert outcome(probability, label, threshold=0.3) == expected


@given(p=st.floats(0, 1), threshold=st.floats(0.01, 0.99), label=st.sampled_from([0, 1]))
def test_a_failure_is_more_wrong_than_any_hit(p: float, threshold: float, label: int) -> None:
    wrong = wrongness(p, label, threshold=threshold)
    assert wrong == -wrongness(p, 1 - label, threshold=threshold)
    if wrong != 0:
        assert (wrong > 0) == (outcome(p, label, threshold=threshold) in ("FP", "FN"))
    assert wrongness(p, None, threshold=threshold) < -1e9


def test_a_miss_and_a_false_alarm_by_the_same_odds_are_equally_wrong() -> None:
    odds = 0.03 / 0.97
    miss, alarm = (o / (1 + o) for o in (odds / 5, odds * 5))
    assert math.isclose(wrongness(miss, 1, threshold=0.03), math.log(5))
    assert math.isclose(wrongness(alarm, 0, threshold=0.03), math.log(5))


def test_the_maximum_is_the_middle_of_its_cell_and_is_looked_up_in_the_marks(
    entries: list[AtlasEntry],
) -> None:
    records = atlas_records(entries, finding="pneumothorax", threshold=THRESHOLD, index=1)
    assert {(r.x, r.y, r.peak) for r in records} == {(2.5 / 4, 1.5 / 4, 4.0)}
    # In the mask; not in the box; in the box; that one is of another finding; no mark.
    assert [r.inside for r in records] == [True, False, True, None, None]
    assert [r.outcome for r in records] == ["TP", "FP", "FN", "TN", "-"]
    expected = np.zeros((SIZE, SIZE), bool)
    expected[8:16, 16:24] = True
    assert (records[0].mask == expected).all()


def test_a_flat_map_has_no_place_for_its_maximum(entries: list[AtlasEntry]) -> None:
    flat = replace(entries[0], cams=np.zeros((2, 4, 4), np.float32))
    (record,) = atlas_records([flat], finding="Pneumothorax", threshold=THRESHOLD, index=1)
    assert (record.x, record.y, record.inside, record.peak) == (None, None, None, 0.0)


def test_the_table_reads_back(entries: list[AtlasEntry], folder: Path) -> None:
    rows = table(folder)
    assert list(rows[0]) == [*COLUMNS, "note_drain", 'note_a "b" <i>']
    assert [row["file"] for row in rows] == [e.study.file for e in entries]
    assert [float(row["probability"]) for row in rows] == [e.probability for e in entries]
    assert [row["label"] for row in rows] == ["1", "0", "1", "0", ""]
    assert [row["inside"] for row in rows] == ["yes", "no", "yes", "", ""]
    assert [row["age"] for row in rows] == ["57", "", "", "", ""]
    assert rows[4]['note_a "b" <i>'] == entries[4].study.notes['a "b" <i>']
    for row in rows:
        label = int(row["label"]) if row["label"] else None
        again = outcome(float(row["probability"]), label, threshold=float(row["threshold"]))
        assert row["outcome"] == again


def test_names_of_pictures_are_plain_and_never_meet() -> None:
    assert safe_stem(1, "a/x.png") != safe_stem(2, "b/x.png")
    for file in (HOSTILE, "..", ".hidden", "x y%2F?#.png", "日本.png", "n" * 300, "-rf.png"):
        assert re.fullmatch(r"0007(-[A-Za-z0-9][A-Za-z0-9._-]{0,59})?", safe_stem(7, file)), file


def test_every_image_has_a_card_and_its_pictures(entries: list[AtlasEntry], folder: Path) -> None:
    reader = read(folder)
    found = cards(reader)
    # The most wrong first: the miss by 29 to 1 before the false alarm, the unknown at the end.
    order = ["m.png", "b/x.png", "a/x.png", "n.png", HOSTILE]
    assert [card["data-file"] for card in found] == order
    assert [card["data-outcome"] for card in found] == ["FN", "FP", "TP", "TN", "-"]
    assert [card["data-wrong"] for card in found] == list("01234")
    assert [card["data-view"] for card in found] == ["unknown", "AP", "PA", "unknown", "unknown"]
    assert [card["data-predicted"] for card in found] == [f"class{i}" for i in (0, 1, 1, 0, 1)]
    assert [card["data-other"] for card in found] == [f"class{i}" for i in (1, 0, 0, 1, 0)]
    by_file = sorted(range(5), key=lambda i: int(found[i]["data-place"] or ""))
    assert [order[i] for i in by_file] == sorted(order)
    named = [v for _, a in reader.tags for k, v in a.items() if v and v.endswith(".png")
             and k in ("src", "href", "data-evidence", "data-class0", "data-class1")]  # fmt: skip
    assert {folder / name for name in named} == set(folder.glob("*.png"))
    assert len(set(named)) == 5 * 4 + 1
    grey = np.asarray(Image.open(folder / "0002-x-image.png"))
    assert (grey == IMAGE).all()


def test_the_page_is_its_own_and_no_text_becomes_a_tag(folder: Path) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    reader = Reader(text)
    assert reader.named("script") == [{}]
    assert "<script>alert" not in text
    assert not any(name.startswith("on") for _, found in reader.tags for name in found)
    assert not reader.named("link")
    assert HOSTILE in reader.text  # as text, in its card
    assert "'q', \"r\"\nnext & <b>" in reader.text
    assert "Not for diagnosis" in reader.text.split("This atlas")[0]


def test_every_picture_has_a_text_and_every_input_a_label(folder: Path) -> None:
    text = (folder / "index.html").read_text(encoding="utf-8")
    reader = Reader(text)
    assert all(image["alt"] and image["loading"] == "lazy" for image in reader.named("img"))
    inputs = re.findall(r"<label>(?:(?!</label>).)*?<input[^>]*>", text)
    assert len(inputs) == len(reader.named("input")) > 15
    assert all(found["aria-label"] for found in reader.named("select"))
    assert all(found["aria-label"] for found in reader.named("svg"))
    assert len(re.findall("<fieldset><legend>", text)) == len(reader.named("fieldset"))
    live = [found for _, found in reader.tags if found.get("aria-live") == "polite"]
    assert [found["id"] for found in live] == ["count"]
    assert reader.named("form")[0]["hidden"] is None  # until there is a script that acts on it
    assert "hidden" in reader.named("form")[0]
    assert reader.named("noscript")


def test_controls_offer_what_the_images_have(folder: Path) -> None:
    reader = read(folder)
    inputs = reader.named("input")
    offered = {
        n: [i["value"] for i in inputs if i["name"] == n] for n in ("outcome", "view", "map")
    }
    assert offered["outcome"] == ["TP", "FP", "FN", "TN", "-"]
    assert offered["view"] == ["PA", "AP", "unknown"]
    assert offered["map"] == ["evidence", "class0", "class1", "predicted", "other"]
    checked = {i["value"] for i in inputs if i["type"] == "radio" and "checked" in i}
    assert checked == {"wrong", "evidence"}
    for words in ("TP, found (1)", "AP (1)", "unknown (3)", "5 of 5 shown", "drain: no"):
        assert words in reader.text
    scores = [float(card["data-score"] or "nan") for card in cards(reader)]
    low, high = ([float(i[k] or "nan") for i in inputs if i["name"] == n] for n, k in
                 (("low", "value"), ("high", "value")))  # fmt: skip
    assert low[0] <= min(scores)
    assert max(scores) <= high[0]


def test_the_group_filter_finds_the_images_that_have_it(folder: Path) -> None:
    reader = read(folder)
    names = re.findall(r'<option value="(\d+)">([^<]*)', (folder / "index.html").read_text())
    having = {
        name: {c["data-file"] for c in cards(reader) if place in (c["data-groups"] or "").split()}
        for place, name in names
    }
    assert having["drain: yes"] == {HOSTILE}
    assert having["drain: no"] == {"b/x.png"}
    assert having["also labelled: Effusion"] == {"m.png"}
    assert having["panel says: yes"] == {HOSTILE}
    assert having["sex: F"] == {"a/x.png"}


def test_a_note_of_many_values_makes_no_groups(tmp_path: Path) -> None:
    many = [entry(f"{i}.png", 0.5, 1, notes={"rim": f"{i}"}) for i in range(20)]
    assert not read(write(many, tmp_path / "many")).named("option")


def test_the_log_odds_are_the_bias_and_the_mean_of_the_map(folder: Path, tmp_path: Path) -> None:
    # The map's mean is (15 * -1 + 4) / 16 = -0.6875, the bias -0.25 - 0.5.
    assert "-1.44 = bias -0.75, mean of the map -0.688" in read(folder).text
    without = write([entry("a.png", 0.5, 1)], tmp_path / "without", bias=None)
    assert "bias" not in read(without).text.split("Four questions")[1]


def test_links_of_the_questions_name_controls_that_exist(folder: Path) -> None:
    reader = read(folder)
    offered = {(i["name"], i["value"]) for i in reader.named("input")}
    presets = [a["href"] or "" for a in reader.named("a") if a.get("class") == "preset"]
    assert len(presets) >= 4
    for preset in presets:
        for pair in preset.removeprefix("#").split("&"):
            assert tuple(pair.split("=")) in offered, preset


def test_one_logit_has_its_map_as_evidence_and_many_name_the_finding(tmp_path: Path) -> None:
    one = [entry("a.png", 0.5, 1, cams=peaked(0, 3)[1:])]
    folder = write(one, tmp_path / "one", bias=np.array([0.5]))
    assert [p.name for p in sorted(folder.glob("*.png"))] == ["0001-a-evidence.png",
                                                              "0001-a-image.png"]  # fmt: skip
    assert "+0.812 = bias +0.5, mean of the map +0.312" in read(folder).text
    cams = np.stack([peaked(0, 3)[1], peaked(2, 1)[1], peaked(3, 3)[1]])
    names = ("Effusion", "Pleural_Thickening", "Nodule")
    three = write([entry("a.png", 0.5, 1, cams=cams)], tmp_path / "three", classes=names,
                  finding="pleural thickening", bias=None)  # fmt: skip
    assert (table(three)[0]["x"], table(three)[0]["y"]) == (str(1.5 / 4), str(2.5 / 4))
    offered = [i["value"] for i in read(three).named("input") if i["name"] == "map"]
    assert offered == ["evidence", "class0", "class1", "class2"]


@pytest.mark.parametrize(
    ("channels", "classes"), [(3, ()), (3, ("a", "b", "c")), (2, ("Pneumothorax", "none"))]
)
def test_classes_that_do_not_fit_are_refused(
    tmp_path: Path, channels: int, classes: tuple[str, ...]
) -> None:
    odd = [entry("a.png", 0.5, 1, cams=np.zeros((channels, 2, 2), np.float32))]
    with pytest.raises(ValueError, match=f"{channels} classes"):
        write(odd, tmp_path / "odd", classes=classes)


def test_an_atlas_that_fails_leaves_no_page_of_an_earlier_one(
    entries: list[AtlasEntry], folder: Path
) -> None:
    def stop(records: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(entries, folder, progress=stop)
    assert not list(folder.glob("*.html")) + list(folder.glob("*.csv")) + list(folder.glob(".*"))


def test_an_atlas_of_sixty_images_stays_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:256, :256] / 255
    many = []
    for i in range(6):
        image = 255 * np.clip(
            np.sin(4 * x + i) * np.cos(3 * y) + rng.normal(0, 0.02, x.shape), 0, 1
        )
        cams = rng.normal(size=(2, 16, 16)).astype(np.float32)
        many.append(AtlasEntry(study(f"{i}.png"), image.astype(np.uint8), 0.5, cams, 1))
    folder = write(many, tmp_path / "many")
    assert sum(p.stat().st_size for p in folder.iterdir()) < 10e6 * len(many) / 60
