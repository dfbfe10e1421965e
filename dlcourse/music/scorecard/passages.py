"""A song on the grid of steps, from the step on where the part to be scored begins.

Shape legend of this package: M notes, B bars, T steps, E events (notes of a line, or chords).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.grid import to_steps
from dlcourse.music.melody import choose_melody
from dlcourse.music.notes import END, PITCH, START, STEPS_PER_QUARTER, Song

ONSET, OFFSET, KEY = range(3)  # columns of a passage's notes
BAR_START, BAR_LENGTH = range(2)  # columns of its bars
MELODY, TOP_LINE, ALL_NOTES = PARTS = ("melody", "top line", "all notes")


@dataclass(frozen=True, eq=False)
class Passage:
    """A whole song, of which the part from `first_step` on is scored.

    Attributes:
        notes: (M, 3) int64, sorted: onset step, the step after its last one, MIDI pitch.
        bars: (B, 2) int64: first step and length of every bar that begins within the song.
        steps: Length of the song.
        first_step: Where the new part begins; 0 where everything is new.
        steps_per_quarter: How fine the grid is.
    """

    notes: np.ndarray
    bars: np.ndarray
    steps: int
    first_step: int
    steps_per_quarter: int

    @property
    def new_notes(self) -> np.ndarray:
        """The notes (M', 3) that are struck in the new part."""
        return self.notes[self.notes[:, ONSET] >= self.first_step]

    @property
    def new_bars(self) -> np.ndarray:
        """The bars (B', 2) that begin in the new part."""
        return self.bars[self.bars[:, BAR_START] >= self.first_step]

    @property
    def line(self) -> np.ndarray:
        """The top line (E, 3) of the whole song; see `top_line`."""
        return top_line(self.notes)

    @property
    def new_line(self) -> np.ndarray:
        """The notes (E', 3) of the top line that are struck in the new part."""
        line = self.line
        return line[line[:, ONSET] >= self.first_step]

    def sounding(self) -> np.ndarray:
        """(T', 128) bool: which keys sound at each step of the new part, old notes included."""
        roll = np.zeros((self.steps, 128), dtype=bool)
        roll[_steps_of(self.notes), np.repeat(self.notes[:, KEY], _lengths(self.notes))] = True
        return roll[self.first_step :]

    def bar_of(self, step: int) -> int:
        """The number of the bar in which a step lies; the first bar is 1."""
        return int(np.searchsorted(self.bars[:, BAR_START], step, side="right"))


def read_passage(
    song: Song,
    *,
    part: str = ALL_NOTES,
    first_step: int = 0,
    steps_per_quarter: int = STEPS_PER_QUARTER,
) -> Passage:
    """A song's notes on the grid, rounded to the nearest step; one shorter than a step lasts one.

    Args:
        part: "all notes" of the pitched tracks; the "melody" (`choose_melody`; of notes that fall
            on one step the highest, each ending the one before); or the "top line" of all tracks.
        first_step: Where the new part begins: what came before is no work of the model.

    Raises:
        InputError: There is no such part.
    """
    if part not in PARTS:
        raise InputError(f"part={part}: choose one of {', '.join(PARTS)}")
    tracks = (choose_melody(song)[0],) if part == MELODY else song.pitched
    rows = [t.notes[t.notes[:, START] < t.notes[:, END]] for t in tracks]
    ticks = np.concatenate([np.zeros((0, 4), np.int64), *rows])[:, [START, END, PITCH]]
    onsets, offsets = (
        to_steps(times, song.ticks_per_quarter, steps_per_quarter=steps_per_quarter)
        for times in (ticks[:, 0], ticks[:, 1])
    )
    notes = np.stack([onsets, np.maximum(offsets, onsets + 1), ticks[:, 2]], axis=1)
    notes = notes[np.lexsort(notes.T[::-1])]
    end = int(to_steps(song.end, song.ticks_per_quarter, steps_per_quarter=steps_per_quarter))
    steps = max(end, int(notes[:, OFFSET].max(initial=0)))
    bars = _bars(song, steps, steps_per_quarter)
    lines = {MELODY: one_voice, TOP_LINE: top_line, ALL_NOTES: lambda all_notes: all_notes}
    return Passage(lines[part](notes), bars, steps, first_step, steps_per_quarter)


def is_one_voice(songs: Iterable[Song]) -> bool:
    """Whether no song has a note that begins before all earlier ones have ended."""
    passages = (read_passage(song) for song in songs)
    return all((p.notes[1:, ONSET] >= p.notes[:-1, OFFSET]).all() for p in passages)


def one_voice(notes: np.ndarray) -> np.ndarray:
    """The highest of the notes struck at each step (E, 3), each ended by the next."""
    line = notes[np.lexsort((notes[:, KEY], notes[:, ONSET]))]
    line = line[np.append(line[1:, ONSET] != line[:-1, ONSET], True)[: len(line)]]
    line[:-1, OFFSET] = np.minimum(line[:-1, OFFSET], line[1:, ONSET])
    return line


def top_line(notes: np.ndarray) -> np.ndarray:
    """The skyline (E, 3): notes struck while no higher one sounds, each ended by the next.

    Source: Uitdenbogerd and Zobel, Manipulation of Music for Melody Matching, ACM Multimedia 1998.
    """
    top = np.zeros(notes[:, OFFSET].max(initial=0), dtype=np.int64)
    np.maximum.at(top, _steps_of(notes), np.repeat(notes[:, KEY], _lengths(notes)))
    return one_voice(notes[notes[:, KEY] == top[notes[:, ONSET]]])


def _lengths(notes: np.ndarray) -> np.ndarray:
    return notes[:, OFFSET] - notes[:, ONSET]


def _steps_of(notes: np.ndarray) -> np.ndarray:
    """Every step at which each note sounds, note after note."""
    lengths = _lengths(notes)
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(notes[:, ONSET] - before, lengths)


def _bars(song: Song, steps: int, steps_per_quarter: int) -> np.ndarray:
    """(B, 2) the bars that begin within the song; each time signature begins one."""
    ticks = np.array([metre.tick for metre in song.metres])
    firsts = to_steps(ticks, song.ticks_per_quarter, steps_per_quarter=steps_per_quarter)
    bars = [np.zeros((0, 2), dtype=np.int64)]
    for metre, first, last in zip(song.metres, firsts, [*firsts[1:], steps], strict=True):
        length = metre.bar_length(steps_per_quarter)
        starts = np.arange(first, min(last, steps), length)
        bars.append(np.stack([starts, np.full_like(starts, length)], axis=1))
    return np.concatenate(bars)
