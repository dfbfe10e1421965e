"""From a folder of MIDI files to encoded songs with a split each, and the ledger of all of it."""

import hashlib
import os
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from dlcourse.errors import InputError
from dlcourse.files import write_rows
from dlcourse.music.beat_files import LARGEST_BEAT_FILE, read_beats
from dlcourse.music.beats import estimate_beats, is_performed, quantise
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.keys import estimate_key
from dlcourse.music.midi import MIDI_SUFFIXES, is_midi, midi_content, parse_midi
from dlcourse.music.notes import Song
from dlcourse.music.signatures import melody_signatures
from dlcourse.progress import progress_bar
from dlcourse.splits import Split, check_no_leak, named_groups
from dlcourse.trust.strange_files import content_of
from dlcourse.trust.terminal import printable

TIMINGS = ("auto", "score", "performed")
BEAT_FILE = "beat_midi.txt"  # POP909's annotation, beside the song
_SECTIONS = ("intro", "verse", "pre chorus", "pre-chorus", "chorus", "post chorus", "bridge")
_SECTIONS += ("hook", "solo", "interlude", "break", "refrain", "outro")


@dataclass(frozen=True, eq=False)
class Entry:
    """One file of a corpus.

    Attributes:
        file: Its path below the corpus folder, with forward slashes, in one line of valid text.
        reason: Why it takes no part; empty for a file that does.
        timing: Where its 16th grid comes from: the score, annotated or estimated beats.
        sha1: Of what was read: the file, and its beats where these are annotated.
        identity: What may not stand in two splits: title, content, melody, stretches of it.
        group: The title that stands for everything it shares an identity with.
        also_in: Its copies in other splits, where these are a benchmark's own.
        stretched: At which other lengths it is trained on, or at which one it is this entry.
    """

    file: str
    title: str
    reason: str = ""
    song: Song | None = None
    encoded: Encoded | None = None
    timing: str = ""
    sha1: str = ""
    identity: tuple[Hashable, ...] = ()
    group: str = ""
    split: str = ""
    also_in: str = ""
    stretched: tuple[float, ...] = ()


def song_title(stem: str) -> str:
    """The song a file belongs to: case-folded, without a section ("Piano Man - Verse 2")."""
    title, dash, section = stem.casefold().rpartition(" - ")
    is_section = section.strip(" 0123456789") in _SECTIONS
    return title.strip() if dash and is_section else stem.casefold().strip()


def read_corpus(
    folder: str | Path, encoding: Encoding, *, timing: str = "auto", exclude: Sequence[str] = ()
) -> list[Entry]:
    """Read and encode every MIDI file below a folder, in the order of their paths.

    Args:
        timing: Whether to trust the files' ticks: see `on_grid`.
        exclude: Patterns of paths below the folder that are listed but not read.

    Raises:
        InputError: The folder is missing or closed, holds no MIDI file, or none that can be used.
    """
    root = Path(folder)
    if timing not in TIMINGS:
        raise InputError(f"data.timing={timing}: choose one of {', '.join(TIMINGS)}")
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; data.root=<folder> names one with MIDI files")
    paths = sorted(_midi_paths(root), key=lambda path: path.as_posix())
    if not paths:
        raise InputError(f"{root}: no file ends in {' or '.join(MIDI_SUFFIXES)}")
    entries = []
    for path in progress_bar(paths, "reading songs"):
        # Two names stay two: a backslash of the name itself is doubled.
        file = printable(path.relative_to(root).as_posix().replace("\\", "\\\\"))
        if any(fnmatch(file, pattern) for pattern in exclude):
            entries.append(Entry(file, _title(path), reason="excluded by pattern"))
        else:
            entries.append(_read_entry(path, file, encoding, timing=timing))
    if all(entry.reason for entry in entries):
        raise InputError(f"{root}: none of {len(entries)} files can be used; {_first(entries)}")
    return entries


