"""A song to see and to hear: MIDI file, WAV file, piano roll, and one page with all of them."""

import wave
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dlcourse import pages
from dlcourse.files import write_text, written_whole
from dlcourse.music.midi import synthesize, write_midi
from dlcourse.music.notes import END, PITCH, Song, Track, pitch_name

BARS_PER_ROW = 16
MOST_ROWS = 16  # beyond it rows hold more bars, so that no song is too tall to be drawn
DPI = 120
WIDTH, LEFT, RIGHT, TOP, BOTTOM, GAP = 12.0, 0.45, 0.15, 0.72, 0.5, 0.36  # inches
# Okabe and Ito (2008), told apart by colour-blind readers too. Hue says which track; a pale note
# with a border says given, a full one says new, which survives a grey print.
TRACK_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555")
NEUTRAL = "#666666"
SEED_SHADE = "#E9E6DA"


@dataclass(frozen=True)
class RenderedSong:
    """What the page says of a song; stem.mid, stem.wav and stem.png lie in the page's folder.

    `facts` (the seed, the temperature) and `warning` are shown as they are; both may be empty.
    """

    title: str
    stem: str
    facts: dict[str, str] = field(default_factory=dict)
    warning: str = ""


def render_song(
    song: Song,
    folder: str | Path,
    *,
    stem: str,
    seed_end: int = 0,
    new_end: float = np.inf,
    title: str = "",
    sample_rate: int = 22050,
) -> None:
    """Write stem.mid, stem.wav and stem.png into a folder; arguments as of `draw_piano_roll`."""
    folder = Path(folder)
    write_midi(song, folder / f"{stem}.mid")
    audio = synthesize(song, sample_rate=sample_rate)
    write_wav(audio, folder / f"{stem}.wav", sample_rate=sample_rate)
    draw_piano_roll(song, folder / f"{stem}.png", seed_end=seed_end, new_end=new_end, title=title)


def write_wav(audio: np.ndarray, path: str | Path, *, sample_rate: int = 22050) -> None:
    """Write audio (samples,) in [-1, 1] as 16-bit mono PCM, whole or not at all.

    Raises:
        ValueError: A sample is beyond 1 or not a number; it would come out as a crack.
    """
    peak = np.abs(audio).max(initial=0.0)
    if not peak <= 1.0:
        raise ValueError(f"audio has to lie in [-1, 1], its peak is {peak:g}: scale it down")
    samples = np.rint(np.asarray(audio, dtype=np.float64) * 32767).astype("<i2")
    with written_whole(path) as partial, wave.open(str(partial), "wb") as file:
        file.setparams((1, 2, sample_rate, 0, "NONE", ""))  # one channel, two bytes
        file.writeframes(samples.tobytes())


def songs_page(
    songs: Sequence[RenderedSong],
    path: str | Path,
    *,
    title: str,
    below: str = "",
    command: str = "",
) -> None:
    """Write one page that shows and plays songs, beside their files.

    Args:
        below: HTML under the songs.
        command: The command that makes this page again.
    """
    parts = [_card(song) for song in songs] or ["<p>No songs.</p>\n"]
    parts.append(below)
    if command:
        parts.append(f"<h2>The command that made this page</h2>\n{pages.code(command)}")
    write_text(path, pages.page(title, "".join(parts)))


def draw_piano_roll(
    song: Song, path: str | Path, *, seed_end: int = 0, new_end: float = np.inf, title: str = ""
) -> None:
    """Draw a song's pitched tracks as a PNG, sixteen bars to a row, whole or not at all.

    Args:
        seed_end: The tick where the new part begins. What was given is shaded, its notes are pale.
        new_end: The tick where the new part ends, if what was given goes on there.
        title: The song's name when empty.
    """
    # Not pyplot: it keeps every figure in a global list and is not safe in threads.
    figure = _piano_roll(song, (seed_end, new_end), title or song.name)
    with written_whole(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)


def _card(song: RenderedSong) -> str:
    return pages.card(
        song.title,
        pages.alert(song.warning),
        pages.audio(f"{song.stem}.wav", song.title),
        pages.figure(f"{song.stem}.png", f"Piano roll of {song.title}"),
        pages.download(f"{song.stem}.mid", "Download MIDI"),
        pages.download(f"{song.stem}.wav", "Download WAV"),
        pages.facts(song.facts),
    )


