"""Files that appear whole or not at all: written under a temporary name, then renamed."""

import csv
import errno
import json
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlcourse.errors import InputError

_PARTIAL = re.compile(r"\.(?P<process>\d+)@(?P<machine>.+)\.partial")
_NO_TEXT = "backslashreplace"  # names of files need not be UTF-8
_WHAT_TO_DO = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there",
    errno.EROFS: "name another folder",
    errno.ENOTDIR: "name another folder",
    errno.ENAMETOOLONG: "name another folder",
    errno.EACCES: "name another folder, or let yourself in",
}


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write a file or fill a folder; rename it at the end.

    The temporary name keeps the suffix, so that libraries that look at it behave. When the block
    raises, what was written is removed and `path` is as it was; an `OSError` names `path`. A folder
    that somebody else finished in the meantime is kept, and ours is discarded.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{os.getpid()}@{_machine()}"
    partial = path.with_name(f".{path.stem}.{writer}.partial{path.suffix}")
    _remove(partial)  # of a killed one: within a container every process may have the same number
    try:
        yield partial
        if partial.is_dir() and path.is_dir():
            return
        os.replace(partial, path)
    except OSError as error:
        nameless = error.errno and error.filename is None  # as of a full disk
        if nameless or str(error.filename).startswith(str(partial)):
            error.filename = str(path)
        raise
    finally:
        _remove(partial)


def clear_partials(folder: Path, pattern: str, *, claimed: bool = False) -> None:
    """Remove what killed processes left half written.

    Args:
        pattern: Where below the folder: "" for the folder itself, "**/" for everything.
        claimed: Nobody else works in the folder: also what other machines have left. Else only what
            processes of this machine left that are no more.
    """
    for partial in [*folder.glob(f"{pattern}.*.partial*")]:
        found = _PARTIAL.search(partial.name)
        here = found is not None and found["machine"] == _machine()
        if (not _is_alive(int(found["process"]))) if here else claimed:
            _remove(partial)


def _machine() -> str:
    return platform.node()[:32]


def _is_alive(process: int) -> bool:
    """Whether somebody else has this number. (Windows keeps files that somebody has open.)"""
    if process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def disk_refusal(error: BaseException | None) -> str | None:
    """What a disk that is full or closed refused, and what to do; None for any other error."""
    while error is not None and not isinstance(error, InputError):
        if isinstance(error, OSError) and error.errno in _WHAT_TO_DO:
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror}: {_WHAT_TO_DO[error.errno]}"
        error = error.__cause__  # libraries put it into words of their own
    return None


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all; what UTF-8 cannot hold stands as its escape."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding="utf-8", errors=_NO_TEXT)


def write_rows(path: str | Path, rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file, whole or not at all, as `write_text` writes."""
    with (
        written_whole(path) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors=_NO_TEXT) as out,
    ):
        csv.writer(out).writerows(rows)


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON, whole or not at all. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
