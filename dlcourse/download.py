"""A pinned folder of a public git repository, fetched once and verified.

Archives made on request are not the same bytes every time, so what is pinned is git's own tree
hash of the folder (`git_tree`).
"""

import gzip
import re
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.git_tree import EXECUTABLE, Blob, blob, tree_sha1

MOST_BYTES = 2 * 1024**3  # unpacked, of the whole archive
MOST_FILES = 100_000
TIMEOUT = 30.0  # seconds without a byte
LOCAL = {("http", host) for host in ("localhost", "127.0.0.1", "::1")}
ADVICE = "check the connection and run the same command again, or give data.root=<folder>"


@dataclass(frozen=True)
class GitFolder:
    """A folder at one commit of a repository on GitHub.

    Attributes:
        repository: "owner/name".
        folder: Path inside the repository, "lab1/data".
        tree: Git's hash of that folder: `git rev-parse <commit>:<folder>`.
        terms: One line on whose data this is and under which licence, to show before fetching.
    """

    repository: str
    commit: str
    folder: str
    tree: str
    terms: str

    @property
    def url(self) -> str:
        """Where GitHub hands out the archive of the commit."""
        return f"https://codeload.github.com/{self.repository}/tar.gz/{self.commit}"

    def __str__(self) -> str:
        return f"{self.repository}/{self.folder} at {self.commit[:7]}"


def fetch_git_folder(
    source: GitFolder,
    destination: str | Path,
    *,
    url: str | None = None,
    keep: Callable[[str], bool] = lambda name: True,
    progress: Callable[[int, int | None], Any] = lambda got, total: None,
) -> Path:
    """Download a folder, verify it, and put it at `destination`: whole or not at all.

    A folder that is already there is returned at once, unread. Proxies of the environment are used.

    Args:
        url: Another place to get the same .tar.gz from; https, or http on this machine.
        keep: Which files to write, by name relative to the folder. All of them are verified.
        progress: Called with the bytes of each read and the archive's size, None where unknown.

    Raises:
        InputError: It cannot be reached, breaks off, is not such an archive, holds something
            unsafe or too large, has another hash than the pinned one, or cannot be written.
    """
    destination, url = Path(destination), url or source.url
    if destination.is_dir():
        return destination
    try:
        with opened(url, progress) as archive, written_whole(destination) as partial:
            # Left by a killed process that had our number, as it happens in containers.
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            files = _extract(archive, source.folder, target=partial, keep=keep)
            found = tree_sha1(files).hex()
            if found != source.tree:
                raise InputError(f"wrong content: git tree {found}, expected {source.tree}")
    except InputError as error:
        reason = " ".join(str(error).split())  # urllib has reasons of several lines
        raise InputError(f"{source}: {reason} ({url}); {ADVICE}") from error
    except OSError as error:
        raise InputError(f"{destination}: cannot be written ({reason_of(error)})") from error
    return destination


def _extract(
    archive: "Body", folder: str, *, target: Path, keep: Callable[[str], bool]
) -> dict[str, Blob]:
    """Write the kept files below `folder`; git's blobs of all of them."""
    files, total = {}, 0
    with unpacked(archive) as tar:
        for count, member in enumerate(tar, start=1):
            total += member.size
            if total > MOST_BYTES or count > MOST_FILES:
                raise InputError(f"more than {MOST_BYTES} bytes or {MOST_FILES} files unpacked")
            name = _name_below(member.name, folder)
            if name is None or member.isdir():
                continue
            if not member.isfile():
                raise InputError(f"{member.name!r} in the archive is neither a file nor a folder")
            content = tar.extractfile(member).read()
            files[name] = blob(content, member.mode)
            if keep(name):
                _write(target / name, content, files[name][0])
    if not files:
        raise InputError(f"the archive has no files below {folder}/")
    return files


class Stream(Protocol):
    """Bytes to be read once, from the first to the last."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        ...


@contextmanager
def unpacked(archive: Stream) -> Iterator[tarfile.TarFile]:
    """A .tar.gz stream as a tar file to go through once.

    Raises:
        InputError: It is no such archive, damaged or cut short; also while it is gone through.
    """
    try:
        # tarfile's own "r|gz" takes an archive that is cut short for a complete one.
        with tarfile.open(fileobj=gzip.GzipFile(fileobj=archive), mode="r|") as tar:
            yield tar
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError, EOFError) as error:
        raise InputError(f"not a complete .tar.gz archive: {error}") from error


def _name_below(member: str, folder: str) -> str | None:
    """The path relative to `folder`, None when outside; the archive's own top folder is dropped."""
    if member.startswith("/") or ".." in member.split("/"):
        raise InputError(f"unsafe name {member!r} in the archive")
    path = member.partition("/")[2]
    name = path.removeprefix(f"{folder}/")
    if name.startswith("/") or set("\\:") & set(name):  # the latter lead elsewhere on Windows
        raise InputError(f"unsafe name {member!r} in the archive")
    return None if name == path else name


def _write(path: Path, content: bytes, mode: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mode == EXECUTABLE:  # so that the folder still has the pinned hash
        path.chmod(0o755)


class Body:
    """What a server sends, counted: tells an answer that is complete from one that broke off.

    Attributes:
        start: How many bytes of the file it leaves out; 0 where a server knows no ranges.
        total: Bytes of the whole file; None where the server does not tell.
        is_page: Whether it is HTML, as from a site that wants a log-in.
    """

    def __init__(self, answer: Any, progress: Callable[[int, int | None], Any]) -> None:
        part = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
        self.start = int(part[1]) if part and answer.status == 206 else 0
        length = int(answer.headers.get("Content-Length") or 0)
        self.total = self.start + length if length else None
        self.is_page = answer.headers.get_content_type() == "text/html"
        self._answer, self._progress, self._got = answer, progress, self.start
        if self.start:
            progress(self.start, self.total)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; as a file."""
        try:
            data = self._answer.read(size)
        except (OSError, HTTPException) as error:
            raise self._broken(reason_of(error)) from error
        if not data and self._got < (self.total or 0):
            raise self._broken("the server closed the connection")
        self._got += len(data)
        self._progress(len(data), self.total)
        return data

    def _broken(self, reason: str) -> InputError:
        total = self.total or "an unknown number of"
        return InputError(f"interrupted: got {self._got} of {total} bytes ({reason})")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, though never from https to plain http."""

    def redirect_request(self, req: Any, fp: Any, *rest: Any) -> urllib.request.Request | None:
        fp.close()  # nobody else does when we refuse
        _check_scheme(rest[-1])
        return super().redirect_request(req, fp, *rest)


@contextmanager
def opened(
    url: str, progress: Callable[[int, int | None], Any], *, start: int = 0
) -> Iterator[Body]:
    """What is at an address, from byte `start` on where the server can do that; see `Body.start`.

    Raises:
        InputError: The address is not safe or cannot be reached, or the server refuses.
    """
    with _answer(url, start) as answer:
        yield Body(answer, progress)


def _answer(url: str, start: int) -> Any:
    _check_scheme(url)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.build_opener(_CheckedRedirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == 416:  # the file has no more than we have, or less
            return _answer(url, 0)
        raise InputError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise InputError(f"cannot be reached ({reason_of(error)})") from error


def _check_scheme(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in LOCAL:
        raise InputError("refused: only https is safe, plain http on this machine alone")


def reason_of(error: Exception) -> str:
    """The shortest that a person understands: "Connection refused" rather than two wrappings."""
    inner = getattr(error, "reason", None) or error
    return str(getattr(inner, "strerror", None) or inner).strip() or type(error).__name__
