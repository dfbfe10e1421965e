"""Folders of files that follow from a seed: made once, and made anew where they are not intact.

<folder>/.made.json    the size and SHA-1 of every file, as it was made
"""

import hashlib
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

from dlcourse.checked_json import read_checked, write_checked
from dlcourse.files import written_whole

log = logging.getLogger(__name__)
RECORD = ".made.json"


def made_folder(folder: str | Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` write the files of a folder, whole or not at all, unless they are all there.

    A folder with other files than were made (a disk error, a clean-up, an edit) is put
    aside, so that nothing is lost, and made anew.
    """
    folder = Path(folder)
    if folder.is_dir():
        difference = _difference(folder)
        if not difference:
            return
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}-aside-"))
        folder.rename(aside / folder.name)
        log.warning("%s: %s; it is made anew, as it was lies in %s", folder, difference, aside)
    with written_whole(folder) as partial:
        partial.mkdir()
        fill(partial)
        write_checked(partial / RECORD, _contents(partial))


def _difference(folder: Path) -> str:
    """The first file that is not as it was made, in words; "" where all are.

    What systems leave in folders that somebody looks into (.DS_Store, Thumbs.db) is no difference.
    """
    made, found = read_checked(folder / RECORD), _contents(folder)
    if made is None:
        return f"no intact record of its files ({RECORD})"
    kinds = {Path(name).suffix for name in made}
    for name in sorted(made.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name in made and made[name] != found[name]:
            return f"{name} is not as it was made"
        if name not in made and Path(name).suffix in kinds:
            return f"{name} is none of its files"
    return ""


def _contents(folder: Path) -> dict[str, list[int | str]]:
    """Size and SHA-1 of every file that is not hidden, by its name."""
    files = [path for path in sorted(folder.rglob("[!.]*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): _content(path) for path in files}


def _content(path: Path) -> list[int | str]:
    try:
        content = path.read_bytes()
    except OSError as error:  # a bad sector
        return [0, str(error.strerror)]
    return [len(content), hashlib.sha1(content).hexdigest()]
