"""Diagrams as pictures: rows follow arrows, boxes do not overlap, and texts are escaped."""

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from dlcourse.basics.diagrams import Box, Diagram
from dlcourse.basics.drawing import svg, write_svg
from dlcourse.basics.layout import places, rows


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """Any graph without cycles: arrows lead from smaller to larger numbers."""
    count = draw(st.integers(1, 9))
    names = st.text("abcxyz", min_size=1, max_size=12)
    boxes = tuple(
        Box(str(i), tuple(draw(st.lists(names, min_size=1, max_size=3)))) for i in range(count)
    )
    pairs = [(str(a), str(b)) for a, b in combinations(range(count), 2)]
    return Diagram(boxes, tuple(pair for pair in pairs if draw(st.booleans())))


@given(diagrams())
def test_arrows_lead_down(diagram: Diagram) -> None:
    row, (middle, paths) = rows(diagram), places(diagram)
    assert min(row.values()) == 0
    for start, end in diagram.arrows:
        assert row[start] < row[end]
    for path in paths:
        heights = [middle[key][1] for key in path]
        assert heights == sorted(set(heights))


@given(diagrams())
def test_no_two_boxes_overlap(diagram: Diagram) -> None:
    middle, _ = places(diagram)
    for one, two in combinations(diagram.boxes, 2):
        (x, y), (u, v) = middle[one.key], middle[two.key]
        apart = abs(x - u) >= (one.size[0] + two.size[0]) / 2 + 5
        assert apart or abs(y - v) >= (one.size[1] + two.size[1]) / 2 + 5


@given(diagrams())
def test_everything_lies_within_the_picture(diagram: Diagram) -> None:
    picture = svg(diagram, title="any")
    left, top, width, height = map(float, re.search(r'viewBox="([^"]+)"', picture)[1].split())
    for x, y, w, h in re.findall(
        r'<rect x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"', picture
    ):
        assert left <= float(x) <= float(x) + float(w) <= left + width
        assert top <= float(y) <= float(y) + float(h) <= top + height


def test_inputs_stand_right_above_where_they_are_used() -> None:
    boxes = tuple(Box(key, (key,)) for key in ("x", "late", "first", "second"))
    diagram = Diagram(boxes, (("x", "first"), ("first", "second"), ("late", "second")))
    assert rows(diagram) == {"x": 0, "first": 1, "late": 1, "second": 2}


def test_arrows_that_could_cross_do_not() -> None:
    boxes = tuple(Box(key, (key,)) for key in "abAB")
    middle, _ = places(Diagram(boxes, (("a", "B"), ("b", "A"))))
    assert (middle["a"][0] < middle["b"][0]) == (middle["B"][0] < middle["A"][0])


def test_the_file_is_xml_with_its_texts_and_all_arrows(tmp_path: Path) -> None:
    boxes = (Box("0", ("x < 1 & y", "4")), Box("1", ("out",)))
    write_svg(Diagram(boxes, (("0", "1"),)), tmp_path / "a.svg", title="a <graph>")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert [node.text for node in root.iter(f"{space}text")] == ["x < 1 & y", "4", "out"]
    assert root.find(f"{space}title").text == "a <graph>"
    assert sum("marker-end" in node.attrib for node in root.iter(f"{space}path")) == 1
