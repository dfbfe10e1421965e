"""What a student has handed in, read with care: source files alone, no links, nothing huge."""

import ast
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from dlcourse.trust.terminal import printable

MOST_BYTES = 200_000  # of a file; the labs' are below 20,000
MOST_FILES = 100
_MOST_ENTRIES = 5_000
_DEEPEST = 4
_CAREFULLY = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_SKIPPED = ("__pycache__", "__MACOSX", "venv", "env")


@dataclass(frozen=True)
class Submission:
    """A student's source files.

    Attributes:
        name: Of the student's folder.
        files: Contents by path in it, with slashes.
        notes: What was not taken and why, and what a teaching assistant should look at.
    """

    name: str
    files: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def hash(self) -> str:
        """Of the files, of what was refused, and of this package, which holds the checks."""
        digest = hashlib.sha256(package_hash().encode())
        for path in sorted(self.files):
            content = hashlib.sha256(self.files[path]).hexdigest()
            digest.update(repr((path, content)).encode())
        digest.update(repr(self.notes).encode())
        return digest.hexdigest()

    def copy_to(self, folder: Path) -> None:
        """Write the files below a folder."""
        for path, content in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def read_submission(folder: Path, *, wanted: tuple[str, ...]) -> Submission:
    """The .py files of a student's folder.

    Args:
        wanted: Names of the labs' files; when they lie in the only folder that has some, that one
            is taken for the student's.
    """
    name = printable(folder.name)
    if folder.is_symlink():
        return Submission(name, notes=("the folder is a symbolic link, which is not followed",))
    files: dict[str, bytes] = {}
    notes: list[str] = []
    for entry, path in _sources(folder, "", notes):
        if len(files) == MOST_FILES:
            notes.append(f"more than {MOST_FILES} files of source; the others are left out")
            break
        try:
            files[path] = _content(entry)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            notes.append(f"{printable(path)}: {reason}")
    files, above = _lifted(files, wanted)
    if above:
        notes.append(f"the files were in {printable(above)}")
    return Submission(name, files, (*sorted(notes), *_imports(files, wanted)))


def _sources(folder: Path, above: str, notes: list[str]) -> Iterator[tuple[os.DirEntry, str]]:
    """Entries whose names end in .py, links and all, in order; folders that are links are not."""
    waiting, seen = [(folder, above, 0)], 0
    while waiting:
        at, prefix, depth = waiting.pop(0)
        try:
            with os.scandir(at) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            notes.append(f"{printable(prefix) or 'the folder'}: {error.strerror}")
            continue
        seen += len(entries)
        if seen > _MOST_ENTRIES:
            notes.append(f"more than {_MOST_ENTRIES} files; the others are left out")
            return
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SKIPPED:
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEEPEST:
                    waiting.append((Path(entry.path), f"{prefix}{entry.name}/", depth + 1))
            elif entry.name.endswith(".py"):
                yield entry, prefix + entry.name


def _content(entry: os.DirEntry) -> bytes:
    """A regular file's; a link may name what is not the student's, and a pipe never ends."""
    if entry.is_symlink():
        raise ValueError("a symbolic link, which is not followed")
    opened = os.open(entry.path, _CAREFULLY)
    with os.fdopen(opened, "rb") as file:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("no regular file")
        content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"{max(status.st_size, len(content)):,} bytes, at most {MOST_BYTES:,}")
    return content


def _lifted(files: dict[str, bytes], wanted: tuple[str, ...]) -> tuple[dict[str, bytes], str]:
    """The files seen from the only folder that has some of the labs'; and which one that is."""
    folders = {path.rpartition("/")[0] for path in files if path.rpartition("/")[2] in wanted}
    if len(folders) != 1 or folders == {""}:
        return files, ""
    above = f"{folders.pop()}/"
    return {p.removeprefix(above): c for p, c in files.items() if p.startswith(above)}, above


def _imports(files: dict[str, bytes], wanted: tuple[str, ...]) -> list[str]:
    """Where the package itself is used: an answer that calls it is not the student's own."""
    notes = []
    for path in sorted(files):
        try:
            tree = ast.parse(files[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # the check of the file says so
        for node in ast.walk(tree):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
            if any(name.split(".")[0] == __name__.split(".")[0] for name in [module or "", *names]):
                notes.append(f"{printable(path)}, line {node.lineno}: imports the package itself")
                break
    return notes


@cache
def package_hash() -> str:
    """Of every source file of this package: the checks, and what they hold answers against."""
    root, digest = Path(__file__).resolve().parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
