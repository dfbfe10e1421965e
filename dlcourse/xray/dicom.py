"""Grey values of a DICOM file by the standard's formulas: rescale, window, lookup table.

Source: DICOM PS3.3, C.7.6.3 (pixels), C.11.1 and C.11.2 (lookup tables).
"""

import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from dlcourse.errors import InputError
from dlcourse.xray.image_limits import check_scans, check_sides

_RLE = "1.2.840.10008.1.2.5"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_JPEG = {f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 90, 91)}  # which Pillow decodes
_MOST_RLE = 2**24  # bytes, which become 64 times as many

# Here, as `catch_warnings` would disturb the other threads; see `_pydicom`.
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


def read_dicom(path: Path) -> np.ndarray:
    """(H, W) uint8, air dark; see `images.read_image`.

    Raises:
        InputError: No single grey frame, too large, or pydicom is missing. Damaged files make
            pydicom raise many other kinds.
    """
    pydicom = _pydicom()
    # Unpacked by pydicom at once, however much it becomes.
    if pydicom.filereader.read_file_meta_info(path).get("TransferSyntaxUID") == _DEFLATED:
        raise InputError("is a deflated DICOM file; dcmconv +te writes it as a usual one")
    data = pydicom.dcmread(io.BytesIO(path.read_bytes()))
    _check_frame(data)
    with np.errstate(all="ignore"):  # the result is looked at
        grey = _windowed(pydicom.pixels.apply_rescale(data.pixel_array, data), data)
        if data.PhotometricInterpretation == "MONOCHROME1":
            grey = 1 - grey
    if not np.isfinite(grey).all():
        raise InputError("has a window or a rescale that makes no grey values")
    return (grey.clip(0, 1) * 255).round().astype(np.uint8)


def _pydicom() -> Any:
    """The module, silent: what it thinks of a file it says as a warning and in the log, and what
    prevents reading is in the file's error too."""
    try:
        import pydicom
        import pydicom.pixels
    except ImportError as error:
        raise InputError("DICOM files need pydicom 3: pip install 'dlcourse[dicom]'") from error
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
    logging.getLogger(pydicom.__name__).setLevel(logging.CRITICAL)
    return pydicom


def _check_frame(data: Any) -> None:
    """One grey frame, whose pixels have the room that they claim and not much more."""
    frames, samples = int(data.get("NumberOfFrames") or 1), data.get("SamplesPerPixel", 1)
    if frames != 1 or samples != 1:
        raise InputError(f"has {frames} frames of {samples} values a pixel; one grey one is needed")
    if (kind := data.PhotometricInterpretation) not in ("MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"is {kind!r}; MONOCHROME1 or MONOCHROME2 is needed")
    width, height = int(data.Columns), int(data.Rows)
    check_sides(width, height)
    found, claimed = len(data.PixelData), width * height * int(data.BitsAllocated) // 8
    if found > 2 * claimed + 2**16:
        raise InputError(f"has {found} bytes of pixels, though {width} x {height} are {claimed}")
    syntax = data.file_meta.get("TransferSyntaxUID")
    if syntax == _RLE and found > _MOST_RLE:
        raise InputError(f"has {found} bytes of packed pixels; at most {_MOST_RLE} are allowed")
    if syntax in _JPEG:
        _check_jpeg(data.PixelData, (width, height))


def _check_jpeg(pixels: bytes, size: tuple[int, int]) -> None:
    """Decoders believe the JPEG stream's own size."""
    from pydicom.encaps import get_frame

    frame = get_frame(pixels, 0, number_of_frames=1)
    check_scans(frame)
    try:
        with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as picture:
            found = picture.size
    except UnidentifiedImageError:
        return  # no bomb: decoders refuse it too, unless another than Pillow is installed
    if found != size:
        raise InputError(f"has a JPEG stream of {found[0]} x {found[1]} pixels")


def _windowed(values: np.ndarray, data: Any) -> np.ndarray:
    """(H, W) -> 0 to 1 over what the file's lookup table or window gives, else over the values."""
    from pydicom.pixels import apply_windowing

    if values.ndim != 2:
        raise InputError(f"has pixels of shape {values.shape}; height and width are needed")
    low, high = values.min(), values.max()
    if data.get("VOILUTSequence"):
        table, first = _lookup_table(data.VOILUTSequence[0])
        values = table[
            (values.astype(np.float64).round() - first).clip(0, len(table) - 1).astype(int)
        ]
        low, high = table.min(), table.max()
    elif data.get("WindowCenter") is not None and data.get("WindowWidth") is not None:
        values = apply_windowing(values, data)
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
