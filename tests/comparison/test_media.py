"""Pictures and sounds, read back from the text that a page holds."""

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from dlcourse.comparison.page.media import IMAGE_WIDTH, UnreadableMedia, audio_url, image_url


def content(url: str) -> tuple[str, io.BytesIO]:
    """Kind and contents of a `data:` address."""
    head, _, text = url.partition(",")
    assert head.startswith("data:")
    assert head.endswith(";base64")
    return head[5:-7], io.BytesIO(base64.b64decode(text, validate=True))


def picture(url: str) -> Image.Image:
    return Image.open(content(url)[1])


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def photograph(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    return np.clip(120 + 80 * np.sin(x / 30) * np.cos(y / 20) + rng.normal(0, 8, x.shape), 0, 255)


def test_wide_pictures_are_made_smaller_in_their_own_shape(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photograph(300, 1200))
    small = picture(image_url(path))
    assert small.size == (IMAGE_WIDTH, IMAGE_WIDTH // 4)
    whole = Image.open(path).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, float) - np.asarray(whole, float)).mean() < 4
    assert len(image_url(path)) < path.stat().st_size / 5


def test_small_pictures_keep_their_size_whatever_their_height(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", photograph(900, 100))
    assert picture(image_url(path)).size == (100, 900)


def test_photographs_become_jpeg_and_drawings_stay_exact(tmp_path: Path) -> None:
    photo = save(tmp_path / "photo.png", photograph(256, 256))
    assert content(image_url(photo))[0] == "image/jpeg"
    flat = np.zeros((200, 300, 3))
    flat[50:60, :, 0] = 255
    drawing = save(tmp_path / "drawing.png", flat)
    assert content(image_url(drawing))[0] == "image/png"
    assert (np.asarray(picture(image_url(drawing)).convert("RGB")) == flat).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white_paper(tmp_path: Path, mode: str) -> None:
    layer = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    layer.paste((200, 200, 200, 255), (0, 0, 10, 20))
    path = tmp_path / "a.png"
    layer.convert(mode).save(path, **({"transparency": 0} if mode == "P" else {}))
    shown = picture(image_url(path)).convert("RGB")
    assert shown.getpixel((15, 10)) == (255, 255, 255)


def tone(path: Path, *, rate: int = 22050, channels: int = 2) -> Path:
    time = np.arange(2 * rate) / rate
    samples = 0.5 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(path, np.stack([samples] + [0 * samples] * (channels - 1), 1), rate)
    return path


def is_the_tone(url: str, *, level: float) -> bool:
    samples, rate = soundfile.read(content(url)[1], always_2d=True)
    assert samples.shape[1] == 1
    assert len(samples) / rate == pytest.approx(2.0, abs=0.1)
    spectrum = np.abs(np.fft.rfft(samples[:, 0]))
    assert samples[rate // 2 : rate].std() == pytest.approx(level / np.sqrt(2), rel=0.05)
    return abs(spectrum.argmax() * rate / len(samples) - 440) < 2


def test_sounds_are_one_channel_of_mp3_with_the_same_tone(tmp_path: Path) -> None:
    path = tone(tmp_path / "a.wav")
    url = audio_url(path)
    if "MP3" in soundfile.available_formats():
        assert content(url)[0] == "audio/mpeg"
        assert len(url) < path.stat().st_size / 5
    assert is_the_tone(url, level=0.25)  # the mean of the tone and of silence


@pytest.mark.parametrize(
    ("formats", "kind"),
    [(["WAV", "OGG"], "audio/ogg"), (["WAV"], "audio/wav")],
)
def test_without_mp3_the_next_format_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: list[str], kind: str
) -> None:
    path = tone(tmp_path / "a.wav", channels=1)
    monkeypatch.setattr(soundfile, "available_formats", lambda: dict.fromkeys(formats, ""))
    url = audio_url(path)
    assert content(url)[0] == kind
    assert is_the_tone(url, level=0.5)


def test_a_rate_that_mp3_does_not_have_is_written_otherwise(tmp_path: Path) -> None:
    url = audio_url(tone(tmp_path / "a.wav", rate=10000, channels=1))
    assert content(url)[0] == "audio/ogg"
    assert is_the_tone(url, level=0.5)


@pytest.mark.parametrize("read", [image_url, audio_url])
def test_missing_and_damaged_files_are_told_apart(
    tmp_path: Path, read: Callable[[Path], str]
) -> None:
    with pytest.raises(UnreadableMedia, match="missing"):
        read(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing of the kind")
    with pytest.raises(UnreadableMedia, match="damaged"):
        read(tmp_path / "a.png")
    whole = save(tmp_path / "b.png", photograph(50, 50)).read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableMedia, match="damaged"):
        read(tmp_path / "b.png")