def _midi_paths(root: Path) -> Iterator[Path]:
    """Whatever is named like a MIDI file; a folder that cannot be looked into hides no songs."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error

    for folder, folders, files in os.walk(root, onerror=refuse):
        yield from filter(is_midi, (Path(folder, name) for name in [*folders, *files]))


def _title(path: Path) -> str:
    return song_title(printable(path.stem))


def split_corpus(entries: Sequence[Entry], split: Split) -> list[Entry]:
    """The same entries, every kept one with its group and its split.

    Files of one title, byte-identical files and files with the same melody, or the same long
    stretch of it, are one group.

    Raises:
        InputError: Two files of one group stand in different splits.
    """
    kept = [entry for entry in entries if not entry.reason]
    groups = named_groups([entry.identity for entry in kept], [entry.title for entry in kept])
    names = [entry.file for entry in kept]
    splits = split.assign(groups, names)
    check_no_leak(groups, splits, names, what="the song")
    places = {
        name: {"group": group, "split": part}
        for name, group, part in zip(names, groups, splits, strict=True)
    }
    return [replace(entry, **places.get(entry.file, {})) for entry in entries]


def _first(entries: Sequence[Entry]) -> str:
    return f"the first is {entries[0].file}: {entries[0].reason}"


def _read_entry(path: Path, file: str, encoding: Encoding, *, timing: str) -> Entry:
    title, beats = _title(path), path.with_name(BEAT_FILE)
    try:
        content = midi_content(path)
        song, source = on_grid(parse_midi(content, path), beats, timing=timing)
        encoded = encoding.encode(song)
        annotation = content_of(beats, most=LARGEST_BEAT_FILE) if beats.is_file() else b""
    except InputError as error:
        return Entry(file, title, reason=printable(str(error)))
    digest = hashlib.sha1(content).hexdigest()
    identity = (("title", title), ("content", digest), *melody_signatures(song))
    if annotation:
        digest = hashlib.sha1(content + annotation).hexdigest()
    reason = encoding.reason_to_drop(encoded)
    return Entry(file, title, reason, song, encoded, source, digest, identity)


def on_grid(song: Song, beat_file: Path, *, timing: str = "auto") -> tuple[Song, str]:
    """The song on the 16th grid, and where the grid comes from.

    A score is left alone. Performed timing follows the beat annotation where there is one and
    `estimate_beats` where there is none.

    Args:
        timing: "score" trusts the ticks, "performed" does not, "auto" looks at the song. (One
            POP909 file in ten looks like a score whose beats in truth lie between its quarters.)
    """
    if timing == "score" or (timing == "auto" and not is_performed(song)):
        return song, "score"
    grid = read_beats(beat_file) if beat_file.is_file() else estimate_beats(song)
    return quantise(song, grid), grid.source


def write_ledger(entries: Sequence[Entry], path: str | Path) -> None:
    """Write `corpus.csv`: every file, kept or dropped and why, and what became of its notes."""
    rows = [_ledger_row(entry) for entry in entries]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    write_rows(path, [columns, *([row.get(column, "") for column in columns] for row in rows)])


def _ledger_row(entry: Entry) -> dict[str, object]:
    row: dict[str, object] = {
        "file": entry.file,
        "kept": "no" if entry.reason else "yes",
        "reason": entry.reason,
        "split": entry.split,
        "group": entry.group,
        "title": entry.title,
        "sha1": entry.sha1,
    }
    if entry.stretched:
        row["stretched"] = " ".join(f"{factor:g}" for factor in entry.stretched)
    if entry.encoded is None:
        return row
    if entry.song is None:
        return row | _matrix_row(entry, entry.encoded)
    song, encoded = entry.song, entry.encoded
    return row | {
        "frames": len(encoded.frames),
        "notes_read": sum(len(track.notes) for track in song.tracks),
        "notes_encoded": encoded.encoded,
        **{f"lost_{reason}": count for reason, count in encoded.lost.items()},
        "melody": encoded.melody,
        "key": estimate_key(song),
        "metres": " ".join(dict.fromkeys(f"{m.numerator}/{m.denominator}" for m in song.metres)),
        "tempo": round(song.tempos[0][1], 2),
        "timing": entry.timing,
    }


def _matrix_row(entry: Entry, encoded: Encoded) -> dict[str, object]:
    """Of a sequence of frames that was never a file of notes."""
    return {
        "frames": len(encoded.frames),
        "notes_encoded": encoded.encoded,
        "timing": entry.timing,
        "also_in": entry.also_in,
    }
