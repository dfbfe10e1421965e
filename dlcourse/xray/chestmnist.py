"""ChestMNIST: all 112,120 radiographs of ChestX-ray14 as small squares in one file.

It tells no patients and no names. Its parts have the sizes of the 70/10/20 split by patient that
CheXNet's reproductions share, so that they may be believed to share no patient, though nothing here
can check that; and its training part then holds images of the archive's official test list.

Sources: Yang et al., MedMNIST v2, Scientific Data 2023, CC BY 4.0, https://zenodo.org/records/10519652;
Wang et al., ChestX-ray8, CVPR 2017.
"""

import logging
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from dlcourse.errors import InputError
from dlcourse.fetching import RemoteFile, check_room, fetch_file
from dlcourse.files import written_whole
from dlcourse.progress import progress_bar
from dlcourse.splits import SPLITS
from dlcourse.xray.studies import FINDINGS, Study

log = logging.getLogger(__name__)

ZENODO = "https://zenodo.org/records/10519652/files"
TERMS = (
    "ChestMNIST, CC BY 4.0: cite Yang et al., MedMNIST v2, Scientific Data 2023, and for its "
    "images Wang et al., ChestX-ray8, CVPR 2017; acknowledge the NIH Clinical Center"
)
MD5 = {  # by pixels
    28: "02c8a6516a18b556561a56cbdd36c4a8",
    64: "9de6cd0b934ebb5b7426cfba5efbae16",
    128: "db107e5590b27930b62dbaf558aebee3",
    224: "45bd33e6f06c3e8cdb481c74a89152aa",
}
CHUNK = 2**22  # bytes


@dataclass(frozen=True, kw_only=True)
class ChestMNIST:
    """ChestMNIST in one of its sizes; see `sources.Source`.

    Args:
        size: Pixels: 28, 64, 128 or 224.
        url: Another place that has the same file.
    """

    size: int = 64
    url: str | None = None

    def folder(self, data_dir: Path) -> Path:
        """`chestmnist` below the data folder, which holds `npz_name(size)`; fetched if absent."""
        folder = data_dir / "chestmnist"
        if not (folder / npz_name(self.size)).is_file():
            fetch_chestmnist(folder, size=self.size, url=self.url)
        return folder


def npz_name(size: int) -> str:
    """What the file of a size is called.

    Raises:
        InputError: ChestMNIST has no such size.
    """
    if size not in MD5:
        raise InputError(f"ChestMNIST has no images of {size} pixels: {', '.join(map(str, MD5))}")
    return "chestmnist.npz" if size == 28 else f"chestmnist_{size}.npz"


def chestmnist_in(folder: str | Path, *, size: int) -> Path | None:
    """The file of a size that lies in a folder; None where there is no ChestMNIST.

    Raises:
        InputError: It is there in other sizes only.
    """
    found = sorted(Path(folder).glob("chestmnist*.npz"))
    path = Path(folder) / npz_name(size) if size in MD5 else None
    if found and path not in found:
        names = ", ".join(file.name for file in found)
        raise InputError(f"{folder}: data.size={size} asks for another file than {names}")
    return path if found else None


def fetch_chestmnist(folder: str | Path, *, size: int, url: str | None = None) -> Path:
    """Download the file of a size into a folder, or verify the one that lies there.

    Raises:
        InputError: It cannot be reached or written, or is not the published file.
    """
    name = npz_name(size)
    advice = (
        f"give the same command again to go on, put {name} into {folder} with a browser, or name a "
        f"copy of your own: data.root=<folder>"
    )
    log.info(TERMS)
    url = url or f"{ZENODO}/{name}?download=1"
    return fetch_file(RemoteFile(url=url, md5=MD5[size], advice=advice), Path(folder) / name)


def read_chestmnist(path: str | Path, *, folder: str | Path) -> tuple[list[Study], np.ndarray]:
    """What is known of each image, and the images (N, H, W) uint8, memory-mapped, in that order.

    A study's file is its part and place, "train/000012", which also stands for its patient; its
    split is the part; its findings are the label's columns in the order of `FINDINGS`.

    Args:
        folder: Where the images are unpacked to, once for each content.

    Raises:
        InputError: The file is not ChestMNIST's, damaged or cut short, or there is no room.
    """
    path = Path(path)
    with _damage_named(path), zipfile.ZipFile(path) as npz:
        arrays = {split: _Array(npz, f"{split}_images", path) for split in SPLITS}
        studies = []
        for split, images in arrays.items():
            shape, first = images.shape, arrays[SPLITS[0]].shape
            if images.kind != np.uint8 or len(shape) != 3 or shape[1:] != first[1:]:
                raise InputError(
                    f"{path}: {split}_images is {images.kind} {shape}; uint8 (N, H, W) of one size "
                    f"in all parts is needed"
                )
            studies += _studies(split, _labels(npz, split, path, count=shape[0]))
        content = _content_name([*arrays.values()])
        studies = [replace(study, sha1=content) for study in studies]
        return studies, _unpacked_images([*arrays.values()], path, Path(folder))