def _piano_roll(song: Song, new: tuple[float, float], title: str) -> Figure:
    tracks = song.pitched
    if not tracks:
        figure = Figure(figsize=(WIDTH, 1.6), dpi=DPI)
        figure.text(0.5, 0.4, "no notes", ha="center", size=16, color=NEUTRAL)
        _draw_header(figure, title, [])
        return figure
    bars, beats = _grid(song)
    bars_per_row = max(BARS_PER_ROW, -(-(len(bars) - 1) // MOST_ROWS))
    rows = [bars[i : i + bars_per_row + 1] for i in range(0, len(bars) - 1, bars_per_row)]
    longest = max(row[-1] - row[0] for row in rows)
    figure, all_axes = _sheet(len(rows), np.concatenate([t.notes[:, PITCH] for t in tracks]))
    for index, (axes, row) in enumerate(zip(all_axes, rows, strict=True)):
        axes.set_xlim(row[0], row[0] + longest)
        for track, colour in reversed(list(zip(tracks, cycle(TRACK_COLOURS)))):  # melody on top
            axes.add_collection(_notes(track, colour, new=new, gap=longest / 600), autolim=False)
        _draw_grid(axes, row, beats, first_bar=index * bars_per_row + 1)
        _draw_given(axes, row, new)
    all_axes[-1].set_xlabel("bar", loc="left", size=10)
    _draw_header(figure, title, _legend(tracks, new))
    return figure


def _notes(track: Track, colour: str, *, new: tuple[float, float], gap: float) -> PolyCollection:
    """A track's notes as rectangles, in one artist: a patch a note is slow. The axes crop them."""
    start, end, pitch, _ = track.notes.astype(float).T
    # `gap` ticks keep repeated notes apart; a white border would wipe out the short ones.
    end -= np.minimum((end - start) / 3, gap)
    low, high = pitch - 0.42, pitch + 0.42
    corners = np.stack([start, low, start, high, end, high, end, low], axis=1).reshape(-1, 4, 2)
    is_new = (start >= new[0]) & (start < new[1])
    faces = np.where(is_new[:, None], to_rgb(colour), _pale(colour))
    return PolyCollection(corners, facecolors=faces, edgecolors=colour, linewidths=0.6, zorder=3)


def _grid(song: Song) -> tuple[np.ndarray, np.ndarray]:
    """Ticks of the bar lines, from 0 to the one that closes the song, and of the beats."""
    end = max(song.end, 1, *(int(track.notes[:, END].max()) for track in song.pitched))
    metres = [metre for metre in song.metres if metre.tick < end]
    stops = [metre.tick for metre in metres[1:]] + [end]
    bars, beats = [], []
    for metre, stop in zip(metres, stops, strict=True):
        beat = 4 * song.ticks_per_quarter / metre.denominator
        bar = beat * metre.numerator
        beats.append(np.arange(metre.tick, stop, beat))
        bars.append(np.arange(metre.tick, stop, bar))
    return np.append(np.concatenate(bars), bars[-1][-1] + bar), np.concatenate(beats)


def _sheet(rows: int, pitches: np.ndarray) -> tuple[Figure, list[Axes]]:
    """An empty figure of so many rows, with the names of some of the pitches."""
    low, high = int(pitches.min()) - 1, int(pitches.max()) + 1
    row = float(np.clip(0.075 * (high - low), 1.4, 3.2))
    height = TOP + rows * row + (rows - 1) * GAP + BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    figure.subplots_adjust(
        LEFT / WIDTH, BOTTOM / height, 1 - RIGHT / WIDTH, 1 - TOP / height, hspace=GAP / row
    )
    all_axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    named = range(12) if high - low <= 10 else (0, 4, 7) if high - low <= 24 else (0, 7)
    ticks = [pitch for pitch in range(low + 1, high) if pitch % 12 in named]
    for axes in all_axes:
        axes.set_ylim(low, high)
        axes.set_yticks(ticks, labels=[pitch_name(pitch) for pitch in ticks])
        axes.tick_params(length=0, labelsize=10)
        axes.spines[:].set_visible(False)
    return figure, list(all_axes)


def _draw_grid(axes: Axes, row: np.ndarray, beats: np.ndarray, *, first_bar: int) -> None:
    """Lines of bars, beats and named pitches, as far as the song goes; numbers of the bars."""
    low, high = axes.get_ylim()
    skip = -(-(len(row) - 1) // BARS_PER_ROW)
    axes.hlines(axes.get_yticks(), row[0], row[-1], color="#D5D5D5", linewidth=0.6)
    if skip == 1:
        inside = beats[(beats > row[0]) & (beats < row[-1])]
        axes.vlines(inside, low, high, color="#DDDDDD", linewidth=0.5)
    axes.vlines(row[::skip], low, high, color="#999999", linewidth=0.8)
    axes.set_xticks(row[:-1:skip], labels=range(first_bar, first_bar + len(row) - 1, skip))


def _draw_given(axes: Axes, row: np.ndarray, new: tuple[float, float]) -> None:
    """The shade under what was given, and a line where the new part begins and where it ends."""
    for given in ((0, new[0]), (new[1], np.inf)):
        axes.axvspan(*np.clip(given, row[0], row[-1]), color=SEED_SHADE, linewidth=0, zorder=0)
    for tick in new:
        if tick > 0 and row[0] <= tick < row[-1]:
            axes.axvline(tick, color="black", linewidth=1.6, zorder=4, clip_on=False)


def _legend(tracks: Sequence[Track], new: tuple[float, float]) -> list[Patch]:
    """What the colours say; nothing for one track of which all is new."""
    patches = []
    if new != (0, np.inf):
        colour = NEUTRAL if len(tracks) > 1 else TRACK_COLOURS[0]
        given = Patch(facecolor=_pale(colour), edgecolor=colour, label="given to the model")
        patches = [given, Patch(color=colour, label="new, written by the model")]
    if len(tracks) > 1:
        for index, (track, colour) in enumerate(zip(tracks, TRACK_COLOURS, strict=False)):
            name = _plain(track.name, 24).lstrip("_")  # matplotlib leaves "_x" out of legends
            patches.append(Patch(color=colour, label=name or f"Track {index + 1}"))
    return patches


def _draw_header(figure: Figure, title: str, patches: list[Patch]) -> None:
    width, height = figure.get_size_inches()
    figure.text(LEFT / width, 1 - 0.3 / height, _plain(title, 100), size=13, weight="bold")
    if patches:
        figure.legend(
            handles=patches, ncols=len(patches), frameon=False, fontsize=10, handlelength=1.4,
            loc="upper left", bbox_to_anchor=(LEFT / width, 1 - 0.4 / height),
            borderpad=0, borderaxespad=0,
        )  # fmt: skip


def _pale(colour: str) -> np.ndarray:
    return 1 - 0.38 * (1 - np.array(to_rgb(colour)))


def _plain(text: str, longest: int) -> str:
    """Text on one line that matplotlib does not take for mathematics and can always draw."""
    line = " ".join(text.encode("utf-8", "replace").decode("utf-8").split())
    return line[:longest].replace("$", r"\$")
