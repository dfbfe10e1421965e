"""The gallery: the same patients and songs across runs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dlcourse.comparison.page.media import UnreadableMedia, audio_url, image_url
from dlcourse.comparison.records import Comparison, Record
from dlcourse.comparison.wording import setting
from dlcourse.gallery import AUDIO, IMAGE
from dlcourse.pages import element, escape, facts, scrolling
from dlcourse.progress import progress_bar

# What a page may hold, so that it opens at once on a phone and passes through an e-mail.
MEDIA_BYTES = 8_000_000
KEYS = 12  # rows
RUNS = 12  # columns of one table

_URLS = {IMAGE: image_url, AUDIO: audio_url}
Item = dict[str, str]


@dataclass(frozen=True)
class _Column:
    """A run with what can be shown of it."""

    title: str
    record: Record
    items: list[Item]


@dataclass
class _Shelf:
    """How much more may go on the page, and what did not get there."""

    folder: Path
    left: int
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def put(self, record: Record, item: Item) -> str:
        """The element of an item; "" when it is left out, which is noted."""
        assert record.folder is not None
        try:
            url = _URLS[item["kind"]](_own_file(record.folder, item["file"]))
        except UnreadableMedia as error:
            return element("p", escape(f"{item['file']} is {error}."), class_="quiet")
        if len(url) > self.left:
            self.leave(record, item)
            return ""
        self.left -= len(url)
        return _figure(url, item, label=f"{item['key']}, {record.name}")

    def leave(self, record: Record, item: Item) -> None:
        """Note an item that is not on the page."""
        assert record.folder is not None
        place = Path(os.path.relpath(record.folder, self.folder)).as_posix()
        self.left_out.setdefault(place, []).append(item["file"])


def gallery(comparison: Comparison) -> str:
    """Rows of the same patient or song, columns of runs; "" when no run left anything.

    The first seed of every setting is shown, the others on demand.
    """
    firsts: list[_Column] = []
    others: list[_Column] = []
    for group in comparison.groups:
        own = [(record, items) for record in group.records if (items := _items(record))]
        firsts += [_Column(setting(group), *pair) for pair in own[:1]]
        others += [_Column("", *pair) for pair in own[1:]]
    if not firsts:
        return ""
    shelf = _Shelf(comparison.folder, MEDIA_BYTES)
    shown = _table(firsts, shelf, caption="The first seed of every setting")
    if others:
        more = _table(others, shelf, caption="The other runs")
        shown += element("details", element("summary", f"The other {len(others)} runs"), more)
    return shown + _left_out(shelf.left_out)


def _table(columns: Sequence[_Column], shelf: _Shelf, *, caption: str) -> str:
    keys = list(dict.fromkeys(item["key"] for column in columns for item in column.items))
    heads = [element("td"), *map(_head, columns[:RUNS])]
    rows = []
    for key in progress_bar(keys[:KEYS], "pictures and sounds"):
        cells = [
            element("td", *(shelf.put(c.record, i) for i in c.items if i["key"] == key))
            for c in columns[:RUNS]
        ]
        rows.append(element("tr", element("th", escape(key), scope="row"), *cells))
    for number, column in enumerate(columns):
        for item in column.items:
            if number >= RUNS or item["key"] not in keys[:KEYS]:
                shelf.leave(column.record, item)
    head, body = element("thead", element("tr", *heads)), element("tbody", *rows)
    title = element("caption", escape(caption))
    return scrolling("div", element("table", title, head, body, class_="gallery"), caption)


def _own_file(folder: Path, name: str) -> Path:
    """A file of the run itself: whoever wrote the gallery must not put others on a page."""
    try:
        path = (folder / name).resolve()
        inside, there = path.is_relative_to(folder.resolve()), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # no name of a file, links in a circle
        raise UnreadableMedia("missing") from error
    if not inside:
        raise UnreadableMedia("outside of the run folder, and not shown")
    if not there:
        raise UnreadableMedia("missing")
    return path


def _head(column: _Column) -> str:
    name = element("div", escape(column.record.name), class_="quiet")
    return element("th", escape(column.title), name, scope="col")


def _figure(url: str, item: Item, *, label: str) -> str:
    if item["kind"] == IMAGE:
        shown = element("img", src=url, alt=label, loading="lazy")
    else:
        shown = element("audio", controls=True, preload="none", src=url, aria_label=label)
    return element("figure", shown, element("figcaption", escape(item.get("caption", ""))))


def _left_out(files: dict[str, list[str]]) -> str:
    """What is not on the page, and where it lies."""
    number = sum(map(len, files.values()))
    if not number:
        return ""
    said = (
        f"Left out: {number} files. A page has at most {MEDIA_BYTES // 1_000_000} MB of pictures "
        f"and sounds, and a table {KEYS} rows and {RUNS} runs. They lie in their run folders."
    )
    listed = facts({folder: ", ".join(names) for folder, names in files.items()})
    where = element("details", element("summary", "Which, and where"), listed)
    return element("p", escape(said), class_="quiet") + where


def _items(record: Record) -> list[Item]:
    """What can be shown of a run's gallery, whose file may have been written by anybody."""
    needed = {"kind", "key", "file"}
    entries = [entry for entry in record.gallery if isinstance(entry, dict)]
    items = [{k: str(v) for k, v in entry.items()} for entry in entries if entry.keys() >= needed]
    return [item for item in items if item["kind"] in _URLS]
