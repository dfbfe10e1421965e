"""A pinned folder of a public git repository, fetched once and verified.

Archives made on request are not the same bytes every time, so what is pinned is git's own tree
hash of the folder (`git_tree`).
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.downloads.addresses import without_login
from dlcourse.downloads.answers import opened, reason_of
from dlcourse.downloads.git_tree import EXECUTABLE, Blob, blob, tree_sha1
from dlcourse.downloads.tar_streams import Stream, unpacked
from dlcourse.errors import InputError
from dlcourse.files import written_whole

MOST_BYTES = 2 * 1024**3  # unpacked, of the whole archive
MOST_FILES = 100_000
MOST_OF_A_NAME = 1000  # characters
MOST_OF_A_FILE = 100 * 1024**2  # in memory; GitHub takes no larger ones
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
        raise InputError(f"{source}: {reason} ({without_login(url)}); {ADVICE}") from error
    except OSError as error:
        raise InputError(f"{destination}: cannot be written ({reason_of(error)})") from error
    return destination


def _extract(
    archive: Stream, folder: str, *, target: Path, keep: Callable[[str], bool]
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
                raise InputError(f"{name!r} in the archive is neither a file nor a folder")
            if member.size > MOST_OF_A_FILE:
                raise InputError(f"{name!r} in the archive has {member.size} bytes")
            content = tar.extractfile(member).read()
            files[name] = blob(content, member.mode)
            if keep(name):
                _write(target / name, content, files[name][0])
    if not files:
        raise InputError(f"the archive has no files below {folder}/")
    return files


def _name_below(member: str, folder: str) -> str | None:
    """The path relative to `folder`, None when outside; the archive's own top folder is dropped."""
    path = member.partition("/")[2]
    name = path.removeprefix(f"{folder}/")
    leads_elsewhere = member.startswith("/") or ".." in member.split("/") or name.startswith("/")
    # The last two lead elsewhere on Windows.
    if leads_elsewhere or len(member) > MOST_OF_A_NAME or set("\0\\:") & set(name):
        raise InputError(f"unsafe name {member[:100]!r} in the archive")
    return None if name == path else name


def _write(path: Path, content: bytes, mode: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if mode == EXECUTABLE:  # so that the folder still has the pinned hash
        path.chmod(0o755)
