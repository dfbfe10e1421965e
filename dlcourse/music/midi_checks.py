"""What readers of MIDI files let pass, and should not."""

from pathlib import Path

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.notes import END, LONGEST_QUARTERS, START, Song


def check_header(path: Path, data: bytes) -> None:
    """See to what symusic lets pass: fewer tracks than are announced, several songs as one."""
    kind, announced = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10))
    if kind == 2:
        raise InputError(f"{path}: several songs in one file (MIDI format 2): save each by itself")
    at = found = 0
    while at + 8 <= len(data):
        found += data[at : at + 4] == b"MTrk"
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "big")
    if found < announced:
        raise InputError(f"{path}: damaged MIDI file: {found} of {announced} tracks are there")


def check_times(path: Path, song: Song) -> None:
    """Ticks beyond 2^31 come back as negative ones."""
    notes = [track.notes for track in song.tracks]
    times = np.concatenate([*notes, np.zeros((1, 4), np.int32)])[:, : END + 1]
    if (
        min(times.min(), song.end, song.tempos[0][0], song.metres[0].tick) < 0
        or (times[:, START] > times[:, END]).any()
    ):
        raise InputError(f"{path}: damaged MIDI file: its time runs backwards")
    quarters = int(max(times.max(), song.end)) // song.ticks_per_quarter
    if quarters > LONGEST_QUARTERS:
        raise InputError(
            f"{path}: lasts {quarters} quarter notes, at most {LONGEST_QUARTERS} are read: the "
            f"file looks damaged"
        )
    if not np.isfinite([tempo for _, tempo in song.tempos]).all():
        raise InputError(f"{path}: damaged MIDI file: a tempo of 0 microseconds a quarter note")
