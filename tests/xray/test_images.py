"""Grey values are those of an independent decoder; a damaged file is an error, never a picture."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.xray.images import read_image, resized
from tests.xray.tiny_archive import write_image

DATA = Path(__file__).resolve().parents[3] / "shared/data"
FULL_SIZE = [
    path
    for path in sorted((DATA / "chestxray/images").glob("*.png"))
    if Image.open(path).size == (1024, 1024)
]
needs_data = pytest.mark.skipif(not FULL_SIZE, reason="no chestxray beside the repository")
RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (30, 20), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (30, 20, 3), dtype=np.uint8)
LUMA = (COLOUR @ np.array([0.299, 0.587, 0.114])).round()


def png(tmp_path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    picture = Image.fromarray(pixels)
    path = tmp_path / "x.png"
    (picture if mode is None else picture.convert(mode)).save(path)
    return path


@needs_data
def test_the_archives_own_files_are_read_pixel_by_pixel() -> None:
    """Grey, and RGBA whose three channels are the same."""
    modes = set()
    for path in FULL_SIZE:
        pixels = np.asarray(Image.open(path)).reshape(1024, 1024, -1)
        assert (pixels[..., :3] == pixels[..., :1]).all()
        assert np.array_equal(read_image(path), pixels[..., 0])
        modes.add(pixels.shape[2])
    assert len(FULL_SIZE) >= 15
    assert modes == {1, 4}


def unfiltered(path: Path, rows: int) -> np.ndarray:
    """The first rows (rows, width, channels) of an 8-bit PNG, decoded by the standard's text."""
    content, at, stream = path.read_bytes(), 8, b""
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, bits, colour, *_, interlace = struct.unpack(">IIBBBBB", body)
        stream += body if kind == b"IDAT" else b""
        at += length + 12
    assert (bits, interlace) == (8, 0)
    step = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    data, above, image = zlib.decompress(stream), [0] * (width * step), []
    for y in range(rows):
        method, *line = data[y * (width * step + 1) :][: width * step + 1]
        for x in range(width * step):
            left, corner = (line[x - step], above[x - step]) if x >= step else (0, 0)
            guess = left + above[x] - corner
            paeth = min((left, above[x], corner), key=lambda value, g=guess: abs(g - value))
            predicted = (0, left, above[x], (left + above[x]) // 2, paeth)[method]
            line[x] = (line[x] + predicted) % 256
        image.append(line)
        above = line
    return np.array(image).reshape(rows, width, step)


@needs_data
def test_the_first_rows_are_those_of_a_decoder_written_from_the_standard() -> None:
    for path in FULL_SIZE:
        assert np.array_equal(read_image(path)[:12], unfiltered(path, 12)[..., 0])


def test_grey_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert np.array_equal(read_image(png(tmp_path, GREY)), GREY)


def test_alpha_is_ignored(tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, (30, 20, 1), dtype=np.uint8)
    for grey in (GREY[..., None], np.repeat(GREY[..., None], 3, axis=2)):
        path = png(tmp_path, np.concatenate([grey, alpha], axis=2))
        assert Image.open(path).mode in ("LA", "RGBA")
        assert np.array_equal(read_image(path), GREY)


def test_colour_and_palettes_become_luma(tmp_path: Path) -> None:
    assert np.abs(read_image(png(tmp_path, COLOUR)) - LUMA).max() <= 1
    palette = Image.fromarray(GREY // 64)  # four shades, as indices into a table
    palette = palette.convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 255])
    for options in ({}, {"transparency": bytes([0, 128, 255, 7])}):
        palette.save(tmp_path / "p.png", **options)
        shades = np.array([0, 76, 150, 255])
        assert np.array_equal(read_image(tmp_path / "p.png"), shades[GREY // 64])


def test_sixteen_bits_become_eight_over_the_full_range(tmp_path: Path) -> None:
    values = np.concatenate([np.arange(0, 65536, 131), [65535]]).astype(np.uint16)[None]
    path = png(tmp_path, values)
    assert read_image(path).tolist() == (values.astype(float) / 257).round().tolist()
    assert read_image(path)[0, [0, -1]].tolist() == [0, 255]


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    image = read_image(png(tmp_path, GREY > 99))
    assert np.array_equal(image, np.where(GREY > 99, 255, 0))


def test_a_jpeg_is_read_whatever_its_name(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(64, axis=0)
    Image.fromarray(smooth).save(tmp_path / "x.png", format="JPEG", quality=95)
    assert np.abs(read_image(tmp_path / "x.png").astype(int) - smooth).max() <= 3


def triangle(old: int, new: int) -> np.ndarray:
    """(new, old) weights of an antialiased bilinear resize: a triangle as wide as a new pixel."""
    scale = max(1.0, old / new)
    centres = (np.arange(new) + 0.5) * old / new
    weights = 1 - np.abs(np.arange(old) + 0.5 - centres[:, None]) / scale
    weights = weights.clip(0)
    return weights / weights.sum(axis=1, keepdims=True)


@needs_data
@pytest.mark.parametrize("size", [64, 224, 1500])
def test_resizing_is_the_triangle_filter(size: int) -> None:
    image = read_image(FULL_SIZE[0])
    weights = triangle(1024, size)
    expected = weights @ image @ weights.T
    assert np.abs(read_image(FULL_SIZE[0], size) - expected).max() <= 1.01


def test_what_is_not_square_gets_black_margins_in_equal_parts() -> None:
    image = RNG.integers(1, 256, (101, 60), dtype=np.uint8)
    square = np.zeros((101, 101), dtype=np.uint8)
    square[:, 20:80] = image
    assert np.array_equal(resized(image, 101), square)
    assert np.array_equal(resized(image.T, 101), square.T)
    assert np.array_equal(resized(image, 32), resized(square, 32))


def test_what_is_almost_square_is_stretched() -> None:
    white = np.full((101, 100), 255, dtype=np.uint8)
    assert (resized(white, 50) == 255).all()
    assert (resized(white[:, :99], 50) < 255).any()


def test_an_image_of_the_wanted_size_is_left_alone() -> None:
    assert np.array_equal(resized(GREY[:20], 20), GREY[:20])


def png_header(width: int, height: int) -> bytes:
    fields = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + fields
    return head + struct.pack(">I", zlib.crc32(fields)) + struct.pack(">I", 0) + b"IDAT" + bytes(4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no image in PNG or JPEG"),
        (b"Image Index,Finding Labels\n", "is no image in PNG or JPEG"),
        (b"GIF89a" + bytes(100), "is no image in PNG or JPEG"),
        (png_header(6145, 6144), "has 6145 x 6144 pixels; 1 x 1 to 6144 x 6144 are"),
        (png_header(0, 8), "damaged or no image|has 0 x 8 pixels|is no image"),
        (png_header(8, 8), "is damaged"),
    ],
)
def test_what_is_no_image_is_refused_by_its_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.png: cannot be read \(No such file"):
        read_image(tmp_path / "x.png")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory"):
        read_image(tmp_path)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    path = write_image(tmp_path / "x.png", size=16)
    content = path.read_bytes()
    for length in range(0, len(content) - 12, 3):  # 12: the mark of a PNG's end
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            read_image(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_flipped_bits_are_an_error_or_change_nothing(tmp_path: Path, data: st.DataObject) -> None:
    path = write_image(tmp_path / "x.png", size=16)
    expected, content = read_image(path), bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        image = read_image(path)
    except InputError:
        image = expected
    assert np.array_equal(image, expected)


@needs_data
def test_a_flipped_bit_in_a_real_file_is_an_error(tmp_path: Path) -> None:
    """Pillow alone decodes about one such file in a hundred to other pixels."""
    content = FULL_SIZE[0].read_bytes()
    for at in np.random.default_rng(1).integers(100, len(content) - 20, 60):
        damaged = bytearray(content)
        damaged[at] ^= 1
        (tmp_path / "x.png").write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            read_image(tmp_path / "x.png")
