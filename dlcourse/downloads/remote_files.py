"""Published files: downloaded, gone on with where they broke off, verified at the end.

HTTP range requests: RFC 9110, section 14.
"""

import hashlib
import logging
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from dlcourse.downloads.addresses import refuse_logins
from dlcourse.downloads.answers import Body, opened, reason_of
from dlcourse.errors import InputError
from dlcourse.progress import download_bar, progress_bar

log = logging.getLogger(__name__)

CHUNK = 2**18  # bytes; what is lost at most when a connection breaks
SPARE = 100 * 1000**2  # bytes of the disk to leave free


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A published file.

    Attributes:
        advice: Ends the message of an error: what else can be done.
        md5: In hexadecimal digits, as published; "" where the other one was.
        sha256: The same, or as many of the first digits as were published.
        size: In bytes; None where it was not published.

    Raises:
        InputError: The address holds a name or a password.
    """

    url: str
    advice: str
    md5: str = ""
    sha256: str = ""
    size: int | None = None

    def __post_init__(self) -> None:
        assert self.md5 or self.sha256, "a file that cannot be verified is none of ours"
        refuse_logins([self.url])  # which messages repeat


def part_of(path: Path) -> Path:
    """Where that part of a file lies that has come so far."""
    return path.with_name(f"{path.name}.part")


def fetch_file(file: RemoteFile, path: Path) -> Path:
    """Download a file and verify it; one that lies there already is only verified.

    What came before a connection broke is kept, see `part_of`; the next call goes on from there. A
    download with wrong content is removed; another file that was there before is left alone.

    Raises:
        InputError: It cannot be reached, breaks off, is not the published file, or cannot be
            written.
    """
    part = part_of(path)
    try:
        if path.exists():
            _verify(path, file, or_else="move it away to have it fetched again")
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not _is_complete(part, file):
            _append(file, part)
        try:
            _verify(part, file, or_else="what came was removed")
        except InputError:
            part.unlink()
            raise
        os.replace(part, path)
    except InputError as error:
        reason = " ".join(str(error).split())  # urllib has reasons of several lines
        raise InputError(f"{path.name}: {reason} ({file.url}); {file.advice}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({reason_of(error)})") from error
    return path


def _is_complete(part: Path, file: RemoteFile) -> bool:
    """Whether nothing is missing, as after a stop during the verification."""
    size = _size(part)
    return size > 0 and (size == file.size if file.size else not _wrong_digest(part, file))


def _append(file: RemoteFile, part: Path) -> None:
    """Ask for what is missing, or for everything where a server knows no ranges."""
    start = _size(part)
    if start > (file.size or math.inf):
        start = 0
    bar = download_bar(f"fetching {part.stem}")
    with bar as progress, opened(file.url, progress, start=start) as body:
        _check_offer(body, file, part, start=start)
        with open(part, "ab" if body.start else "wb") as out:
            while data := body.read(CHUNK):
                out.write(data)
                if body.total is None:  # what is to come was not checked beforehand
                    check_room(part.parent, 0)
                if out.tell() > (file.size or math.inf):
                    break
    if _size(part) < (file.size or 0):  # the server did not say how much it would send
        raise InputError(f"interrupted: got {_size(part)} of {file.size} bytes")


def _check_offer(body: Body, file: RemoteFile, part: Path, *, start: int) -> None:
    if body.is_page:
        raise InputError("a web page came instead of the file")
    if body.start not in (0, start):
        raise InputError(f"the server goes on from byte {body.start}, it was asked for {start}")
    if file.size and body.total not in (None, file.size):
        raise InputError(f"wrong size: {body.total} bytes are offered, expected {file.size}")
    if body.start < start:
        log.warning("%s: the server cannot send the rest alone: starting over", part.stem)
    check_room(part.parent, (body.total or file.size or 0) - body.start)


def check_room(folder: Path, need: int) -> None:
    """Stop before a disk is full.

    Raises:
        InputError: Where the folder is, or will be, `need` bytes would leave fewer than `SPARE`.
    """
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < need + SPARE:
        raise InputError(
            f"{folder}: {in_words(need + SPARE)} are needed, {in_words(free)} are free; make room, "
            f"or take a folder on another disk"
        )


def in_words(count: int) -> str:
    """Bytes for people: "42.1 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _verify(path: Path, file: RemoteFile, *, or_else: str) -> None:
    size = path.stat().st_size
    if size != (file.size or size):
        raise InputError(f"wrong size: {size} bytes, expected {file.size}; {or_else}")
    if wrong := _wrong_digest(path, file):
        raise InputError(f"wrong content: {wrong}; {or_else}")


def _wrong_digest(path: Path, file: RemoteFile) -> str:
    """What is found and what was expected; nothing when they agree."""
    name, expected = ("md5", file.md5) if file.md5 else ("sha256", file.sha256)
    found = _digest(path, name)
    return "" if found.startswith(expected) else f"{name} {found}, expected {expected}"


def _digest(path: Path, name: str) -> str:
    digest = hashlib.new(name, usedforsecurity=name != "md5")
    with open(path, "rb") as content:
        chunks = iter(lambda: content.read(2**20), b"")
        for chunk in progress_bar(chunks, f"verifying {path.name}", total=_size(path) >> 20):
            digest.update(chunk)
    return digest.hexdigest()
