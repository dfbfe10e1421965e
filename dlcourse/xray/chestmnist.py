"""ChestMNIST: all 112,120 radiographs of ChestX-ray14 as small squares in one file.

It tells no patients and no names. Its parts have the sizes of the 70/10/20 split by patient that
CheXNet's reproductions share, so that they may be believed to share no patient, though nothing here
can check that; and its training part then holds images of the archive's official test list.

Sources: Yang et al., MedMNIST v2, Scientific Data 2023, CC BY 4.0, https://zenodo.org/records/10519652;
Wang et al., ChestX-ray8, CVPR 2017.
"""

import logging
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlcourse.downloads.remote_files import RemoteFile, fetch_file
from dlcourse.errors import InputError
from dlcourse.splits import SPLITS
from dlcourse.trust.terminal import one_line
from dlcourse.xray.npz_streams import NpzArray, content_name, unpacked_arrays
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
MOST_IMAGES = 112_120


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
        arrays = [NpzArray(npz, f"{split}_images", path) for split in SPLITS]
        _check_images(arrays, path)
        studies = []
        for split, images in zip(SPLITS, arrays, strict=True):
            studies += _studies(split, _labels(npz, split, path, count=images.shape[0]))
        content = content_name(arrays)
        studies = [replace(study, sha1=content) for study in studies]
        return studies, unpacked_arrays(arrays, path, Path(folder))


def _check_images(arrays: Sequence[NpzArray], path: Path) -> None:
    """A file says how much is unpacked: no more than ChestMNIST has."""
    for split, images in zip(SPLITS, arrays, strict=True):
        shape, first = images.shape, arrays[0].shape
        if images.kind != np.uint8 or len(shape) != 3 or shape[1:] != first[1:]:
            raise InputError(
                f"{path}: {split}_images is {one_line(images.kind)} {one_line(shape)}; uint8 "
                f"(N, H, W) of one size in all parts is needed"
            )
    (height, width), count = arrays[0].shape[1:], sum(images.shape[0] for images in arrays)
    if not (0 < height <= max(MD5) and 0 < width <= max(MD5) and count <= MOST_IMAGES):
        raise InputError(
            f"{path}: has {count} images of {width} x {height} pixels; at most {MOST_IMAGES} of "
            f"{max(MD5)} x {max(MD5)} are allowed"
        )


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
    array = NpzArray(npz, f"{split}_labels", path)
    if array.kind.kind not in "biu" or array.shape != (count, len(FINDINGS)):
        raise InputError(
            f"{path}: {split}_labels is {one_line(array.kind)} {one_line(array.shape)}; whole "
            f"numbers, a row for each of {count} images and a column for each of {len(FINDINGS)} "
            f"findings are needed"
        )
    labels = np.frombuffer(b"".join(array.chunks()), dtype=array.kind).reshape(array.shape)
    wrong = labels[(labels != 0) & (labels != 1)]
    if len(wrong):
        raise InputError(f"{path}: {split}_labels holds {wrong[0]}; 0 and 1 are allowed")
    return labels


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Whatever a damaged file brings about becomes one line that names the file."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read or unpacked ({one_line(error)})") from error
    except Exception as error:  # the readers of .zip and .npy files raise many kinds
        raise InputError(
            f"{path}: not an .npz file of ChestMNIST, or a damaged one ({one_line(error)}); remove "
            f"it to have it fetched again"
        ) from error
