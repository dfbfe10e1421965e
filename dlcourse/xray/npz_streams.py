"""Arrays of .npz files of any size, piece by piece: nothing is unpickled, no size is believed."""

import logging
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from dlcourse.alone import alone
from dlcourse.downloads.remote_files import check_room
from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.progress import progress_bar
from dlcourse.trust.terminal import one_line

log = logging.getLogger(__name__)
CHUNK = 2**22  # bytes
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # NumPy's; others take memory as they like


class NpzArray:
    """An array in an .npz file, read piece by piece: the whole may not fit into memory.

    Its content has the size that its header says.

    Attributes:
        shape: As the header says, as well as `kind`, its type.
        crc: Of the array and its header, as the .npz file says.
    """

    def __init__(self, npz: zipfile.ZipFile, name: str, path: Path) -> None:
        self._npz = npz
        try:
            self._info = npz.getinfo(f"{name}.npy")
        except KeyError as error:
            found = one_line(", ".join(npz.namelist()[:100])) or "nothing"
            raise InputError(f"{path}: holds no {name}, which ChestMNIST has; {found}") from error
        if self._info.compress_type not in _PACKINGS:
            raise InputError(f"{path}: {name} is packed otherwise than NumPy packs arrays")
        self.crc = self._info.CRC
        with npz.open(self._info) as content:
            self.shape, by_column, self.kind = _header(content)
            start = content.tell()
        with npz.open(self._info) as content:
            self._head = content.read(start)
        size = prod(self.shape) * self.kind.itemsize
        plain = not (by_column or self.kind.hasobject) and min(self.shape, default=0) >= 0
        if not plain or size != self._info.file_size - start:
            raise InputError(
                f"{path}: {name} is no plain array of numbers, or not {one_line(self.kind)} "
                f"{one_line(self.shape)} as it says"
            )

    def chunks(self) -> Iterator[bytes]:
        """Its content from the first to the last byte; the .npz file's checksum is compared."""
        with self._npz.open(self._info) as content:
            content.read(len(self._head))
            while chunk := content.read(CHUNK):
                yield chunk

    def is_in(self, content: np.ndarray) -> bool:
        """Whether this is its content, by the .npz file's checksum."""
        return zlib.crc32(content, zlib.crc32(self._head)) == self.crc


def _header(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type."""
    if np.lib.format.read_magic(content) != (1, 0):  # later ones may have headers of 4 GB
        raise ValueError("a header of another version than 1.0")
    return np.lib.format.read_array_header_1_0(content)


def unpacked_arrays(arrays: Sequence[NpzArray], path: Path, folder: Path) -> np.ndarray:
    """Some arrays of one type and shape (n, ...) as one (N, ...) uint8, memory-mapped.

    They are unpacked once for each content, which is compared at every opening.

    Raises:
        InputError: There is no room.
    """
    target = folder / f"{path.stem}-{content_name(arrays)}.npy"
    if (images := _mapped(target, arrays)) is not None:
        return images
    check_room(folder, sum(prod(array.shape) for array in arrays))
    with alone(target):
        if (images := _mapped(target, arrays)) is None:  # else another process was faster
            if target.exists():
                log.warning("%s: damaged: unpacked anew", target)
            _unpack(arrays, path, target)
            images = _mapped(target, arrays)
    if images is None:
        raise InputError(f"{target}: cannot be read back; use another data_dir")
    return images


def content_name(arrays: Sequence[NpzArray]) -> str:
    """Of all images together, from the checksums that the .npz file keeps of its arrays."""
    checksums = repr([(array.crc, array.shape) for array in arrays])
    return f"{zlib.crc32(checksums.encode()):08x}"


def _together(arrays: Sequence[NpzArray]) -> tuple[int, ...]:
    return (sum(array.shape[0] for array in arrays), *arrays[0].shape[1:])


def _unpack(arrays: Sequence[NpzArray], path: Path, target: Path) -> None:
    shape = _together(arrays)
    form = {"descr": "|u1", "fortran_order": False, "shape": shape}
    chunks = (chunk for array in arrays for chunk in array.chunks())
    with written_whole(target) as partial, open(partial, "wb") as out:
        np.lib.format.write_array_header_1_0(out, form)
        for chunk in progress_bar(chunks, f"unpacking {path.name}", total=prod(shape) // CHUNK):
            out.write(chunk)


def _mapped(target: Path, arrays: Sequence[NpzArray]) -> np.ndarray | None:
    """None where nothing was unpacked, or something else is there."""
    try:
        images = np.load(target, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if images.shape != _together(arrays) or images.dtype != np.uint8:
        return None
    ends = np.cumsum([array.shape[0] for array in arrays])[:-1]
    whole = all(a.is_in(part) for a, part in zip(arrays, np.split(images, ends), strict=True))
    return images if whole else None
