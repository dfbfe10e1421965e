"""One radiograph from its file to grey values, whatever the archive or a hospital wrote."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.transforms.v2 import functional as F

from dlcourse.errors import InputError

MOST_PIXELS = 2**26  # a header that claims more is not decoded
DICOM_SUFFIXES = (".dcm", ".dicom")
_FORMATS = ("PNG", "JPEG")
_ALMOST_SQUARE = 1.01


def read_image(path: str | Path, size: int | None = None) -> np.ndarray:
    """Grey values (H, W) uint8, air dark; a square of `size` pixels when it is given.

    PNG and JPEG: colour and palettes become luma (ITU-R 601), alpha is ignored (the archive's RGBA
    files are grey and opaque), 16 bits become 8 by 65535 -> 255. DICOM (by its suffix): rescaled,
    then 0..255 is what its window or lookup table spans, or without one its smallest and largest
    value; MONOCHROME1 is turned over. See `resized` for what is not square.

    Raises:
        InputError: The file is damaged, empty, no image, too large, or a DICOM file of several
            frames; or pydicom is needed and missing.
    """
    path = Path(path)
    read = _read_dicom if path.suffix.lower() in DICOM_SUFFIXES else _read_picture
    try:
        image = read(path)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except Exception as error:  # decoders raise many kinds on damaged files
        raise InputError(f"{path}: {_reason(error)}") from error
    return image if size is None else resized(image, size)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"is no image in {' or '.join(_FORMATS)}"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    said = " ".join(str(error).split())[:200]
    return f"is damaged or no image ({said or type(error).__name__})"


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
    with Image.open(path, formats=_FORMATS) as picture:
        _check_pixels(*picture.size)
        picture.verify()  # PNG's checksums: not every flipped bit stops the decoder
    with Image.open(path, formats=_FORMATS) as picture:
        return _grey(picture)


def _grey(picture: Image.Image) -> np.ndarray:
    if picture.mode.startswith("I"):  # 16 bits
        return (np.asarray(picture) / 257).round().clip(0, 255).astype(np.uint8)
    if picture.mode in ("P", "PA"):
        picture = picture.convert("RGBA")
    return np.asarray(picture.convert("L"))


def _check_pixels(width: int, height: int) -> None:
    if not 0 < width * height <= MOST_PIXELS:
        raise InputError(f"has {width} x {height} pixels; 1 to {MOST_PIXELS} are allowed")


def _read_dicom(path: Path) -> np.ndarray:
    try:
        import pydicom
        from pydicom.pixels import apply_rescale
    except ImportError as error:
        raise InputError("DICOM files need pydicom 3: pip install 'dlcourse[dicom]'") from error
    data = pydicom.dcmread(path)
    frames, samples = int(data.get("NumberOfFrames") or 1), data.get("SamplesPerPixel", 1)
    if frames != 1 or samples != 1:
        raise InputError(f"has {frames} frames of {samples} values a pixel; one grey one is needed")
    _check_pixels(int(data.Columns), int(data.Rows))
    grey = _windowed(apply_rescale(data.pixel_array, data), data)
    if data.PhotometricInterpretation == "MONOCHROME1":
        grey = 1 - grey
    return (grey.clip(0, 1) * 255).round().astype(np.uint8)


def _windowed(values: np.ndarray, data: Any) -> np.ndarray:
    """(H, W) -> 0 to 1 over what the file's lookup table or window gives, else over the values."""
    from pydicom.pixels import apply_windowing

    low, high = values.min(), values.max()
    if data.get("VOILUTSequence"):
        table, first = _lookup_table(data.VOILUTSequence[0])
        values = table[
            (values.astype(np.float64).round() - first).clip(0, len(table) - 1).astype(int)
        ]
        low, high = table.min(), table.max()
    elif data.get("WindowCenter") is not None and data.get("WindowWidth") is not None:
        values = apply_windowing(values, data)
        with np.errstate(over="ignore"):  # the ends of a sigmoid
            low, high = apply_windowing(np.array([-1e9, 1e9]), data)
    span = float(high) - float(low)
    return (values - float(low)) / (span or 1.0)


def _lookup_table(item: Any) -> tuple[np.ndarray, int]:
    """The table, and the value that its first entry is for.

    pydicom's own `apply_voi` (3.0) counts entries in the type of their values: 4096 entries of 8
    bits come out wrong.
    """
    entries, first, _ = item.LUTDescriptor
    data = item.LUTData
    table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.array(data)
    return table[: entries or 2**16].astype(np.float64), first
