"""One radiograph from its file to grey values, whatever the archive or a hospital wrote."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from dlcourse.errors import InputError

MOST_PIXELS = 2**26  # a header that claims more is not decoded
DICOM_SUFFIXES = (".dcm", ".dicom")
_ALMOST_SQUARE = 1.01


def read_image(path: str | Path, *, size: int | None = None) -> np.ndarray:
    """Grey values (H, W) uint8, air dark; a square of `size` pixels when it is given.

    Colour becomes luma (ITU-R 601), alpha is ignored (the archive's RGBA files are opaque), 16 bits
    become 8. An image that is not square gets black margins before it is resized.

    Raises:
        InputError: The file is damaged, is no image, is too large, or is a DICOM file of several
            frames; or pydicom is needed and missing.
    """
    path = Path(path)
    read = _read_dicom if path.suffix.lower() in DICOM_SUFFIXES else _read_picture
    try:
        image = read(path)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # decoders raise many kinds on damaged files
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: not a readable image: {reason}") from error
    return image if size is None else resized(image, size)


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """(H, W) uint8 -> (size, size), bilinear, antialiased; black margins keep the proportions."""
    height, width = image.shape
    if max(height, width) > _ALMOST_SQUARE * min(height, width):
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        margins = ((top, side - height - top), (left, side - width - left))
        image = np.pad(image, margins)
    if image.shape == (size, size):
        return image
    tensor = torch.tensor(image)[None]
    return F.resize(tensor, [size, size], antialias=True)[0].numpy()


def _read_picture(path: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
        with Image.open(path) as picture:
            _check_pixels(path, *picture.size)
            picture.load()
            return _grey(picture)


def _grey(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits a pixel
        values = np.asarray(picture).astype(np.float64)
        return (values / 257).round().clip(0, 255).astype(np.uint8)
    if picture.mode in ("RGBA", "P", "PA", "LA"):
        picture = picture.convert("RGBA").convert("RGB") if picture.mode != "LA" else picture
    return np.asarray(picture.convert("L"))


def _check_pixels(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(f"{path}: {width} x {height} pixels; at most {MOST_PIXELS} are decoded")


def _read_dicom(path: Path) -> np.ndarray:
    """Rescaled and windowed as the file says, MONOCHROME1 turned so that air is dark."""
    try:
        import pydicom
        from pydicom.pixels import apply_rescale, apply_windowing
    except ImportError as error:
        raise InputError(f"{path}: DICOM files need pydicom: pip install -e '.[dicom]'") from error
    data = pydicom.dcmread(path)
    if int(data.get("NumberOfFrames", 1) or 1) > 1 or data.get("SamplesPerPixel", 1) != 1:
        raise InputError(f"{path}: a DICOM file of one grey frame is needed")
    _check_pixels(path, int(data.Columns), int(data.Rows))
    values = apply_rescale(data.pixel_array, data).astype(np.float64)
    if "WindowCenter" in data or "VOILUTSequence" in data:
        values = _windowed(values, data, apply_windowing)
    low, high = values.min(), values.max()
    scaled = (values - low) / max(high - low, 1e-9) * 255
    if data.PhotometricInterpretation == "MONOCHROME1":
        scaled = 255 - scaled
    return scaled.round().astype(np.uint8)


def _windowed(values: np.ndarray, data: Any, apply_windowing: Any) -> np.ndarray:
    from pydicom.pixels import apply_voi

    if "VOILUTSequence" in data:
        return apply_voi(values.round().astype(np.int64), data).astype(np.float64)
    return apply_windowing(values, data).astype(np.float64)
