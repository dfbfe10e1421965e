"""One radiograph from its file to grey values, whatever the archive or a hospital wrote."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.transforms.v2 import functional as F

from dlcourse.errors import InputError
from dlcourse.trust.strange_files import file_fault
from dlcourse.trust.terminal import one_line
from dlcourse.xray.dicom import read_dicom
from dlcourse.xray.image_limits import MOST_BYTES, check_scans, check_sides

DICOM_SUFFIXES = (".dcm", ".dicom")
_FORMATS = ("PNG", "JPEG")
_ALMOST_SQUARE = 1.01
_SIXTEEN_TO_EIGHT = ((np.arange(2**16) + 128) // 257).astype(np.uint8)  # 65535 -> 255
# Too large an image is an error of ours. Here, as `catch_warnings` would disturb the other threads.
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def read_image(path: str | Path, size: int | None = None) -> np.ndarray:
    """Grey values (H, W) uint8, air dark; a square of `size` pixels when it is given.

    PNG and JPEG: colour and palettes become luma (ITU-R 601), alpha is ignored (the archive's RGBA
    files are grey and opaque), 16 bits become 8 by 65535 -> 255. DICOM (by its suffix): rescaled,
    then 0..255 is what its window or lookup table spans, or without one its smallest and largest
    value; MONOCHROME1 is turned over. See `resized` for what is not square.

    Raises:
        InputError: The file is damaged, empty, no image, too large, a pipe, or a DICOM file of
            several frames; or pydicom is needed and missing.
    """
    path = Path(path)
    if fault := file_fault(path, most=MOST_BYTES):
        raise InputError(f"{path}: {fault}")
    read = read_dicom if path.suffix.lower() in DICOM_SUFFIXES else _read_picture
    try:
        image = read(path)
    except InputError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    except Exception as error:  # decoders raise many kinds on damaged files
        raise InputError(f"{path}: {_reason(error)}") from error
    return image if size is None else resized(image, size)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"is no image in {' or '.join(_FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    return f"is damaged or no image ({one_line(error) or type(error).__name__})"


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """(H, W) uint8 -> (size, size), bilinear and antialiased.

    Sides that differ by more than 1 % get black margins first, the image in the middle.
    """
    image = with_margins(image)
    if image.shape == (size, size):
        return image
    return F.resize(torch.tensor(image)[None], [size, size], antialias=True)[0].numpy()


def with_margins(image: np.ndarray) -> np.ndarray:
    """The image (H, W) in the middle of a black square, if its sides differ by more than 1 %."""
    height, width = image.shape
    side = max(height, width)
    if side <= _ALMOST_SQUARE * min(height, width):
        return image
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left)))


def _read_picture(path: Path) -> np.ndarray:
    content = path.read_bytes()
    check_scans(content)
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        check_sides(*picture.size)
        picture.verify()  # PNG's checksums: not every flipped bit stops the decoder
    with Image.open(io.BytesIO(content), formats=_FORMATS) as picture:
        return _grey(picture)


def _grey(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I"):  # 16 bits
        return _SIXTEEN_TO_EIGHT[np.asarray(picture).clip(0, 2**16 - 1)]
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("L"))
