"""What a generated song leaves: WAV, piano roll and the page that shows them."""

import wave
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import matplotlib.image
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from dlcourse import pages
from dlcourse.music import render
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import Metre, Song, Track, note_array

QUARTER = 96
HOSTILE = '<script>alert(1)</script> & "x"#?'
RATE = 8000


def song(quarters: int = 16, *, pitches: tuple[int, ...] = (60,), tracks: int = 1) -> Song:
    """Quarter notes without a rest, 120 to the minute: half a second each."""
    rows = [(i * QUARTER, (i + 1) * QUARTER, p, 90) for i in range(quarters) for p in pitches]
    track = Track(note_array(rows))
    return Song("test", QUARTER, (track,) * tracks, end=quarters * QUARTER)


def read_wav(path: Path) -> tuple[int, np.ndarray]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return file.getframerate(), samples / 32767


def draw(tmp_path: Path, drawn: Song, *, seed_end: int = 0, title: str = "") -> np.ndarray:
    """The picture, (H, W, 3) in [0, 1]."""
    path = tmp_path / "roll.png"
    render.draw_piano_roll(drawn, path, seed_end=seed_end, title=title)
    return matplotlib.image.imread(path)[..., :3]


def share(picture: np.ndarray, colour: str) -> float:
    """The share of pixels that have a colour."""
    return float((np.abs(picture - to_rgb(colour)).max(axis=-1) < 0.01).mean())


def grid_of(picture: np.ndarray) -> np.ndarray:
    """The picture without its header, where the legend shows the same colours."""
    return picture[int(render.TOP * render.DPI) :]


def test_wav_round_trip(tmp_path: Path) -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    audio[:2] = 1, -1
    render.write_wav(audio, tmp_path / "a.wav", sample_rate=11025)
    rate, back = read_wav(tmp_path / "a.wav")
    assert rate == 11025
    assert len(back) == len(audio)
    assert np.abs(back - audio).max() <= 1 / 32767


