"""Pictures and sounds as text inside a page, made small first."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

IMAGE_WIDTH = 480  # pixels
_JPEG_QUALITY = 85
_PICTURES = ("PNG", "JPEG")
_MOST = 2**25  # pixels, or samples: 12 minutes of one channel
_FORMATS = {"MP3": "audio/mpeg", "OGG": "audio/ogg", "WAV": "audio/wav"}  # the first that works


class UnreadableMedia(Exception):
    """A picture or sound that is missing, damaged or too large; the text says which."""


def image_url(path: Path) -> str:
    """A picture as a `data:` address: at most `IMAGE_WIDTH` wide, PNG or JPEG, what is smaller.

    Raises:
        UnreadableMedia: It is missing, damaged or too large.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=_PICTURES) as opened:  # others run programs: PostScript
            if opened.width * opened.height > _MOST:
                raise UnreadableMedia("too large")
            picture = _opaque(opened)
    except UnreadableMedia:
        raise
    except Exception as error:  # Pillow raises many kinds
        raise UnreadableMedia(_why(path)) from error
    picture.thumbnail((IMAGE_WIDTH, picture.height))
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.save(png, "PNG", optimize=True)
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    if png.tell() <= jpeg.tell():
        return _data_url("image/png", png.getvalue())
    return _data_url("image/jpeg", jpeg.getvalue())


def audio_url(path: Path) -> str:
    """A sound as a `data:` address: one channel, in the smallest format that can be written.

    Raises:
        UnreadableMedia: It is missing, damaged or too large.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as opened:
            if opened.frames * opened.channels > _MOST:
                raise UnreadableMedia("too large")
            samples, rate = opened.read(dtype="float32", always_2d=True), opened.samplerate
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        raise UnreadableMedia(_why(path)) from error
    available = soundfile.available_formats()
    for name in [name for name in _FORMATS if name in available]:
        written = io.BytesIO()
        try:
            soundfile.write(written, samples.mean(axis=1), rate, format=name)
        except soundfile.SoundFileError:  # MP3 has nine sampling rates
            continue
        return _data_url(_FORMATS[name], written.getvalue())
    raise UnreadableMedia("cannot be written anew")


def _opaque(picture: "Image.Image") -> "Image.Image":
    from PIL import Image

    if "A" in picture.getbands() or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _why(path: Path) -> str:
    return "damaged" if path.is_file() else "missing"


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
