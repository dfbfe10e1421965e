"""MIDI files from strangers: each is read or refused in one line, whatever it does to the reader.

symusic is C++: what could crash it runs in a process of its own.
"""

import csv
import os
import re
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.music.composer import compose_song
from dlcourse.music.corpus import Entry, read_corpus, write_ledger
from dlcourse.music.generation import file_primer
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.midi import LARGEST_FILE, parse_midi, read_midi, write_midi
from dlcourse.music.pianoroll import PianoRoll
from tests.conftest import DATA, MakeCorpus
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.midi_bytes import FAR, NOTE, SHORT, changed_within, midi_of
from tests.trust.midi_checks import check_entry, check_line, in_batches, one_line
from tests.trust.mutating import mutated

ENCODINGS = (
    Melody(),
    PianoRoll(),
    PianoRoll(onsets=False, steps_per_quarter=12),
    Lab2018(),
    Lab2018(true_melody=True, rearticulate=True, rests=True, keep_all_metres=True),
)
TIMINGS = ("auto", "performed", "score")


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Songs of our own writer and, where there are some, of the lab and of POP909."""
    folder = tmp_path_factory.mktemp("whole")
    for number in range(6):
        write_midi(compose_song(number), folder / f"{number}.mid")
    real = [*sorted(DATA.glob("midi_lab/*.midi"))[:12], *sorted(DATA.glob("pop909/*.mid"))[:4]]
    files = [path.read_bytes() for path in [*sorted(folder.iterdir()), *real]]
    return [*files, midi_of(NOTE), midi_of(NOTE * 200, NOTE * 3)]


def read_changed(folder: Path, files: Sequence[bytes], numbers: range) -> None:
    """Read one changed file after another, as a corpus, as a primer and by the reference reader."""
    outcomes = []
    for number in numbers:
        rng = np.random.default_rng(number)
        content = files[rng.integers(len(files))]
        content = changed_within(content, rng) if number % 2 else mutated(content, rng, files)
        (folder / "x.mid").write_bytes(content)
        (folder / "at").write_text(str(number))
        encoding, began = ENCODINGS[number % len(ENCODINGS)], time.process_time()
        try:
            entry = read_corpus(folder, encoding, timing=TIMINGS[number % 3])[0]
            outcomes.append(check_entry(entry, encoding))
            if number % 5 == 0:
                file_primer(folder / "x.mid", encoding)
        except InputError as error:
            check_line(str(error))
            outcomes.append(False)
        if number % 10 == 1:
            read_by_the_other(content)
        assert time.process_time() - began < 10, "more than ten seconds"
    (folder / "outcomes").write_text(str(sum(outcomes)))


def read_by_the_other(content: bytes) -> None:
    try:
        parse_midi(content, "x.mid", reader="pretty_midi")
    except InputError as error:
        check_line(str(error))


def test_a_changed_midi_file_is_read_or_refused_in_one_line(
    tmp_path: Path, whole_files: list[bytes], trials: Trials
) -> None:
    count = trials("mutated MIDI files", usual=600, nightly=10_000)
    assert 0.05 * count < in_batches(read_changed, tmp_path, whole_files, count) < 0.9 * count


def many_programs() -> bytes:
    """Tracks in which each of 16 channels plays a note with each of 128 instruments."""
    row = b"".join(
        bytes([0, 0xC0 + channel, program, 0, 0x90 + channel, 60, 64, 9, 0x80 + channel, 60, 64])
        for channel in range(16)
        for program in range(128)
    )
    return midi_of(*[row] * 80)


def tempos(count: int) -> bytes:
    changes = (struct.pack(">I", 400_000 + i % 2)[1:] for i in range(count))
    return midi_of(b"".join(b"\x01\xff\x51\x03" + change for change in changes), NOTE)


def metres(count: int) -> bytes:
    three, four = b"\x01\xff\x58\x04\x03\x02\x18\x08", b"\x01\xff\x58\x04\x04\x02\x18\x08"
    return midi_of((three + four) * (count // 2), NOTE * 2000)


def loose_notes(count: int) -> bytes:
    """As dense as can be, off every grid."""
    notes = (bytes([i * 7 % 13, 30 + i % 60, 64, i % 5 + 1, 30 + i % 60, 0]) for i in range(count))
    return midi_of(b"\x00\x90\x3c\x40\x01\x3c\x00" + b"".join(notes))


LONG = b"".join(b"\xdb\x64\x90\x3c\x40\x07\x80\x3c\x40" for _ in range(2000))
BOMBS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "one delta of 2^28 ticks": (lambda: midi_of(NOTE + FAR + SHORT[1:]), "at most 50000 are read"),
    "time beyond 2^31": (lambda: midi_of((FAR + b"\xf0\x01\xf7") * 9 + NOTE), "runs backwards"),
    "a note that ends beyond 2^31": (
        lambda: midi_of((FAR + b"\xf0\x01\xf7") * 7 + FAR + NOTE[1:4] + FAR + NOTE[-3:]),
        "runs backwards|at most 50000",
    ),
    "a tempo beyond 2^31": (
        lambda: midi_of((FAR + b"\xf0\x01\xf7") * 9 + b"\x00\xff\x51\x03\x07\xa1\x20", NOTE),
        "runs backwards",
    ),
    "the longest song": (lambda: midi_of(NOTE + LONG), None),
    "half a million tempo changes": (lambda: tempos(590_000), None),
    "half a million metres": (lambda: metres(520_000), None),
    "600,000 notes": (lambda: loose_notes(690_000), None),
    "half a million notes of no length": (lambda: midi_of(SHORT * 520_000, NOTE * 40), None),
    "a million notes that never end": (lambda: midi_of(SHORT[:4] * 1_000_000), "no notes"),
    "65,535 tracks": (lambda: midi_of(*[NOTE] * 65535), None),
    "160,000 instruments": (many_programs, "512 MiB of memory"),
    "more bytes than any music": (lambda: midi_of(NOTE) + bytes(LARGEST_FILE), "at most 4,194,304"),
    "tracks that are not there": (lambda: midi_of(NOTE, announced=3), "1 of 3 tracks"),
    "running status without status": (lambda: midi_of(b"\x00\x3c\x40"), "damaged"),
    "system exclusive of 2^28 bytes": (lambda: midi_of(b"\x00\xf0" + FAR + b"abc"), "damaged"),
    "a megabyte of system exclusive": (
        lambda: midi_of(b"\x00\xf0\xc0\x80\x00" + b"a" * 2**20 + NOTE), None),
    "no ticks to a quarter": (lambda: midi_of(NOTE, division=0), "no ticks per quarter"),
    "SMPTE time": (lambda: midi_of(NOTE, division=0xE728), "damaged"),
    "several songs": (lambda: midi_of(NOTE, NOTE, kind=2), "format 2"),
    "format 7": (lambda: midi_of(NOTE, kind=7), "damaged"),
    "a tempo of nothing": (lambda: midi_of(b"\x00\xff\x51\x03\x00\x00\x00" + NOTE), "tempo of 0"),
    "a microsecond a quarter": (lambda: midi_of(b"\x00\xff\x51\x03\x00\x00\x01" + NOTE * 50), None),
    "a bar of 255 wholes": (lambda: midi_of(b"\x00\xff\x58\x04\xff\x00\x18\x08" + NOTE * 50), None),
    "a beat of 2^-255": (lambda: midi_of(b"\x00\xff\x58\x04\xff\xff\x18\x08" + NOTE * 50), None),
    "nothing": (lambda: b"", "is empty"),
    "no track": (lambda: midi_of(), "no notes"),
}  # fmt: skip


def read_by_all(folder: Path) -> None:
    """The encodings differ in what grows: frames, keys, events."""
    song = read_corpus(folder, PianoRoll(steps_per_quarter=12))[0].song
    for encoding in (Melody(), Lab2018(rests=True, rearticulate=True)):
        encoding.encode(song)


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_costs_seconds_and_half_a_gigabyte_at_most(
    tmp_path: Path, kind: str, trials: Trials
) -> None:
    trials("MIDI files that ask for too much", usual=1, nightly=1)
    make, reason = BOMBS[kind]
    (tmp_path / "x.mid").write_bytes(make())
    message = refused(read_by_all, tmp_path, megabytes=512 + 64, seconds=20)
    if reason is None:
        assert message is None
    else:
        assert message is not None
        assert re.search(reason, message)


def test_ordinary_files_are_read_as_before_with_the_limit_taken_back(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_AS)
    (tmp_path / "x.mid").write_bytes(midi_of(NOTE))
    assert read_midi(tmp_path / "x.mid").tracks[0].notes.tolist() == [[0, 480, 60, 64]]
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def put_strangers(folder: Path) -> int:
    """Things that are named like MIDI files; how many."""
    (folder / "folder.mid").mkdir()
    os.mkfifo(folder / "pipe.mid")
    (folder / "loop.mid").symlink_to("loop.mid")
    (folder / "nowhere.mid").symlink_to("nowhere")
    (folder / "endless.mid").symlink_to("/dev/zero")
    with open(folder / "giant.mid", "wb") as giant:
        giant.truncate(2**40)
    (folder / "empty.mid").touch()
    (folder / "text.mid").write_text("no music\n\x1b[31m")
    (folder / "a\nb\x1b[31m\u2028.mid").write_bytes(midi_of(FAR + NOTE[1:]))
    os.mkdir(os.fsencode(folder) + b"/\xff")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff/caf\xe9.mid")).write_bytes(b"MThd")
    (folder / "a\\nb.mid").write_bytes(midi_of(NOTE)[:-9])
    (folder / ("x" * 200 + ".mid")).write_bytes(midi_of(NOTE, announced=9))
    return 12


def same(one: Entry, other: Entry) -> bool:
    fields = ("file", "title", "reason", "timing", "sha1", "identity")
    return all(getattr(one, name) == getattr(other, name) for name in fields) and np.array_equal(
        one.encoded.frames, other.encoded.frames
    )


def compare_with_and_without(clean: Path, strange: Path, ledger: Path, count: int) -> None:
    before = {entry.file: entry for entry in read_corpus(clean, Melody())}
    after = read_corpus(strange, Melody())
    kept = {entry.file: entry for entry in after if not entry.reason}
    refusals = [entry for entry in after if entry.reason]
    assert kept.keys() == before.keys()
    assert all(same(kept[file], before[file]) for file in before)
    assert len({entry.file for entry in refusals}) == len(refusals) == count
    assert all(one_line(text) for e in refusals for text in (e.file, e.title, e.reason))
    write_ledger(after, ledger)


def test_strangers_in_a_folder_are_listed_and_change_nothing_else(
    tmp_path: Path, make_corpus: MakeCorpus, trials: Trials
) -> None:
    clean, strange = make_corpus(6, folder="clean"), make_corpus(6, folder="strange")
    count = put_strangers(strange)
    trials("things that are named like a MIDI file", usual=count, nightly=count)
    ledger = tmp_path / "corpus.csv"
    compared = (clean, strange, ledger, count)
    assert refused(compare_with_and_without, *compared, megabytes=300, seconds=20) is None
    with open(ledger, newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == len(ledger.read_text("utf-8").splitlines()) - 1 == 6 + count
    assert sum(row["kept"] == "no" and bool(row["reason"]) for row in rows) == count
    assert {r"a\nb\x1b[31m\u2028.mid", r"\udcff/caf\udce9.mid", r"a\\nb.mid"} <= {
        row["file"] for row in rows
    }


def test_a_track_s_name_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    name = b"\x1b[31mMelody\n\x00\xff\x7f"
    named = midi_of(b"\x00\xff\x03" + bytes([len(name)]) + name + NOTE * 40)
    (tmp_path / "x.mid").write_bytes(named)
    entry = read_corpus(tmp_path, Melody())[0]
    assert "Melody" in entry.encoded.melody
    assert one_line(entry.encoded.melody)


def test_a_folder_that_is_closed_hides_no_songs(
    make_corpus: MakeCorpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_corpus(2)
    (folder / "closed").mkdir()
    scandir = os.scandir

    def closed(path: str | Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match=r"closed: cannot be read \(Permission denied\)"):
        read_corpus(folder, Melody())