@pytest.mark.parametrize("bad", [1.01, -1.01, np.nan, np.inf])
def test_audio_that_would_clip_is_refused(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="peak"):
        render.write_wav(np.array([0.0, bad]), tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


def test_a_song_sounds_while_its_notes_do_and_is_silent_in_its_rests(tmp_path: Path) -> None:
    half, end = 4 * QUARTER, 12 * QUARTER  # 2 s of sound, 2 s of rest, 2 s of sound
    notes = note_array([(0, half, 60, 90), (2 * half, end, 64, 90)])
    rest = Song("rest", QUARTER, (Track(notes),), end=end)
    render.render_song(rest, tmp_path, stem="s", sample_rate=RATE)
    rate, audio = read_wav(tmp_path / "s.wav")
    assert rate == RATE
    assert 6.4 < len(audio) / RATE < 7.6  # the song and its tail
    loud = np.flatnonzero(np.abs(audio) > 0.01) / RATE
    assert loud.max() == pytest.approx(6.0, abs=0.05)
    assert np.abs(audio).max() > 0.5
    assert np.abs(audio[int(2.01 * RATE) : int(3.99 * RATE)]).max() < 1e-4


def test_the_three_files_hold_the_same_song(tmp_path: Path) -> None:
    render.render_song(song(), tmp_path, stem="a.b", sample_rate=RATE)
    assert {p.name for p in tmp_path.iterdir()} == {"a.b.mid", "a.b.wav", "a.b.png"}
    back = read_midi(tmp_path / "a.b.mid")
    np.testing.assert_array_equal(back.tracks[0].notes, song().tracks[0].notes)


def test_the_seed_is_shaded_and_the_new_part_is_not(tmp_path: Path) -> None:
    picture = grid_of(draw(tmp_path, song(16), seed_end=8 * QUARTER))
    middle = int(picture.shape[1] * (render.LEFT + 12 - render.RIGHT) / 2 / 12)
    seed, new = picture[:, : middle - 4], picture[:, middle + 4 :]
    assert share(seed, render.SEED_SHADE) > 0.3
    assert share(new, render.SEED_SHADE) == 0
    pale, full = (share(part, render.TRACK_COLOURS[0]) for part in (seed, new))
    assert full > max(0.03, 3 * pale)
    line = picture[:, middle - 3 : middle + 4]
    assert (line.max(axis=-1) < 0.1).any(axis=1).mean() > 0.5  # black, from top to bottom


def test_nothing_is_shaded_without_a_seed(tmp_path: Path) -> None:
    assert share(draw(tmp_path, song()), render.SEED_SHADE) == 0


def test_a_song_that_is_all_seed_is_shaded_to_its_end(tmp_path: Path) -> None:
    picture = grid_of(draw(tmp_path, song(), seed_end=99 * QUARTER))
    for half in np.array_split(picture, 2, axis=1):
        assert share(half, render.SEED_SHADE) > 0.3


def test_repeated_notes_are_told_apart_from_a_long_one(tmp_path: Path) -> None:
    held = Track(note_array([(0, 16 * QUARTER, 60, 90)]))
    picture = draw(tmp_path, Song("held", QUARTER, (held,), end=16 * QUARTER))
    repeated = draw(tmp_path, song(16))

    def pieces(roll: np.ndarray) -> int:
        is_note = np.abs(roll - to_rgb(render.TRACK_COLOURS[0])).max(axis=-1) < 0.01
        row = is_note[is_note.sum(axis=1).argmax()]
        return int((np.diff(row.astype(int)) == 1).sum())

    assert (pieces(picture), pieces(repeated)) == (1, 16)


def test_every_track_has_its_colour(tmp_path: Path) -> None:
    parts = tuple(
        Track(note_array([(0, 16 * QUARTER, pitch, 90)]), name)
        for pitch, name in ((72, "Melody"), (60, "_$x$"), (40, ""))
    )
    picture = draw(tmp_path, Song("parts", QUARTER, parts, end=16 * QUARTER))
    for colour in render.TRACK_COLOURS[:3]:
        assert share(grid_of(picture), colour) > 0.005
        assert share(picture[: int(render.TOP * render.DPI)], colour) > 0  # the legend
    assert share(picture, render.TRACK_COLOURS[3]) == 0


def test_a_note_across_two_rows_is_drawn_in_both(tmp_path: Path) -> None:
    bar = 4 * QUARTER
    track = Track(note_array([(15 * bar, 17 * bar, 60, 90)]))
    across = draw(tmp_path, Song("long", QUARTER, (track,), end=20 * bar))
    assert across.shape[0] > 1.5 * draw(tmp_path, song()).shape[0]
    for half in np.array_split(grid_of(across), 2):
        assert share(half, render.TRACK_COLOURS[0]) > 0.001


def test_a_song_of_hours_and_a_note_of_no_length_are_drawn(tmp_path: Path) -> None:
    notes = note_array([(0, 0, 0, 1), (40_000 * QUARTER, 40_001 * QUARTER, 127, 1)])
    picture = draw(tmp_path, Song("hours", QUARTER, (Track(notes),), end=40_001 * QUARTER))
    assert picture.shape[0] < 2**14
    assert share(picture, "white") < 0.999


def test_bars_follow_the_metres() -> None:
    metres = (Metre(0, 3, 4), Metre(6 * QUARTER, 6, 8), Metre(900 * QUARTER, 4, 4))
    track = Track(note_array([(0, 11 * QUARTER, 60, 90)]))
    bars, beats = render._grid(Song("m", QUARTER, (track,), metres=metres, end=0))
    np.testing.assert_array_equal(bars / QUARTER, [0, 3, 6, 9, 12])
    np.testing.assert_array_equal(beats / QUARTER, [*range(6), *np.arange(6, 11, 0.5)])


def test_an_empty_song_says_so(tmp_path: Path) -> None:
    empty = Song("", QUARTER, (Track(note_array([])),))
    render.render_song(empty, tmp_path, stem="e", sample_rate=RATE)
    picture = matplotlib.image.imread(tmp_path / "e.png")[..., :3]
    assert 0.001 < 1 - share(picture, "white") < 0.2
    assert np.abs(read_wav(tmp_path / "e.wav")[1]).max() == 0


def test_any_title_can_be_drawn(tmp_path: Path) -> None:
    plain = draw(tmp_path, song(), title="x")
    for title in ("$\\frac{$", "a $5 & \\$6 _x^", "caf\udce9", "two\nlines", "w" * 500):
        assert draw(tmp_path, song(), title=title).shape == plain.shape


def test_the_same_song_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        render.draw_piano_roll(song(tracks=2), tmp_path / name, seed_end=QUARTER)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_failure_midway_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_a_picture(_: FigureCanvasAgg, path: Path) -> None:
        Path(path).write_bytes(b"\x89PNG")
        raise OSError("disk full")

    def half_a_sound(file: wave.Wave_write, data: bytes) -> None:
        file.writeframesraw(data[:10])
        raise OSError("disk full")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", half_a_picture)
    monkeypatch.setattr(wave.Wave_write, "writeframes", half_a_sound)
    with pytest.raises(OSError, match="disk full"):
        render.draw_piano_roll(song(), tmp_path / "a.png")
    with pytest.raises(OSError, match="disk full"):
        render.write_wav(np.zeros(100), tmp_path / "a.wav")
    assert not list(tmp_path.iterdir())


class PageReader(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_plays_shows_and_links_every_song(tmp_path: Path) -> None:
    stems = ("plain", HOSTILE, "50% of a+b;c:d ü")
    for stem in stems:
        render.render_song(song(4), tmp_path, stem=stem, sample_rate=RATE)
    cards = [render.RenderedSong(s, s, {"seed": s}, warning="loops") for s in stems]
    path = tmp_path / "index.html"
    render.songs_page(cards, path, title=HOSTILE, below=pages.alert(HOSTILE), command=HOSTILE)
    page = PageReader(path)
    assert len(page.named("audio")) == len(page.named("img")) == len(page.named("h2")) - 1 == 3
    assert all(a["preload"] == "none" and "controls" in a for a in page.named("audio"))
    assert not page.named("script")
    links = {f[key] for _, f in page.tags for key in ("href", "src") if key in f}
    assert len(links) == 9
    for link in links:
        assert not set(link) & set("?#\"'<>& :")
        assert (tmp_path / unquote(link)).is_file()
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert text.count("loops") == 3


def test_the_page_says_what_it_was_told_and_no_more(tmp_path: Path) -> None:
    card = render.RenderedSong("A song", "a", {"temperature": "0.7"})
    render.songs_page([card], tmp_path / "index.html", title="T")
    bare = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "temperature" in bare
    assert "0.7" in bare
    assert "command" not in bare
    assert 'role="note"' not in bare
    render.songs_page([], tmp_path / "index.html", title="T", command="make songs")
    empty = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "No songs" in empty
    assert "make songs" in empty
