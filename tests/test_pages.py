"""HTML pages: well formed, self-contained, and safe whatever the texts in them are."""

from html.parser import HTMLParser

import numpy as np
import pytest

from dlcourse import pages

HOSTILE = '</title></script><script>alert("1")</script> & \'x\' "y" onload=z'
VOID_TAGS = {"meta", "link", "img", "br", "hr", "input"}


class Reader(HTMLParser):
    """Checks that every tag is closed in order; collects tags, cells and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes something else"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def everything() -> str:
    body = pages.card(
        HOSTILE,
        pages.alert(HOSTILE),
        pages.audio(HOSTILE, HOSTILE),
        pages.figure(HOSTILE, HOSTILE, caption=HOSTILE),
        pages.download(HOSTILE, HOSTILE),
        pages.facts({HOSTILE: HOSTILE}),
        pages.table([HOSTILE, "n"], [[HOSTILE, 1]], caption=HOSTILE),
        pages.code(HOSTILE, label=HOSTILE),
    )
    return pages.page(HOSTILE, body, notice=HOSTILE)


@pytest.mark.trust
def test_a_page_with_every_element_is_well_formed_and_hostile_text_stays_text() -> None:
    text = everything()
    reader = Reader(text)
    assert text.startswith("<!DOCTYPE html>")
    assert [tag for tag, _ in reader.tags[:2]] == ["html", "head"]
    assert not reader.named("script")
    assert not any(name.startswith("on") for _, found in reader.tags for name in found)
    # As often as it was given as visible text: title, heading, notice, card, alert, caption,
    # download, fact and value, table caption, header and cell, code.
    assert reader.text.count(HOSTILE) == 13


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = everything()
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not Reader(text).named("link")


def test_a_page_follows_dark_mode_and_phones() -> None:
    text = pages.page("t", "")
    assert "prefers-color-scheme: dark" in text
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in Reader(
        text
    ).named("meta")


@pytest.mark.trust
def test_a_script_and_a_style_stand_in_the_page_and_neither_can_be_left() -> None:
    script, style = 'if (1 < 2) { document.title = "&amp;"; }', "p > a { color: red; }"
    text = pages.page("t", "<p>all of it</p>", script=script, style=style)
    reader = Reader(text)
    assert reader.named("script") == [{}]  # no source: it is in the page
    assert text.index("all of it") < text.index(f"<script>{script}</script>")
    assert f"{pages.STYLE}{style}</style>" in text
    for bad in ({"script": "'</SCRIPT>'"}, {"script": "<!-- x"}, {"style": "a {} </style>"}):
        with pytest.raises(ValueError, match="close"):
            pages.page("t", "", **bad)


@pytest.mark.trust
def test_an_element_keeps_its_attributes_whatever_their_values() -> None:
    text = pages.element(
        "select", pages.element("option", value=0), class_="a", data_file=HOSTILE, hidden=True,
        disabled=False, title=None,
    )  # fmt: skip
    reader = Reader(text)
    assert reader.tags == [
        ("select", {"class": "a", "data-file": HOSTILE, "hidden": None}),
        ("option", {"value": "0"}),
    ]
    assert pages.element("img", src="x") == '<img src="x">'


def test_what_is_empty_leaves_no_element_behind() -> None:
    assert pages.alert("") == ""
    assert pages.facts({}) == ""
    assert "notice" not in pages.page("t", "").split("</style>")[1]


def test_numbers_stand_to_the_right_under_their_header() -> None:
    rows = [["a", 3, np.float32(0.1), True], ["b", 40, 1 / 3, False]]
    reader = Reader(pages.table(["name", "steps", "loss", "done"], rows))
    right = [cell.get("class") == "number" for cell in reader.named("th")]
    assert right == [False, True, True, False]
    assert [cell.get("class") == "number" for cell in reader.named("td")] == right * 2
    assert "0.333333" in reader.text
    assert "0.1000" not in reader.text  # a float32 is not shown with its rounding error


def test_a_column_that_is_partly_text_keeps_its_header_on_the_left() -> None:
    reader = Reader(pages.table(["auroc"], [[0.9], ["failed"]]))
    assert reader.named("th") == [{"scope": "col"}]
    assert [cell.get("class") for cell in reader.named("td")] == ["number", None]


def test_a_table_without_rows_still_has_its_header() -> None:
    assert len(Reader(pages.table(["a", "b"], [])).named("th")) == 2


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells"):
        pages.table(["a", "b"], [[1, 2], [3]])


def test_what_scrolls_can_be_reached_from_the_keyboard() -> None:
    for text in (pages.table(["a"], [[1]]), pages.code("x")):
        scrolling = [found for _, found in Reader(text).tags if found.get("class") == "scroll"]
        assert [found["tabindex"] for found in scrolling] == ["0"]
        assert scrolling[0]["aria-label"]


def test_a_file_name_that_is_not_utf8_is_shown_and_linked() -> None:
    name = b"caf\xe9.mid".decode("utf-8", "surrogateescape")  # as Python lists such a file
    assert pages.url(name) == "caf%E9.mid"
    assert pages.url("//example.org/x") == ".///example.org/x", "no other host"
    pages.page(name, pages.download(name, name)).encode("utf-8")