def _studies(split: str, labels: np.ndarray) -> list[Study]:
    """One for each row of the labels (n, 14)."""
    studies = []
    for position, row in enumerate(labels):
        file = f"{split}/{position:06}"
        findings = frozenset(FINDINGS[i] for i in np.flatnonzero(row))
        studies.append(Study(file, None, file, findings=findings, split=split))
    return studies


def _labels(npz: zipfile.ZipFile, split: str, path: Path, *, count: int) -> np.ndarray:
    """(n, 14) of 0 and 1."""
    array = _Array(npz, f"{split}_labels", path)
    if array.kind.kind not in "biu" or array.shape != (count, len(FINDINGS)):
        raise InputError(
            f"{path}: {split}_labels is {array.kind} {array.shape}; whole numbers, a row for each "
            f"of {count} images and a column for each of {len(FINDINGS)} findings are needed"
        )
    labels = np.frombuffer(b"".join(array.chunks()), dtype=array.kind).reshape(array.shape)
    wrong = labels[(labels != 0) & (labels != 1)]
    if len(wrong):
        raise InputError(f"{path}: {split}_labels holds {wrong[0]}; 0 and 1 are allowed")
    return labels


def _unpacked_images(arrays: Sequence["_Array"], path: Path, folder: Path) -> np.ndarray:
    """The images of all parts (N, H, W) as one memory-mapped file; its name follows the content."""
    shape = (sum(array.shape[0] for array in arrays), *arrays[0].shape[1:])
    target = folder / f"{path.stem}-{_content_name(arrays)}.npy"
    if not target.is_file():
        check_room(folder, prod(shape))
        form = {"descr": "|u1", "fortran_order": False, "shape": shape}
        chunks = (chunk for array in arrays for chunk in array.chunks())
        with written_whole(target) as partial, open(partial, "wb") as out:
            np.lib.format.write_array_header_1_0(out, form)
            for chunk in progress_bar(chunks, f"unpacking {path.name}", total=prod(shape) // CHUNK):
                out.write(chunk)
    return _mapped(target, shape)


def _content_name(arrays: Sequence["_Array"]) -> str:
    """Of all images together, from the checksums that the archive keeps of its arrays."""
    checksums = repr([(array.info.CRC, array.shape) for array in arrays])
    return f"{zlib.crc32(checksums.encode()):08x}"


def _mapped(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    advice = "remove this file and it is made again from the .npz"
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: damaged; {advice}") from error
    if images.shape != shape or images.dtype != np.uint8:
        raise InputError(f"{path}: is {images.dtype} {images.shape}, expected {shape}; {advice}")
    return images


class _Array:
    """An array in an .npz file, read piece by piece: the whole may not fit into memory.

    Nothing is unpickled. Its content has the size that its header says.
    """

    def __init__(self, npz: zipfile.ZipFile, name: str, path: Path) -> None:
        self._npz = npz
        try:
            self.info = npz.getinfo(f"{name}.npy")
        except KeyError as error:
            found = ", ".join(npz.namelist())[:200] or "nothing"
            raise InputError(f"{path}: holds no {name}, which ChestMNIST has; {found}") from error
        with npz.open(self.info) as content:
            self.shape, by_column, self.kind = _header(content)
            self._start = content.tell()
        size = prod(self.shape) * self.kind.itemsize
        if by_column or self.kind.hasobject or size != self.info.file_size - self._start:
            raise InputError(
                f"{path}: {name} is no plain array of numbers, or not {self.kind} {self.shape} as "
                f"it says"
            )

    def chunks(self) -> Iterator[bytes]:
        """Its content from the first to the last byte; the .npz file's checksum is compared."""
        with self._npz.open(self.info) as content:
            content.read(self._start)
            while chunk := content.read(CHUNK):
                yield chunk


def _header(content: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type."""
    version = np.lib.format.read_magic(content)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(content)
    return np.lib.format.read_array_header_2_0(content)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Whatever a damaged file brings about becomes one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not an .npz file of ChestMNIST, or a damaged one ({reason}); remove it to "
            f"have it fetched again"
        ) from error
    except (OSError, RuntimeError) as error:  # the latter for a file with a password
        raise InputError(f"{path}: cannot be read or unpacked ({error})") from error
