"""Radiographs decoded once, kept as one memory-mapped array: training never decodes a file again.

<folder>/<key>/images.npy   (N, size, size) uint8
<folder>/<key>/index.json   which files they are, and those that could not be read
<folder>/fingerprints.json  content hashes of files, by size and time, so that none is read twice

The key is a hash of the files' contents and the size in pixels: a changed file gets a new array.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.errors import InputError
from dlcourse.files import write_json, written_whole
from dlcourse.progress import progress_bar
from dlcourse.xray.images import read_image

VERSION = 1  # of how files are decoded: another one is another key
CHUNK = 256  # images decoded before they are handed on, so that memory stays bounded


@dataclass(frozen=True, eq=False)
class DecodedImages:
    """Some files as one array.

    Attributes:
        images: (N, size, size) uint8, memory-mapped; black for a file that could not be read.
        errors: Why not, by its path.
        digests: Hash of every file's content, by its path.
    """

    images: np.ndarray
    errors: dict[str, str]
    digests: dict[str, str]


def decoded_images(paths: Sequence[Path], *, size: int, folder: str | Path) -> DecodedImages:
    """The images of these files, decoded on the first call and found on the next.

    Two processes may do this at once: both end with the same array.

    Args:
        size: Pixels; images become squares of this size.
        folder: Where arrays are kept.
    """
    folder = Path(folder)
    digests = _content_hashes(paths, folder / "fingerprints.json")
    text = json.dumps([VERSION, size, [digests[str(path)] for path in paths]])
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    found = _opened(place, len(paths), size)
    if found is None:
        _decode(paths, place, size=size)
        found = _opened(place, len(paths), size)
    assert found is not None, place
    images, errors = found
    return DecodedImages(images, {str(paths[i]): reason for i, reason in errors.items()}, digests)


def _opened(place: Path, count: int, size: int) -> tuple[np.ndarray, dict[int, str]] | None:
    """The array and the errors by position; None where there is none or a damaged one."""
    try:
        index = json.loads((place / "index.json").read_text(encoding="utf-8"))
        errors = {int(position): str(reason) for position, reason in index["errors"].items()}
        images = np.load(place / "images.npy", mmap_mode="r", allow_pickle=False)
        whole = images.shape == (count, size, size) and images.dtype == np.uint8
        return (images, errors) if whole and _checksum(images) == index["checksum"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _checksum(images: np.ndarray) -> str:
    """Of some images, so that a look at a large array does not read all of it."""
    some = images[:: max(1, len(images) // 64)]
    return hashlib.sha1(np.ascontiguousarray(some).tobytes()).hexdigest()


def _decode(paths: Sequence[Path], place: Path, *, size: int) -> None:
    """Write the folder of an array, whole or not at all; a damaged one makes room."""
    shutil.rmtree(place, ignore_errors=True)
    errors: dict[int, str] = {}
    with written_whole(place) as folder:
        shutil.rmtree(folder, ignore_errors=True)  # left by a killed process that had our number
        folder.mkdir(parents=True)
        images = np.lib.format.open_memmap(
            folder / "images.npy", mode="w+", dtype=np.uint8, shape=(len(paths), size, size)
        )
        for position, image in enumerate(_each_decoded(paths, size)):
            if isinstance(image, InputError):
                errors[position] = str(image)
            else:
                images[position] = image
        images.flush()
        index = {"files": [path.name for path in paths], "errors": errors}
        write_json(folder / "index.json", index | {"checksum": _checksum(images)})


def _each_decoded(paths: Sequence[Path], size: int) -> Iterator[np.ndarray | InputError]:
    """Images or errors in the order of the files, decoded on all processors."""

    def decode(path: Path) -> np.ndarray | InputError:
        try:
            return read_image(path, size=size)
        except InputError as error:
            return error

    bar = progress_bar(range(0, len(paths), CHUNK), "decoding radiographs")
    with ThreadPoolExecutor() as pool:  # the decoders let go of Python's lock
        for start in bar:
            yield from pool.map(decode, paths[start : start + CHUNK])


def _content_hashes(paths: Sequence[Path], memory: Path) -> dict[str, str]:
    """SHA-1 of every file by its path; remembered as long as size and time stay the same."""
    try:
        known: dict[str, list[Any]] = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    digests, news = {}, {}
    for path in progress_bar(paths, "looking for changes"):
        state, name = path.stat(), str(path.resolve())
        row = known.get(name)
        if not isinstance(row, list) or row[:2] != [state.st_size, state.st_mtime_ns]:
            digest = hashlib.sha1(path.read_bytes()).hexdigest()
            row = news[name] = [state.st_size, state.st_mtime_ns, digest]
        digests[str(path)] = row[2]
    if news:
        write_json(memory, known | news)
    return digests
