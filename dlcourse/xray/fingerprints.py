"""What files contain, by hash, remembered so that no file is read twice to ask for it."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from dlcourse.alone import alone
from dlcourse.checked_json import read_checked, write_checked
from dlcourse.xray.threads import in_threads


def content_hashes(paths: Sequence[Path], memory: Path) -> list[str]:
    """SHA-1 of every file's content, "" where it cannot be read.

    They are remembered as long as path, size and both times of a file stay the same. Programs can
    set the time of change back, as archives and copies do, and not that of the inode. So what goes
    unnoticed is only what a file system itself does to a file.
    """
    states = [_state(path) for path in paths]
    known = _remembered(memory)
    if any(state not in known for state in states if state):
        with alone(memory):  # others may have hashed the same files in the meantime
            known = _remembered(memory)
            known |= _learned(paths, states, known)
            write_checked(memory, known)
    return [known.get(state, "") for state in states]


def _learned(paths: Sequence[Path], states: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    new = {s: path for path, s in zip(paths, states, strict=True) if s and s not in known}
    hashes = in_threads(_hashed, list(new.values()), "hashing")
    return {state: digest for state, digest in zip(new, hashes, strict=True) if digest}


def _remembered(memory: Path) -> dict[str, str]:
    known = read_checked(memory)
    return known if isinstance(known, dict) else {}


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{os.path.abspath(path)} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _hashed(path: Path) -> str:
    try:
        return hashlib.sha1(path.read_bytes()).hexdigest()
    except OSError:
        return ""
