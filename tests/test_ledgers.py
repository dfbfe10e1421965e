"""Ledgers read back: the same data have the same hash, other data are named."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcourse.ledgers import fingerprint, ledger_difference, read_ledger
from dlcourse.music.composer import compose_corpus
from dlcourse.music.corpus import read_corpus
from dlcourse.music.corpus import write_ledger as write_songs
from dlcourse.music.melody import Melody
from dlcourse.splits import Fractions
from dlcourse.xray.archive import write_ledger as write_studies
from dlcourse.xray.phantom_corpus import write_phantoms
from dlcourse.xray.radiographs import Radiographs, read_radiographs
from dlcourse.xray.subset import Subset

ROWS = [
    {"file": "a.mid", "kept": "yes", "split": "train", "sha1": "11"},
    {"file": "b.mid", "kept": "yes", "split": "test", "sha1": "22"},
    {"file": "c.mid", "kept": "no", "split": "", "sha1": ""},
]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def changed(**cells: str) -> list[dict[str, str]]:
    """The rows with other cells in the first."""
    return [ROWS[0] | cells, *ROWS[1:]]


def test_the_order_of_files_and_what_takes_no_part_do_not_matter(tmp_path: Path) -> None:
    first = fingerprint(written(tmp_path / "x.csv", ROWS))
    assert first["files"] == 2
    assert fingerprint(written(tmp_path / "x.csv", ROWS[::-1])) == first
    assert fingerprint(written(tmp_path / "x.csv", ROWS[:2])) == first


@pytest.mark.parametrize(
    "rows",
    [changed(sha1="12"), changed(split="val"), changed(file="d.mid"), ROWS[1:]],
    ids=["content", "split", "name", "one less"],
)
def test_whatever_training_would_see_changes_the_hash(
    tmp_path: Path, rows: list[dict[str, str]]
) -> None:
    first = fingerprint(written(tmp_path / "x.csv", ROWS))
    assert fingerprint(written(tmp_path / "x.csv", rows))["sha256"] != first["sha256"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (changed(sha1="12"), "a.mid has another content"),
        (changed(split="val"), "a.mid has another split"),
        (ROWS[1:], "a.mid that took part is left out or missing now"),
        ([ROWS[0] | {"file": "0.mid"}, *ROWS], "0.mid takes part that did not"),
        ([r | {"sha1": r["sha1"] + "0"} for r in ROWS], "a.mid (and 1 more) has another content"),
    ],
)
def test_the_difference_is_named_by_file(
    tmp_path: Path, rows: list[dict[str, str]], sentence: str
) -> None:
    then, now = (read_ledger(written(tmp_path / "x.csv", r)) for r in (ROWS, rows))
    difference = ledger_difference(then, now)
    assert difference.sentences() == [sentence]
    assert not difference.same
    assert ledger_difference(now, now).same


def test_a_ledger_without_hashes_can_only_be_compared_in_part(tmp_path: Path) -> None:
    bare = [{key: row[key] for key in ("file", "kept", "split")} for row in ROWS]
    then = read_ledger(written(tmp_path / "x.csv", bare))
    now = read_ledger(written(tmp_path / "y.csv", ROWS))
    difference = ledger_difference(then, now)
    assert difference.same
    assert not difference.checked
    assert ledger_difference(now, now).checked


def test_a_song_whose_bytes_or_annotated_beats_change_is_another_content(tmp_path: Path) -> None:
    compose_corpus(tmp_path / "songs", songs=3)
    path = sorted((tmp_path / "songs").glob("*.mid"))[0]

    def ledger() -> dict[str, dict[str, str]]:
        write_songs(read_corpus(tmp_path / "songs", Melody()), tmp_path / "corpus.csv")
        return read_ledger(tmp_path / "corpus.csv")

    first = ledger()
    assert len({row["sha1"] for row in first.values()}) == 3
    path.write_bytes(path.read_bytes() + b"\0")  # what follows the last track is not read
    second = ledger()
    assert ledger_difference(first, second).changed == [path.name]
    beats = "\n".join(f"{i / 2} 1.0 {float(i % 4 == 0)}" for i in range(64))
    (path.parent / "beat_midi.txt").write_text(beats)
    assert len(ledger_difference(second, ledger()).changed) == 3


def test_a_radiograph_whose_pixels_change_is_another_content(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "own", patients=12, seed=0, size=64)
    options = {"size": 32, "subset": Subset(), "split": Fractions(val=0.25, test=0.25)}

    def ledger() -> dict[str, dict[str, str]]:
        found: Radiographs = read_radiographs(tmp_path / "own", cache=tmp_path / "cache", **options)
        write_studies(found.studies, tmp_path / "studies.csv", without_image=1)
        return read_ledger(tmp_path / "studies.csv")

    first = ledger()
    assert "" not in first, "the row that counts what has no image is no file"
    path = sorted((tmp_path / "own" / "images").iterdir())[0]
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(path)
    assert ledger_difference(first, ledger()).changed == [f"images/{path.name}"]
