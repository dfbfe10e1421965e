"""What reading strangers' MIDI files, many of them, must come to."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding
from dlcourse.music.notes import LONGEST_QUARTERS
from tests.trust.bounds import refused


def one_line(text: str) -> bool:
    return text.isprintable() and bool(text)


def check_line(text: str) -> None:
    assert one_line(text), ascii(text)


def check_entry(entry: Entry, encoding: Encoding) -> bool:
    """Whether it was read; then every note is accounted for, within bounds."""
    if entry.encoded is None:
        check_line(entry.reason)
        return False
    encoded, song = entry.encoded, entry.song
    notes = sum(len(track.notes) for track in song.tracks)
    assert encoded.encoded + sum(encoded.lost.values()) == notes
    assert len(encoded.frames) == len(encoded.positions)
    assert len(encoded.frames) <= (LONGEST_QUARTERS + 2) * encoding.steps_per_quarter
    assert encoded.positions.min(initial=0) >= 0
    assert all(0 < tempo < np.inf for _, tempo in song.tempos)
    return True


def in_batches(call: Callable[..., None], folder: Path, files: Sequence[bytes], count: int) -> int:
    """Call it with all numbers below `count` in processes of their own; how many were read.

    It notes in the folder which one it is "at", and in "outcomes" how many it has read.
    """
    read = 0
    for first in range(0, count, 1000):
        numbers = range(first, min(count, first + 1000))
        try:
            assert refused(call, folder, files, numbers, megabytes=1500, seconds=100) is None
        except AssertionError as error:
            raise AssertionError(f"change {(folder / 'at').read_text()}: {error}") from error
        read += int((folder / "outcomes").read_text())
    return read
