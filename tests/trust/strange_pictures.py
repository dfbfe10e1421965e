"""Image files that are bombs or lies, and small honest ones to be mutated, by what is in them."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.xray.test_dicom import VALUES, dicom

SIDE = 6144  # the longest that is allowed
GREY = np.random.default_rng(0).integers(0, 256, (24, 20), dtype=np.uint8)
BYTES = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
Make = Callable[[Path], object]


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed_zeros(count: int) -> bytes:
    packer, block = zlib.compressobj(9), bytes(2**20)
    out = [packer.compress(block[: min(2**20, count - at)]) for at in range(0, count, 2**20)]
    return b"".join(out) + packer.flush()


def png(size: tuple[int, int], *, bits: int = 8, kind: int = 0, more: bytes = b"",
        stream: bytes | None = None) -> bytes:  # fmt: skip
    """A black PNG file.

    Args:
        more: Chunks before the pixels.
        stream: The pixels, packed.
    """
    width, height = size
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[kind]
    stream = stream or packed_zeros((width * channels * bits // 8 + 1) * height)
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + more + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def mended(content: bytes) -> bytes:
    """A mutated PNG file with right checksums, which a decoder takes further."""
    out, at = content[:8], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        body = content[at + 8 : at + 8 + length]
        out += chunk(content[at + 4 : at + 8], body)
        at += length + 12
    return out


def encoded(kind: str, pixels: np.ndarray = GREY, *, mode: str = "", **options: object) -> bytes:
    out, picture = io.BytesIO(), Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(out, kind, **options)
    return out.getvalue()


def jpeg_claiming(width: int, height: int) -> bytes:
    content = bytearray(encoded("JPEG"))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def jpeg_of_scans(count: int, side: int) -> bytes:
    """Progressive, its last scan over and over."""
    content = encoded("JPEG", np.zeros((side, side), np.uint8), progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * count + content[-2:]


def written(content: Callable[[], bytes]) -> Make:
    return lambda path: path.write_bytes(content())


def made(values: np.ndarray = VALUES, **elements: object) -> Make:
    return lambda path: dicom(path, values, **elements)


def looked_up(descriptor: list[int], table: object, *, kind: str = "US") -> Make:
    """A DICOM file with this lookup table."""

    def make(path: Path) -> None:
        item = pytest.importorskip("pydicom").Dataset()
        item.add_new("LUTDescriptor", "US", descriptor)
        item.add_new("LUTData", kind, table)
        dicom(path, VALUES, VOILUTSequence=[item])

    return make


def compressed(syntax: str, frame: Callable[[], bytes], *, raw: bool = False) -> Make:
    """A DICOM file of 8 bits whose pixels are in a stream, or are just these bytes."""

    def make(path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        content = frame()
        data = pydicom.dcmread(dicom(path, VALUES, **BYTES))
        data.PixelData = content if raw else pydicom.encaps.encapsulate([content])
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
        data.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        data.save_as(path, enforce_file_format=True)

    return make


def run_lengths(path: Path) -> None:
    data = pytest.importorskip("pydicom").dcmread(dicom(path, VALUES))
    data.compress("1.2.840.10008.1.2.5")
    data.save_as(path, enforce_file_format=True)


def deflated(megabytes: int) -> Make:
    def make(path: Path) -> None:
        pydicom = pytest.importorskip("pydicom")
        data = pydicom.dcmread(dicom(path, VALUES))
        data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        data.save_as(path, enforce_file_format=True)
        content = path.read_bytes()
        head = content[: 132 + 12 + int.from_bytes(content[140:144], "little")]
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = [packer.compress(bytes(2**20)) for _ in range(megabytes)]
        path.write_bytes(head + b"".join(body) + packer.flush())

    return make


def nested(depth: int) -> Make:
    """A sequence in a sequence in a sequence, before the pixels."""

    def make(path: Path) -> None:
        content = dicom(path, VALUES).read_bytes()
        at = content.index(struct.pack("<HH", 0x28, 2))
        begin = struct.pack(
            "<HH2sHIHHI", 0x21, 0x1140, b"SQ", 0, 2**32 - 1, 0xFFFE, 0xE000, 2**32 - 1
        )
        end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        path.write_bytes(content[:at] + begin * depth + end * depth + content[at:])

    return make


def linked(target: str) -> Make:
    return lambda path: os.symlink(target, path)


RLE_RUNS = struct.pack("<16I", 2, 64, 64 + 10**6, *[0] * 13) + b"\x81\0" * 10**6
NO_FRAMES = b"\xfe\xff\x00\xe0\0\0\0\0"
OFFSETS = b"\xfe\xff\x00\xe0\x08\0\0\0" + b"\xff" * 8 + b"\xfe\xff\x00\xe0\x04\0\0\0abcd"

# What it is, how it is made, and what is said of it; None where it is read after all.
STRANGE: dict[str, tuple[Make, str | None]] = {
    "empty.png": (written(lambda: b""), "is no image"),
    "header of 10^10 pixels.png": (written(lambda: png((10**5, 10**5), stream=b"x")), "pixels"),
    "one side too long.png": (written(lambda: png((60_000, 1))), "60000 x 1 pixels"),
    "a million columns.png": (written(lambda: png((2**20, 1))), "1048576 x 1 pixels"),
    "as large as allowed.png": (written(lambda: png((SIDE, SIDE), bits=16)), None),
    "pixels beyond the last.png": (written(lambda: png((9, 9), stream=packed_zeros(2**25))), None),
    "profile of 32 MB.png": (
        written(lambda: png((9, 9), more=chunk(b"iCCP", b"a\0\0" + packed_zeros(2**25)))),
        "damaged",
    ),
    "text of 32 MB.png": (
        written(lambda: png((9, 9), more=chunk(b"zTXt", b"a\0\0" + packed_zeros(2**25)))),
        "damaged",
    ),
    "other text of 32 MB.png": (
        written(
            lambda: png((9, 9), more=chunk(b"iTXt", b"a\0\1\0\0\0" + packed_zeros(2**25)))
        ), "damaged",
    ),
    "10,000 texts.png": (
        written(lambda: png((9, 9), more=chunk(b"tEXt", b"a\0" + bytes(9000)) * 10_000)), "damaged",
    ),
    "50,000 empty chunks.png": (
        written(lambda: png((9, 9), more=chunk(b"prVt", b"") * 50_000)), None,
    ),
    "JPEG of 65535 x 65535.png": (written(lambda: jpeg_claiming(65535, 65535)), "pixels"),
    "JPEG without its pixels.png": (written(lambda: jpeg_claiming(SIDE, SIDE)), None),
    "JPEG of 2000 scans.png": (written(lambda: jpeg_of_scans(2000, 1000)), "scans; at most 50"),
    "JPEG of 40 scans.png": (written(lambda: jpeg_of_scans(30, 2000)), None),
    "pipe.png": (os.mkfifo, "a pipe or a device"),
    "pipe.dcm": (os.mkfifo, "a pipe or a device"),
    "device.png": (linked("/dev/zero"), "a pipe or a device"),
    "device.dcm": (linked("/dev/zero"), "a pipe or a device"),
    "folder.png": (os.mkdir, "Is a directory"),
    "loop.png": (linked("loop.png"), "cannot be read"),
    "nowhere.png": (linked("nothing.png"), "cannot be read"),
    "claims 65535 x 65535.dcm": (made(Rows=65535, Columns=65535), "65535 x 65535 pixels"),
    "as large as allowed.dcm": (made(np.zeros((SIDE, SIDE), np.uint16)), None),
    "2^31 frames.dcm": (made(NumberOfFrames=2**31 - 1), "2147483647 frames"),
    "-1 frames.dcm": (made(NumberOfFrames=-1), "-1 frames"),
    "pixels of 1000 images.dcm": (made(PixelData=VALUES.tobytes() * 1000), "bytes of pixels"),
    "pixels of 2 images.dcm": (made(PixelData=VALUES.tobytes() * 2), "shape"),
    "two bytes of pixels.dcm": (made(PixelData=b"12"), "damaged"),
    "no pixels.dcm": (made(PixelData=b""), "damaged"),
    "32 bits.dcm": (
        made(BitsAllocated=32, BitsStored=32, HighBit=31, PixelData=VALUES.astype("<u4").tobytes()),
        None,
    ),
    "99 bits of 16.dcm": (made(BitsStored=99), "damaged"),
    "palette.dcm": (made(PhotometricInterpretation="PALETTE COLOR"), "MONOCHROME1 or"),
    "window of 0.dcm": (made(WindowCenter=5, WindowWidth=0), "damaged"),
    "window of -7.dcm": (made(WindowCenter=5, WindowWidth=-7), "damaged"),
    "window of nan.dcm": (made(WindowCenter="nan", WindowWidth="nan"), "no grey values"),
    "window at nan.dcm": (made(WindowCenter="nan", WindowWidth="100"), "no grey values"),
    "tiny sigmoid.dcm": (
        made(WindowCenter="1e308", WindowWidth="1e-300", VOILUTFunction="SIGMOID"), None,
    ),
    "slope of nan.dcm": (made(RescaleSlope="nan", RescaleIntercept="0"), "no grey values"),
    "slope of inf.dcm": (made(RescaleSlope="inf", RescaleIntercept="0"), "no grey values"),
    "slope of 1e308.dcm": (made(RescaleSlope="1e308", RescaleIntercept="1e308"), "no grey values"),
    "two slopes.dcm": (made(RescaleSlope=["1", "2"], RescaleIntercept="0"), "damaged"),
    "empty table.dcm": (looked_up([5, 0, 16], []), "damaged"),
    "table shorter than it says.dcm": (looked_up([60000, 0, 16], [1, 2, 3]), None),
    "table of half a word.dcm": (looked_up([5, 0, 16], b"123", kind="OW"), None),
    "table of two numbers.dcm": (looked_up([5, 0], [1, 2, 3]), "damaged"),
    "runs of 128 MB.dcm": (compressed("RLELossless", lambda: RLE_RUNS), "bytes of pixels"),
    "runs beyond the end.dcm": (
        compressed("RLELossless", lambda: b"\xff" * 64 + b"\x81\0" * 99), "damaged",
    ),
    "offsets beyond the end.dcm": (compressed("RLELossless", lambda: OFFSETS, raw=True), "damaged"),
    "a million fragments.dcm": (
        compressed("RLELossless", lambda: NO_FRAMES * 10**6, raw=True), "bytes of pixels",
    ),
    "JPEG of another size.dcm": (
        compressed("JPEGBaseline8Bit", lambda: jpeg_claiming(13_000, 13_000)), "JPEG stream of",
    ),
    "JPEG 2000 of another size.dcm": (
        compressed("JPEG2000Lossless", lambda: encoded("JPEG2000", np.zeros((4000, 4000), "u1"))),
        "JPEG stream of 4000 x 4000",
    ),
    "JPEG scans.dcm": (
        compressed("JPEGBaseline8Bit", lambda: jpeg_of_scans(2000, 16)), "scans; at most 50",
    ),
    "a PNG as JPEG.dcm": (compressed("JPEGBaseline8Bit", lambda: png((9, 9))), "damaged"),
    "deflated to 128 MB.dcm": (deflated(128), "deflated"),
    "300 sequences deep.dcm": (nested(300), "damaged"),
    "100,000 sequences deep.dcm": (nested(100_000), "damaged"),
}  # fmt: skip


def honest() -> dict[str, bytes]:
    """Small files of every kind, by name."""
    return {
        "grey.png": encoded("PNG"), "16 bits.png": encoded("PNG", GREY.astype(np.uint16) * 257),
        "palette.png": encoded("PNG", mode="P"), "colours.png": encoded("PNG", mode="RGBA"),
        "grey and alpha.png": encoded("PNG", mode="LA"), "one bit.png": encoded("PNG", mode="1"),
        "animated.png": encoded("PNG", save_all=True, append_images=[Image.fromarray(GREY[::-1])]),
        "interlaced.png": interlaced(), "grey.jpg.png": encoded("JPEG"),
        "progressive.jpg.png": encoded("JPEG", progressive=True),
        "inks.jpg.png": encoded("JPEG", mode="CMYK"),
        "colours.jpg.png": encoded("JPEG", mode="RGB"),
    }  # fmt: skip


def interlaced() -> bytes:
    """A PNG file of 1 x 1 pixels in seven passes, six of which are empty."""
    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 1)
    body = chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


def honest_dicom(folder: Path) -> dict[str, bytes]:
    """The same of DICOM: plain, windows, tables, run lengths, JPEG and JPEG 2000."""
    window = {"WindowCenter": 400, "WindowWidth": 600, "RescaleSlope": 2, "RescaleIntercept": -7}
    pixels = GREY[:6, :9]
    makers: dict[str, Make] = {
        "plain": made(), "window": made(**window), "runs": run_lengths,
        "table": looked_up([3000, 500, 12], list(range(3000))),
        "jpeg": compressed("JPEGBaseline8Bit", lambda: encoded("JPEG", pixels)),
        "jpeg2000": compressed("JPEG2000Lossless", lambda: encoded("JPEG2000", pixels)),
    }  # fmt: skip
    for name, make in makers.items():
        make(folder / f"{name}.dcm")
    return {f"{name}.dcm": (folder / f"{name}.dcm").read_bytes() for name in makers}
