"""Git's own hash of a folder: it covers every file's name, executable bit and content.

    blob = sha1(b"blob <size>\\0" + content)
    tree = sha1(b"tree <size>\\0" + rows), a row is b"<mode> <name>\\0" + raw hash, sorted by name,
           a folder as if its name ended in "/"

Source: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

PLAIN, EXECUTABLE, FOLDER = b"100644", b"100755", b"40000"  # git's modes

Blob = tuple[bytes, bytes]  # git's mode, raw sha-1


def folder_sha1(folder: Path) -> str:
    """Git's tree hash of the files in a folder. Like git it does not see empty folders."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    blobs = {name: blob(p.read_bytes(), p.stat().st_mode) for name, p in files.items()}
    return tree_sha1(blobs).hex()


def blob(content: bytes, permissions: int) -> Blob:
    """Git's mode and raw hash of a file's content."""
    return EXECUTABLE if permissions & 0o100 else PLAIN, _git_sha1(b"blob", content)


def _git_sha1(kind: bytes, content: bytes) -> bytes:
    return hashlib.sha1(b"%s %d\0" % (kind, len(content)) + content).digest()


def tree_sha1(files: Mapping[str, Blob]) -> bytes:
    """Raw tree hash of files by their path."""
    rows: dict[bytes, Blob] = {}
    inside: dict[str, dict[str, Blob]] = defaultdict(dict)
    for path, entry in files.items():
        first, slash, rest = path.partition("/")
        if slash:
            inside[first + slash][rest] = entry
        else:
            rows[os.fsencode(first)] = entry
    rows |= {os.fsencode(name): (FOLDER, tree_sha1(below)) for name, below in inside.items()}
    content = b"".join(
        b"%s %s\0%s" % (mode, name.rstrip(b"/"), sha) for name, (mode, sha) in sorted(rows.items())
    )
    return _git_sha1(b"tree", content)
