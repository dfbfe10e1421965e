"""Radiographs decoded once, kept as one memory-mapped array: training never decodes a file again.

<folder>/<key>/images.npy   (N, size, size) uint8, a row a file
<folder>/<key>/index.json   the files' names and content hashes, and by row why one is black
<folder>/fingerprints.json  content hashes of files, by size and time, so that none is read twice

The key is a hash of the files' contents, in order, and of the size in pixels: a changed file gets a
new array, and the folder in which the files lie does not matter. An array is read through once when
it is opened, so that no flipped bit goes unnoticed: 2 s for 112,120 images of 224 pixels, which
the system has in memory; else as long as the disk takes, and training then finds them in memory.
"""

import hashlib
import io
import json
import logging
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlcourse.alone import alone
from dlcourse.checked_json import read_checked, write_checked
from dlcourse.downloads.remote_files import in_words
from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.xray.fingerprints import content_hashes
from dlcourse.xray.images import read_image
from dlcourse.xray.threads import in_threads

log = logging.getLogger(__name__)
Found = tuple[np.ndarray, dict[int, str]]  # an array, and by row why an image is black

VERSION = 2  # of how files are decoded: another one is another key
BLOCK = 16 * 2**20  # bytes that have a checksum of their own


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

    Of several processes one decodes, and the others wait for it. A damaged array is made anew, and
    so is one with errors when a file can be read now (with a decoder that was missing).

    Args:
        size: Pixels; images become squares of this size.
        folder: Where arrays are kept.

    Raises:
        InputError: The disk has no room for the array.
    """
    folder = Path(folder)
    digests = content_hashes(paths, folder / "fingerprints.json")
    text = json.dumps([VERSION, size, digests])
    place = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
    images, errors = np.zeros((0, size, size), np.uint8), dict[int, str]()
    if paths:
        images, errors = _found_or_made(paths, digests, place, size=size)
    by_path = {str(path): digest for path, digest in zip(paths, digests, strict=True)}
    return DecodedImages(images, {str(paths[i]): error for i, error in errors.items()}, by_path)


def _found_or_made(
    paths: Sequence[Path], digests: Sequence[str], place: Path, *, size: int
) -> Found:
    """The array and the errors by row."""
    shape = (len(paths), size, size)

    def usable() -> Found | None:
        found = _opened(place, shape)
        return None if found is None or _readable_now(paths, found[1], size) else found

    if (found := usable()) is not None:
        return found
    with alone(place):
        if (found := usable()) is not None:  # another process was faster
            return found
        if place.exists():
            log.warning("%s: damaged, or of an older version: decoded anew", place)
            shutil.rmtree(place)
        _check_room(place.parent, len(paths) * size**2)
        _decode(paths, digests, place, size=size)
        if (found := _opened(place, shape)) is not None:
            return found
    raise InputError(f"{place}: what was written there cannot be read back; use another data_dir")


def _readable_now(paths: Sequence[Path], errors: dict[int, str], size: int) -> bool:
    return any(isinstance(_image_or_error(paths[row], size), np.ndarray) for row in errors)


def _opened(place: Path, shape: tuple[int, int, int]) -> Found | None:
    """The array and the errors by row; None where there is none, or a damaged one."""
    path, header, index = place / "images.npy", _header(shape), read_checked(place / "index.json")
    try:
        with open(path, "rb") as file:  # not np.load, which raises what it likes
            whole = file.read(len(header)) == header
        images = np.memmap(path, np.uint8, mode="r", offset=len(header), shape=shape)
        whole = whole and path.stat().st_size == len(header) + images.nbytes
        errors = {int(row): str(error) for row, error in index["errors"].items()}
        return (images, errors) if whole and _checksums(images) == index["checksums"] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _header(shape: tuple[int, int, int]) -> bytes:
    """What stands before the images (N, size, size) in NumPy's files."""
    header = io.BytesIO()
    descr = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, descr)
    return header.getvalue()


def _checksums(images: np.ndarray) -> list[int]:
    """CRC-32 of every block of images (N, size, size)."""
    rows = _rows_of_a_block(images.shape[1])
    firsts = range(0, len(images), rows)
    blocks = in_threads(lambda first: zlib.crc32(images[first : first + rows]), firsts, "checking")
    return list(blocks)


def _rows_of_a_block(size: int) -> int:
    return max(1, BLOCK // size**2)


def _check_room(folder: Path, size: int) -> None:
    """Ask before hours of decoding, not after them."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            f"{folder}: decoded images need {in_words(size)}, {in_words(free)} are free; "
            f"data_dir=<folder> names another place, a smaller data.size needs less"
        )


def _decode(paths: Sequence[Path], digests: Sequence[str], place: Path, *, size: int) -> None:
    """Write the folder of an array, whole or not at all.

    Checksums are those of what was to be written, so that a disk that wrote something else is found
    out. Rows are written, not mapped: on a full disk that is an error, the other a crash.
    """
    errors: dict[int, str] = {}
    rows = _rows_of_a_block(size)
    checksums = [0] * -(-len(paths) // rows)
    with written_whole(place) as folder:
        folder.mkdir()
        with open(folder / "images.npy", "wb") as out:
            out.write(_header((len(paths), size, size)))
            decoded = in_threads(lambda path: _image_or_error(path, size), paths, "decoding")
            for row, image in enumerate(decoded):
                if isinstance(image, str):
                    errors[row], image = image, np.zeros((size, size), np.uint8)
                content = image.tobytes()
                checksums[row // rows] = zlib.crc32(content, checksums[row // rows])
                out.write(content)
        names = [path.name for path in paths]
        index = {"files": names, "digests": digests, "errors": errors, "checksums": checksums}
        write_checked(folder / "index.json", index)


def _image_or_error(path: Path, size: int) -> np.ndarray | str:
    try:
        return read_image(path, size)
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
