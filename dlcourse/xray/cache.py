"""Radiographs decoded once, kept as one memory-mapped array: training never decodes a file again.

<folder>/<key>/images.npy   (N, size, size) uint8, a row a file
<folder>/<key>/index.json   the files' names and content hashes, and by row why one is black
<folder>/fingerprints.json  content hashes of files, by size and time, so that none is read twice

The key is a hash of the files' contents, in order, and of the size in pixels: a changed file gets a
new array, and the folder in which the files lie does not matter.
"""

import hashlib
import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dlcourse.errors import InputError
from dlcourse.files import write_text, written_whole
from dlcourse.progress import progress_bar
from dlcourse.xray.images import read_image

T = TypeVar("T")

VERSION = 2  # of how files are decoded: another one is another key
ATTEMPTS = 4  # to find or make an array, where another process may take it away


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """Some files as one array.

    Attributes:
        images: (N, size, size) uint8, memory-mapped; row i is file i, black where it has an error.
        errors: Why a file could not be read, by its path.
        digests: SHA-1 of every file's content, by its path; "" where it could not be read.
    """

    images: np.ndarray
    errors: dict[str, str]
    digests: dict[str, str]


def decoded_images(paths: Sequence[Path], *, size: int, folder: str | Path) -> DecodedImages:
    """The images of these files, decoded on the first call and found on the next.

    Two processes may do this at once: both end with the same array. A damaged array is made anew,
    and so is one with errors when a file can be read now (with a decoder that was missing).

    Args:
        size: Pixels; images become squares of this size.
        folder: Where arrays are kept.

    Raises:
        InputError: The disk has no room for the array.
    """
    folder = Path(folder)
    digests = _digests(paths, folder / "fingerprints.json")
    text = json.dumps([VERSION, size, digests])
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    images, errors = np.zeros((0, size, size), np.uint8), dict[int, str]()
    if paths:
        images, errors = _found_or_made(paths, digests, place, size=size)
    by_path = {str(path): digest for path, digest in zip(paths, digests, strict=True)}
    return DecodedImages(images, {str(paths[i]): error for i, error in errors.items()}, by_path)


def _found_or_made(
    paths: Sequence[Path], digests: Sequence[str], place: Path, *, size: int
) -> tuple[np.ndarray, dict[int, str]]:
    """The array and the errors by row."""
    for attempt in range(ATTEMPTS):
        there = place.exists()  # asked first: what appears after this is whole
        found = _opened(place, (len(paths), size, size))
        if found is not None and (attempt or not _readable_now(paths, found[1], size)):
            return found
        if there:
            _take_away(place)
        _check_room(place.parent, len(paths) * size**2)
        _decode(paths, digests, place, size=size)
    raise InputError(f"{place}: what was written there cannot be read back; use another data_dir")


def _readable_now(paths: Sequence[Path], errors: dict[int, str], size: int) -> bool:
    return any(isinstance(_image_or_error(paths[row], size), np.ndarray) for row in errors)


def _opened(place: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, dict[int, str]] | None:
    """The array and the errors by row; None where there is none, or a damaged one."""
    try:
        index = json.loads((place / "index.json").read_text(encoding="utf-8"))
        errors = {int(row): str(error) for row, error in index["errors"].items()}
        images = np.load(place / "images.npy", mmap_mode="r", allow_pickle=False)
        whole = images.shape == shape and images.dtype == np.uint8
        return (images, errors) if whole and _checksum(images) == index["checksum"] else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError):
        return None


def _checksum(images: np.ndarray) -> str:
    """Of some images, so that a look at a large array does not read all of it."""
    return hashlib.sha1(images[:: max(1, len(images) // 64)].tobytes()).hexdigest()


def _take_away(place: Path) -> None:
    """In one step for whoever looks on, and harmless where another process was faster."""
    useless = place.with_name(f".{place.name}.{os.getpid()}.useless")
    try:
        place.rename(useless)
    except FileNotFoundError:
        return
    shutil.rmtree(useless)


def _check_room(folder: Path, size: int) -> None:
    """Writing to a mapped file on a full disk kills the process without a word."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"{folder}: decoded images need {size / 1e9:.1f} GB, {free / 1e9:.1f} are free; "
            f"data_dir=<folder> names another place, a smaller data.size needs less"
        )


def _decode(paths: Sequence[Path], digests: Sequence[str], place: Path, *, size: int) -> None:
    """Write the folder of an array, whole or not at all."""
    errors: dict[int, str] = {}
    try:
        with written_whole(place) as folder:
            shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
            folder.mkdir()
            shape = (len(paths), size, size)
            images = np.lib.format.open_memmap(
                folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape
            )
            decoded = _in_threads(lambda path: _image_or_error(path, size), paths, "decoding")
            for row, image in enumerate(decoded):
                if isinstance(image, str):
                    errors[row] = image
                else:
                    images[row] = image
            images.flush()
            index = {"files": [path.name for path in paths], "digests": digests, "errors": errors}
            index["checksum"] = _checksum(images)
            write_text(folder / "index.json", json.dumps(index, indent=1))
    except OSError:
        if not place.is_dir():  # else another process put it there in the same moment
            raise


def _image_or_error(path: Path, size: int) -> np.ndarray | str:
    try:
        return read_image(path, size)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")


def _in_threads(work: Callable[[Path], T], paths: Sequence[Path], what: str) -> Iterator[T]:
    """The results in order, a few ahead of who takes them, so that memory stays bounded.

    Reading, hashing and decoding all let go of Python's lock.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque = deque()
        for path in progress_bar(paths, f"{what} radiographs"):
            ahead.append(pool.submit(work, path))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _digests(paths: Sequence[Path], memory: Path) -> list[str]:
    """SHA-1 of every file's content, "" where it cannot be read.

    They are remembered as long as path, size and time of a file stay the same.
    """
    known, states = _remembered(memory), [_state(path) for path in paths]
    new = [path for path, state in zip(paths, states, strict=True) if state not in known]
    hashed = dict(zip(new, _in_threads(_hashed, new, "hashing"), strict=True))
    digests = [known.get(state) or hashed[path] for path, state in zip(paths, states, strict=True)]
    learned = {s: d for s, d in zip(states, digests, strict=True) if s not in known and d}
    if learned:
        write_text(memory, json.dumps(known | learned, indent=0))
    return digests


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except OSError:
        return ""
    return f"{os.path.abspath(path)} {stat.st_size} {stat.st_mtime_ns}"


def _hashed(path: Path) -> str:
    try:
        return hashlib.sha1(path.read_bytes()).hexdigest()
    except OSError:
        return ""
