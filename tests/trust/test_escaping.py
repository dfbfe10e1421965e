"""Names that are tags, scripts, links, formulas or orders to a terminal: shown, and nothing more.

Every page is made twice, with a harmless name and with a strange one: both have the same elements,
the same attributes, the same scripts and styles, and the strange one is read as it is.
"""

import csv
import io
import json
import logging
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
import wandb
import yaml

from dlcourse import pages
from dlcourse.basics.chapters import drawn, heading, text, that_ran
from dlcourse.basics.diagrams import Box, Diagram
from dlcourse.comparison.page.page import write_page
from dlcourse.comparison.tables import write_markdown
from dlcourse.exercises.grading import Grade, feedback, table
from dlcourse.live import LiveCurves
from dlcourse.loggers import end_wandb_runs, wandb_logger
from dlcourse.media import show_table
from dlcourse.music.notes import Song, Track, note_array
from dlcourse.music.render import RenderedSong, draw_piano_roll, songs_page
from dlcourse.search.experiment_file import experiment_file
from dlcourse.search.report import _markdown
from dlcourse.trust.terminal import keep_logs_printable, printable
from dlcourse.xray.atlas import write_atlas
from dlcourse.xray.atlas_records import AtlasEntry
from dlcourse.xray.studies import Box as Marked
from dlcourse.xray.studies import Study
from tests.comparison.made_up import compared, run
from tests.composing import composed, saved
from tests.reading_wandb import read_runs
from tests.reliability import Trials

LONG = 64  # characters: long names are cut short at some places, as all of these are then
HARMLESS = "name".ljust(LONG, ".")
_STRANGE = {
    "a script": "<script>document.title='owned'</script>",
    "the end of a script": "</script><script>document.title='owned'//",
    "the end of a style": "</style></title></pre></textarea><img src=x onerror=alert(1)>",
    "a picture": "\"><img src=x onerror=\"document.title='owned'\">",
    "a handler": "' onmouseover='alert(1)' x='",
    "a bare attribute": "x onload=alert(1) autofocus",
    "a scheme": "javascript:alert(1)",
    "data in an address": "data:text/html,<script>alert(1)</script>",
    "another host": "//example.org/x",
    "a comment": "<!-- <!--> --><![CDATA[ ]]> <?php ?>",
    "entities": "&amp; &lt;b&gt; &#60;i&#62; &quot",
    "styles": "red; } * { display: none } url(http://example.org)",
    "templates": "{{7*7}} ${x} {x} %s %(x)s %d",
    "a formula": "=HYPERLINK(\"http://example.org\")",
    "a table": "a | b | c ` * # \\ ~ [x](javascript:alert(1)) ![x](y)",
    "from right to left": "\u202egnp.exe\u2066",
    "orders to a terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m\r\b",
    "lines": "one\ntwo\r\nthree\u2028four",
    "not UTF-8": b"caf\xe9 \xff\xfe".decode("utf-8", "surrogateescape"),
    "beyond letters": "\U0001f600 e\u0301 \ufeff \ufffe",
}  # fmt: skip
STRANGE = {kind: name.ljust(LONG, ".") for kind, name in _STRANGE.items()}
URLS = ("href", "src", "action", "formaction", "data", "poster", "srcset", "xlink:href")


def strings(data: Any) -> list[str]:
    """All texts of a JSON document."""
    if isinstance(data, dict):
        return [*data, *strings([*data.values()])]
    if isinstance(data, list):
        return [found for item in data for found in strings(item)]
    return [str(data)]


