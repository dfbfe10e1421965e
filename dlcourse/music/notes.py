"""What a song is, before any encoding: tracks of notes on a clock of ticks.

Shape legend of this wing: M notes, N batch, T steps (16th notes unless an encoding says otherwise),
K classes, F features a step.
"""

from dataclasses import dataclass, field, replace

import numpy as np

LOWEST_PITCH = 24  # C1, the lab's `lowerBound`
HIGHEST_PITCH = 101  # F7, the lab's `upperBound` is exclusive
NUM_KEYS = HIGHEST_PITCH - LOWEST_PITCH + 1
STEPS_PER_QUARTER = 4
LONGEST_QUARTERS = 50_000  # over three hours at 240 bpm: what lasts longer is taken to be damaged

START, END, PITCH, VELOCITY = range(4)
OFF, HELD, STRUCK = range(3)  # states of a key: silent, goes on from the step before, begins
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True, eq=False)  # compared by identity: arrays have no single truth
class Track:
    """Notes (M, 4) int32: start tick, end tick, MIDI pitch, velocity; sorted by these columns."""

    notes: np.ndarray
    name: str = ""
    program: int = 0
    is_drum: bool = False


@dataclass(frozen=True)
class Metre:
    """A time signature from `tick` on: `numerator` beats of one `denominator`-th note each."""

    tick: int
    numerator: int
    denominator: int

    @property
    def steps_per_bar(self) -> int:
        """Length of a bar in 16th notes (16 in 4/4, 12 in 3/4 and in 6/8)."""
        return self.bar_length(STEPS_PER_QUARTER)

    def bar_length(self, steps_per_quarter: int) -> int:
        """Length of a bar in steps of a grid, at least one."""
        return max(1, self.numerator * 4 * steps_per_quarter // self.denominator)


COMMON_TIME = Metre(0, 4, 4)


@dataclass(frozen=True)
class Song:
    """One MIDI file as read: all times in ticks, `ticks_per_quarter` of them to a quarter note.

    Attributes:
        name: The file's name without its suffix.
        tempos: (tick, quarter notes per minute), sorted, deduplicated; 120 when the file has none.
        metres: Sorted, deduplicated; 4/4 when the file has none.
        end: The tick of the last event; where a track says that it ends is none.
    """

    name: str
    ticks_per_quarter: int
    tracks: tuple[Track, ...]
    tempos: tuple[tuple[int, float], ...] = ((0, 120.0),)
    metres: tuple[Metre, ...] = field(default=(COMMON_TIME,))
    end: int = 0

    @property
    def pitched(self) -> tuple[Track, ...]:
        """The tracks that hold notes and are not drums."""
        return tuple(t for t in self.tracks if len(t.notes) and not t.is_drum)

    def with_tracks(self, tracks: tuple[Track, ...]) -> "Song":
        """The same song with other tracks; `end` follows the last note."""
        end = max((int(t.notes[:, END].max()) for t in tracks if len(t.notes)), default=0)
        return replace(self, tracks=tracks, end=max(end, self.end))


def note_array(rows: list[tuple[int, int, int, int]] | np.ndarray) -> np.ndarray:
    """(M, 4) int32 notes from rows of start, end, pitch, velocity, sorted by those columns."""
    notes = np.asarray(rows, dtype=np.int32).reshape(-1, 4)
    return notes[np.lexsort(notes.T[::-1])]


def pitch_name(pitch: int) -> str:
    """Scientific pitch notation of a MIDI pitch: 60 is C4."""
    return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"
