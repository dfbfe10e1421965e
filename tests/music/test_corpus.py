"""A folder of songs: what is one song, what is dropped and why, what may not be split."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.music.corpus import Entry, read_corpus, song_title, split_corpus, write_ledger
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.midi import read_midi, write_midi
from dlcourse.music.notes import Song, Track, note_array
from dlcourse.splits import Folds, Fractions, Listed


@pytest.mark.parametrize(
    ("stem", "title"),
    [
        ("Piano man - Bridge", "piano man"),
        ("Piano Man - Verse 2", "piano man"),
        ("Let's Go", "let's go"),
        ("Let's Go - Verse", "let's go"),
        ("Simon - The Boxer", "simon - the boxer"),
        ("Simon - The Boxer - Pre Chorus", "simon - the boxer"),
        ("Bridge", "bridge"),
        ("Chorus-Verse", "chorus-verse"),
        ("Straße - Outro", "strasse"),
        ("Song - Verse and Chorus", "song - verse and chorus"),
    ],
)
def test_titles_are_case_folded_and_without_their_section(stem: str, title: str) -> None:
    assert song_title(stem) == title


def transposed(path: Path, to: Path, *, by: int) -> None:
    song = read_midi(path)
    tracks = tuple(
        Track(note_array(t.notes + np.array([0, 0, by, 0])), t.name, t.program) for t in song.tracks
    )
    write_midi(Song(to.stem, 480, tracks, song.tempos, song.metres, song.end), to)


@pytest.fixture
def folder(make_corpus) -> Path:
    """Twelve songs; one is there twice by name, one byte for byte, one in another key."""
    folder = make_corpus(12)
    shutil.copy(folder / "Song 00.mid", folder / "Alpha - Verse.mid")
    shutil.copy(folder / "Song 01.mid", folder / "ALPHA - Chorus 2.midi")
    shutil.copy(folder / "Song 02.mid", folder / "Beta.mid")
    transposed(folder / "Song 03.mid", folder / "Gamma.mid", by=5)
    return folder


def groups(entries: list[Entry]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in entries:
        found.setdefault(entry.group, set()).add(entry.file)
    return found


def test_title_content_and_melody_make_a_group(folder: Path) -> None:
    entries = split_corpus(read_corpus(folder, Melody()), Fractions())
    together = sorted(sorted(files) for files in groups(entries).values() if len(files) > 1)
    # Song 00 and 01 are each a copy of a part of Alpha, and so one song through it.
    assert together == [
        ["ALPHA - Chorus 2.midi", "Alpha - Verse.mid", "Song 00.mid", "Song 01.mid"],
        ["Beta.mid", "Song 02.mid"],
        ["Gamma.mid", "Song 03.mid"],
    ]
    for files in groups(entries).values():
        assert len({entry.split for entry in entries if entry.file in files}) == 1


def test_a_melody_of_seven_notes_is_nobody_s_signature(make_corpus) -> None:
    folder = make_corpus(6, notes=[7, 8, 7, 8, 30, 30])
    transposed(folder / "Song 00.mid", folder / "Short.mid", by=3)
    transposed(folder / "Song 01.mid", folder / "Long.mid", by=3)
    shutil.copy(folder / "Song 02.mid", folder / "Copy.mid")
    entries = split_corpus(read_corpus(folder, Melody()), Fractions())
    together = sorted(sorted(files) for files in groups(entries).values() if len(files) > 1)
    assert together == [["Copy.mid", "Song 02.mid"], ["Long.mid", "Song 01.mid"]]


@pytest.mark.parametrize("split", [Fractions(), Folds(fold=2, split_seed=3)])
def test_neither_the_order_nor_the_folders_of_the_files_change_the_split(
    folder: Path, tmp_path: Path, split: Fractions | Folds
) -> None:
    entries = read_corpus(folder, Melody())
    expected = {entry.file: entry.split for entry in split_corpus(entries, split)}
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(entries))
        again = split_corpus([entries[i] for i in order], split)
        assert {entry.file: entry.split for entry in again} == expected
    for number, path in enumerate(sorted(folder.iterdir())):
        below = tmp_path / "moved" / f"{(7 * number) % 5}"
        below.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, below / path.name)
    moved = split_corpus(read_corpus(tmp_path / "moved", Melody()), split)
    assert {Path(entry.file).name: entry.split for entry in moved} == expected


@pytest.mark.parametrize(
    "pair",
    [
        ("Alpha - Verse.mid", "ALPHA - Chorus 2.midi"),
        ("Beta.mid", "Song 02.mid"),
        ("Gamma.mid", "Song 03.mid"),
    ],
)
def test_a_listed_split_that_tears_a_song_apart_names_both_files(
    folder: Path, tmp_path: Path, pair: tuple[str, str]
) -> None:
    entries = read_corpus(folder, Melody())
    lines = [f"{entry.file},train" for entry in entries if entry.file != pair[0]]
    path = tmp_path / "splits.csv"
    path.write_text("\n".join(["file,split", f"{pair[0]},test", *lines]) + "\n")
    with pytest.raises(InputError, match="leak") as caught:
        split_corpus(entries, Listed(file=str(path)))
    assert pair[0] in str(caught.value)
    assert "(test)" in str(caught.value)
    assert "(train)" in str(caught.value)


def test_the_ledger_of_a_run_gives_the_same_split_again(folder: Path, tmp_path: Path) -> None:
    first = split_corpus(read_corpus(folder, Melody()), Folds(fold=1))
    write_ledger(first, tmp_path / "corpus.csv")
    listed = Listed(file=str(tmp_path / "corpus.csv"))
    again = split_corpus(read_corpus(folder, Melody()), listed)
    assert [(e.file, e.split) for e in again] == [(e.file, e.split) for e in first]


@pytest.mark.parametrize("encoding", [Melody(), Lab2018(min_steps=40)])
def test_the_ledger_lists_every_file_with_its_reason_and_all_its_notes(
    folder: Path, tmp_path: Path, encoding: Melody | Lab2018
) -> None:
    (folder / "broken.mid").write_bytes(b"MThd\0\0\0\6")
    (folder / "text.MID").write_text("no music")
    (folder / "notes.txt").write_text("not listed")
    (folder / "drafts").mkdir()
    shutil.copy(folder / "Song 04.mid", folder / "drafts" / "Song 04.mid")
    write_midi(Song("silent", 480, (Track(note_array([])),), end=9600), folder / "silent.mid")
    entries = read_corpus(folder, encoding, exclude=["drafts/*"])
    write_ledger(split_corpus(entries, Fractions()), tmp_path / "corpus.csv")
    with open(tmp_path / "corpus.csv", newline="", encoding="utf-8") as lines:
        rows = {row["file"]: row for row in csv.DictReader(lines)}
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert set(rows) == files - {"notes.txt"}
    dropped = {file: row["reason"] for file, row in rows.items() if row["kept"] == "no"}
    assert set(dropped) == {"broken.mid", "text.MID", "silent.mid", "drafts/Song 04.mid"}
    assert dropped["drafts/Song 04.mid"] == "excluded by pattern"
    assert "damaged" in dropped["broken.mid"]
    assert "starts with b'no m'" in dropped["text.MID"]
    for file, row in rows.items():
        assert (row["split"] == "") == (row["group"] == "") == (file in dropped)
        assert (row["reason"] == "") == (file not in dropped)
        if row["notes_read"]:
            lost = sum(int(row[key]) for key in row if key.startswith("lost_"))
            notes = sum(len(t.notes) for t in read_midi(folder / file).tracks)
            assert int(row["notes_encoded"]) + lost == int(row["notes_read"]) == notes
    assert sum(bool(row["notes_read"]) for row in rows.values()) == 17


def test_on_the_lab_files_the_melody_drops_nothing_and_groups_46_titles(lab_folder: Path) -> None:
    entries = split_corpus(read_corpus(lab_folder, Melody()), Folds())
    assert len(entries) == 88
    assert not any(entry.reason for entry in entries)
    assert {entry.timing for entry in entries} == {"score"}
    assert len({entry.title for entry in entries}) == 46
    assert [e.file for e in entries] == sorted(p.name for p in lab_folder.iterdir())
    whose = {entry.file: entry.group for entry in entries}
    assert whose["Piano man - Bridge.midi"] == whose["Piano Man - Verse.midi"]


def test_performed_songs_follow_their_annotation_unless_told_otherwise(
    pop909_folder: Path, tmp_path: Path
) -> None:
    for number in ("001", "002"):
        shutil.copy(pop909_folder / f"{number}.mid", tmp_path)
    timings = {
        timing: [entry.timing for entry in read_corpus(tmp_path, Melody(), timing=timing)]
        for timing in ("auto", "score", "performed")
    }
    assert timings == {
        "auto": ["estimated"] * 2,
        "score": ["score"] * 2,
        "performed": ["estimated"] * 2,
    }
    (tmp_path / "beat_midi.txt").write_text("0.5 1 1\n1.0 0 0\n1.5 1 0\n2.0 0 0\n")
    assert {entry.timing for entry in read_corpus(tmp_path, Melody())} == {"annotated"}


def test_folders_without_songs_are_errors_that_say_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: no such folder; data\.root="):
        read_corpus(tmp_path / "gone", Melody())
    with pytest.raises(InputError, match=r"no file ends in \.mid or \.midi"):
        read_corpus(tmp_path, Melody())
    (tmp_path / "a.mid").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"none of 1 files can be used; the first is a\.mid: .*0 b"
    ):
        read_corpus(tmp_path, Melody())
    with pytest.raises(InputError, match="timing=maybe: choose one of auto, score, performed"):
        read_corpus(tmp_path, Melody(), timing="maybe")