class Skeleton(HTMLParser):
    """What a browser would build: elements with their attributes, in order; and the texts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[Any] = []
        self.texts = [""]
        self.urls: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # What depends on how long a name is, or on which value it is sorted by.
        self.shape.append((tag, [name for name, _ in attrs]))
        for name, value in attrs:
            if name in URLS:
                self.urls.append(value or "")
                value = unquote(value or "", errors="surrogateescape")
            self.texts.append(value or "")
            if name == "style":
                self.shape.append(value)
        self.texts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            try:
                self.texts[-1] = "\n".join(strings(json.loads(self.texts[-1])))
            except ValueError:
                self.shape.append(self.texts[-1])
        self.shape.append(f"/{tag}")
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        self.texts[-1] += data  # which comes in pieces

    def handle_comment(self, data: str) -> None:
        self.shape.append(("comment", data))

    handle_decl = handle_pi = unknown_decl = handle_comment


def seen(name: str) -> str:
    """As it comes out of a file: of UTF-8, with one kind of line ends; small, as findings are."""
    known = name.encode("utf-8", "replace").decode("utf-8")
    return known.replace("\r\n", "\n").replace("\r", "\n").lower()


Made = Callable[[str, Path], str]


def songs(name: str, folder: Path) -> str:
    song = RenderedSong(f"Song 0: {name}", "song-00", {name: name, "Seed": name}, warning=name)
    songs_page([song], folder / "index.html", title=f"New {name}", command=f"generate {name}",
               below=pages.table([name, "n"], [[name, 1]], caption=name))  # fmt: skip
    return (folder / "index.html").read_text(encoding="utf-8")


def atlas(name: str, folder: Path) -> str:
    known = {"view": name, "sex": name, "age": 50, "findings": frozenset({name})}
    box = Marked(name, 0.1, 0.1, 0.2, 0.2)
    one = Study(f"{name}.png", None, name, notes={f"a {name}": name}, boxes=(box,),
                adjudicated={"Pneumothorax": True}, **known)  # fmt: skip
    other = Study("other.png", None, "2", notes={f"a {name}": "other"})
    image, cams = np.zeros((8, 8), np.uint8), np.ones((2, 2, 2), np.float32)
    entries = [AtlasEntry(study, image, 0.5, cams, 1) for study in (one, other)]
    page = write_atlas(
        entries, folder, title=f"T {name}", finding="Pneumothorax", threshold=0.5,
        facts={"Run": name, f"F {name}": name}, command=f"explain {name}",
    )  # fmt: skip
    return page.read_text(encoding="utf-8")


def atlas_of_a_finding(name: str, folder: Path) -> str:
    study = Study("a.png", None, "1", findings=frozenset({name}))
    entry = AtlasEntry(study, np.zeros((8, 8), np.uint8), 0.5, np.ones((2, 2, 2), np.float32), 1)
    page = write_atlas([entry], folder, title="T", finding=name, threshold=0.5, facts={})
    return page.read_text(encoding="utf-8")


def records(name: str) -> list[Any]:
    made = []
    for place, loss in enumerate((f"focal {name}", "other")):
        for seed in (0, 1):
            record = run(place, seed, {"loss": loss, f"net.{name}": loss})
            curves = {s: {**row, f"val/zz {name}": 1.0} for s, row in record.curves.items()}
            item = {"kind": "image", "key": name, "caption": name, "file": name}
            overlay = {"x": [0.0, 1.0], "y": [0.0, 1.0], "xlabel": name, "ylabel": name}
            made.append(
                replace(
                    record,
                    name=f"{name} {place} {seed}",
                    folder=Path(f"sweep/{place}{seed}"),
                    error=name,
                    command=f"train {name}",
                    baselines={name: {"nll": 1.0}},
                    metrics={**record.metrics, name: 1.0},
                    tested={"unit": name},
                    curves=curves,
                    gallery=[item],
                    overlays={name: overlay},
                    provenance={
                        "git_revision": name,
                        "git_changes": [name],
                        "python": name,
                        "versions": {f"p {name}": f"{name} {seed}"},
                    },
                )
            )
    return made


def comparison(name: str, folder: Path) -> Any:
    made = compared(records(name), ["loss", f"net.{name}"], folder=folder / "sweep")
    return replace(made, title=name, verdict=name, notes=[name], unit=name)


def report(name: str, folder: Path) -> str:
    write_page(comparison(name, folder), folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def basics(name: str, folder: Path) -> str:
    box = Box("a", (name, name), "input")
    figure = drawn(Diagram([box], []), "a.svg", name, folder=folder, caption=name)
    body = pages.card(name, text(name, name), heading(name), figure, that_ran(unquote))
    return pages.page(name, body + pages.code(f"basics {name}"), notice=name)


def everything(name: str, folder: Path) -> str:
    files = [pages.audio(name, name), pages.figure(name, name), pages.download(name, name)]
    inner = pages.element("p", pages.escape(name), title=name, data_x=name, aria_label=name)
    link = pages.element("a", pages.escape(name), href=pages.url(name))
    return pages.page(name, "".join([*files, inner, link]))


PAGES: dict[str, Made] = {
    "new songs": songs, "an atlas": atlas, "an atlas of a finding": atlas_of_a_finding,
    "a comparison": report, "part 1": basics, "every element": everything,
}  # fmt: skip


@pytest.mark.parametrize("kind", PAGES)
def test_a_strange_name_on_a_page_is_text(kind: str, tmp_path: Path, trials: Trials) -> None:
    trials(f"strange names on pages: {kind}", usual=len(STRANGE), nightly=len(STRANGE))
    plain = Skeleton(PAGES[kind](HARMLESS, tmp_path / "plain"))
    for number, (what, name) in enumerate(STRANGE.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            page = PAGES[kind](name, tmp_path / str(number))
        found = Skeleton(page)
        assert found.shape == plain.shape, what
        times = sum(words.count(HARMLESS) for words in plain.texts)
        assert sum(words.count(seen(name)) for words in map(seen, found.texts)) == times, what
        for url in found.urls:
            parts = urlsplit(url)
            assert parts.scheme in ("", "data"), what
            assert parts.netloc == "", what
            if parts.scheme == "data":
                assert url.startswith(("data:image/", "data:audio/"))


def test_no_text_gets_out_of_a_picture_s_svg(tmp_path: Path) -> None:
    def shape(name: str) -> list[tuple[str, list[str]]]:
        box = Box("a", (name, name), "input")
        drawn(Diagram([box], []), "a.svg", name, folder=tmp_path)
        tree = ElementTree.parse(tmp_path / "a.svg")
        assert sum(seen(each.text or "").count(seen(name)) for each in tree.iter()) == 3
        return [(each.tag, sorted(each.attrib)) for each in tree.iter()]

    for kind, name in STRANGE.items():
        if kind not in ("orders to a terminal", "beyond letters"):  # XML has no such characters
            assert shape(name) == shape(HARMLESS), kind


def test_a_piano_roll_is_drawn_whatever_the_song_and_its_tracks_are_called(tmp_path: Path) -> None:
    notes = note_array([(0, 480, 60, 90)])
    for number, name in enumerate([*STRANGE.values(), "$\\frac{1}{0", "$x$ \\$", "_hidden", ""]):
        song = Song(name, 480, (Track(notes, name), Track(notes, f"{name} 2")), end=480)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            draw_piano_roll(song, tmp_path / f"{number}.png", title=name)
        assert (tmp_path / f"{number}.png").stat().st_size > 1000


def test_a_report_in_markdown_shows_names_as_they_are(tmp_path: Path) -> None:
    """Nothing in it is a tag, a link or a new line: all of Markdown's own signs are escaped."""

    def lines(name: str) -> list[str]:
        write_markdown(comparison(name, tmp_path), tmp_path / "report.md")
        return (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()

    plain = lines(HARMLESS)
    for kind, name in STRANGE.items():
        if kind == "not UTF-8":
            continue
        found = lines(name)
        assert len(found) == len(plain), kind
        bare = [re.sub(r"\\.", "", line) for line in found]
        assert not [line for line in bare if set("<[`&") & set(line)], kind
        assert [line.count("|") for line in bare] == [line.count("|") for line in plain], kind


class Queue:
    """Stands for a search of which every trial has failed with the same message."""

    def __init__(self, name: str) -> None:
        told = {"error": name}
        state = SimpleNamespace(name="FAIL")
        self.folder = Path(name.replace("/", "-").replace("\n", " ").replace("\r", " "))
        trial = SimpleNamespace(number=0, state=state, user_attrs=told, value=None)
        self.study = SimpleNamespace(get_trials=lambda deepcopy: [trial])


def test_what_failed_in_a_search_is_told_as_text() -> None:
    optuna = pytest.importorskip("optuna")

    def lines(name: str) -> list[str]:
        queue = Queue(name)
        for trial in queue.study.get_trials(False):
            trial.state = optuna.trial.TrialState.FAIL
        return _markdown(queue, None, "tune").splitlines()

    for kind, name in STRANGE.items():
        bare = [re.sub(r"\\.", "", line) for line in lines(name)]
        assert len(bare) == len(lines(HARMLESS)), kind
        assert not [line for line in bare if set("<[`&|") & set(line)], kind


def test_a_strange_word_in_a_command_stays_a_comment_of_an_experiment() -> None:
    text = experiment_file(["seed=1"], {}, {"seed": 1}, comments=["tune a='1\nseed: 7\n'", "x"])
    assert yaml.safe_load(text) == {"defaults": ["_self_"], "seed": 1}


def test_what_a_student_is_told_is_text_and_what_a_teacher_opens_is_no_formula() -> None:
    names = [*STRANGE.values(), *(f"{first}1+1" for first in "=+-@\t\r\n＝＋－＠")]
    for name in names:
        finding = {"ok": False, "text": name}
        outcomes = [{"exercise": e, "state": name, "findings": [finding]} for e in ("a", name)]
        grade = Grade(name, "x", outcomes, [name])
        page = feedback(grade)
        assert len(page.splitlines()) == 8, "title, states, findings, note"
        assert "<" not in page
        assert not re.search(r"(?<!\\)\[", page)
        _, row = csv.reader(io.StringIO(table([grade], ["a"]), newline=""))
        assert not [cell for cell in row if cell[:1] and cell[:1] in "=+-@\t\r\n＝＋－＠"]
        assert row[1:3] == ["0", "1"]
        kept = printable(name)
        expected = f"'{kept}" if kept[0] in "=+-@＝＋－＠" else kept
        assert [row[0], row[3], row[4]] == [expected] * 3


def test_a_log_gives_no_orders_to_a_terminal(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    try:
        keep_logs_printable()
        keep_logs_printable()
        for name in STRANGE.values():
            logging.getLogger("x").warning("%s:\n%s %d", name, name, 7)
    finally:
        logging.setLogRecordFactory(before)
    for message, name in zip(caplog.messages, STRANGE.values(), strict=True):
        assert message.endswith(" 7")
        assert all(c.isprintable() or c in "\n\t" for c in message)
        assert message.count(printable(name, keep="\n\t")) == 2
    assert printable("Øre 音 \x1b[2J\n\u202e") == "Øre 音 \\x1b[2J\\n\\u202e"


def test_a_table_of_w_and_b_holds_names_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    rows = [[name, 1.0] for name in STRANGE.values()]
    logger = wandb_logger(folder=str(tmp_path), project="p", mode="offline", log_model=False)
    show_table([logger], "predictions", rows, columns=["file", "probability"], step=1)
    end_wandb_runs([logger])
    wandb.teardown()  # whose own process may still be writing
    (found,) = read_runs(tmp_path)
    told = [row["file"] for row in found.table("predictions")]
    assert list(map(seen, told)) == list(map(seen, STRANGE.values()))


def test_a_live_table_has_as_many_cells_as_it_was_given(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = LiveCurves(str(saved(composed(tmp_path / "run")).folder))
    names = [name for kind, name in STRANGE.items() if kind != "not UTF-8"]
    logger.log_table("predictions", ["file", "p"], [[name, 1.0] for name in names], step=1)
    logger.finalize("success")
    events = accumulator.EventAccumulator(str(tmp_path / "run")).Reload()
    (table,) = events.Tensors("predictions/text_summary")
    lines = table.tensor_proto.string_val[0].decode().splitlines()
    bare = [re.sub(r"\\.", "", line) for line in lines]
    assert [line.count("|") for line in bare] == [3] * (2 + len(names))
    assert not [line for line in bare if set("<[`&") & set(line)]
