"""The piano roll: the states of all keys at every step, with nothing said of who plays them.

Shape legend: N songs, T steps, C earlier frames, P keys, S states a key.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.grid import STEP_IN_BAR, STEP_IN_BEAT, song_on_grid, song_positions, to_steps
from dlcourse.music.note_account import NoteAccount
from dlcourse.music.notes import (
    COMMON_TIME,
    END,
    HELD,
    OFF,
    PITCH,
    START,
    STEPS_PER_QUARTER,
    STRUCK,
    Metre,
    Song,
    note_array,
)

TICKS_PER_QUARTER = 480  # of decoded songs, or the next multiple of the steps
VELOCITY = 80
_STRUCK_HELD = np.uint8(STRUCK), np.uint8(HELD)  # Python's would make arrays of 64 bits


class PianoRoll(Encoding):
    """Which keys sound at every step, and which of them are struck there.

    All pitched tracks are one piano. A key that sounds can be struck again; where notes overlap on
    one key, it sounds as long as one of them does, and of notes that strike it at one step only the
    longest is kept. A note shorter than a step lasts one. Velocity and instrument are not kept.

    Args:
        onsets: Tell struck keys from held ones. The benchmarks' matrices do not: a repeated note is
            a long one there.
        low: The lowest MIDI pitch.
        high: The highest; 21 to 108 are the 88 keys of a piano.
        steps_per_quarter: How fine the grid is; 4 are 16th notes.
        unit: Of a negative log-likelihood, where a step is no note value; else None.
    """

    nothing = OFF

    def __init__(
        self,
        *,
        onsets: bool = True,
        low: int = 21,
        high: int = 108,
        steps_per_quarter: int = STEPS_PER_QUARTER,
        beat: bool = True,
        lookback: Sequence[int] = (),
        match: bool = False,
        unit: str | None = None,
    ) -> None:
        super().__init__(beat=beat, lookback=lookback, match=match)
        if not 0 <= low <= high <= 127:
            raise InputError(f"encoding.low={low}, high={high}: 0 <= low <= high <= 127")
        if steps_per_quarter < 1:
            raise InputError(f"encoding.steps_per_quarter={steps_per_quarter}: at least 1")
        self.onsets, self.low, self.steps_per_quarter = onsets, low, steps_per_quarter
        self.num_keys = high - low + 1
        self.num_states = 3 if onsets else 2
        self.frame_shape = (self.num_keys,)
        step = "16th" if steps_per_quarter == 4 else f"1/{4 * steps_per_quarter} note"
        self.unit = unit or f"nats per {step}, all {self.num_keys} keys"

    def encode(self, song: Song) -> Encoded:
        """See the class. Every note is encoded or lost for the first reason that applies."""
        tracks = [track.notes for track in song.pitched]
        account = NoteAccount(note_array(np.concatenate([note_array([]), *tracks])))
        account.lost["drums"] = sum(len(t.notes) for t in song.tracks) - len(account.notes)
        account.keep_in_range(self.low, self.low + self.num_keys - 1)
        onset, end = self._steps(account.notes, song)
        order = np.lexsort((-end, onset, account.notes[:, PITCH]))  # the longest first
        account.notes, onset = account.notes[order], onset[order]
        key = account.notes[:, PITCH] - self.low
        account.keep(~_repeats(key, onset), "same_key_and_step")
        steps = self._length(song)
        frames = self._frames(account.notes, song, steps)
        if not self.onsets:
            onset, key = self._steps(account.notes, song)[0], account.notes[:, PITCH] - self.low
            tied = (onset > 0) & (frames[onset - 1, key] > 0)
            account.keep(~tied, "tied_to_the_note_before")
        altered = self._altered(account.notes, song, frames)
        positions = song_positions(song, steps, steps_per_quarter=self.steps_per_quarter)
        kept = len(account.notes)
        return Encoded(frames, positions, kept, account.lost, "all pitched tracks", altered)

    def _steps(self, notes: np.ndarray, song: Song) -> tuple[np.ndarray, np.ndarray]:
        """Onsets and ends (M,) on the grid."""
        onset, end = (
            to_steps(ticks, song.ticks_per_quarter, steps_per_quarter=self.steps_per_quarter)
            for ticks in (notes[:, START], notes[:, END])
        )
        return onset, np.maximum(end, onset + 1)

    def _length(self, song: Song) -> int:
        """A song lasts until the last note of any track."""
        return max((int(self._steps(t.notes, song)[1].max()) for t in song.tracks if len(t.notes)),
                   default=0)  # fmt: skip

    def _frames(self, notes: np.ndarray, song: Song, steps: int) -> np.ndarray:
        """Frames (T, P) of notes."""
        onset, end = self._steps(notes, song)
        key = notes[:, PITCH] - self.low
        edges = np.zeros((steps + 1, self.num_keys), dtype=np.int32)
        np.add.at(edges, (onset, key), 1)
        np.add.at(edges, (end, key), -1)
        frames = (np.cumsum(edges, axis=0, out=edges)[:-1] > 0).astype(
            np.int8
        )  # HELD, or what sounds
        if self.onsets:
            frames[onset, key] = STRUCK
        return frames

    def _altered(self, notes: np.ndarray, song: Song, frames: np.ndarray) -> dict[str, int]:
        """How many of the encoded notes, sorted by key and onset, are not as they were."""
        steps = np.stack(self._steps(notes, song), axis=1)
        exact = notes[:, [START, END]] * np.int64(self.steps_per_quarter)
        rounded = (steps * song.ticks_per_quarter != exact).any(axis=1)
        overlapped = self._runs(frames)[2] != steps[:, 1]  # ends with another note on its key
        return {"rounded": int(rounded.sum()), "overlapped": int(overlapped.sum())}

    def _runs(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Key, onset and end (M,) of every note in frames (T, P), sorted by key and onset."""
        states = self.states(frames[None])[0].T  # (P, T)
        states = np.pad(states, ((0, 0), (0, 1)))  # all ends before the next key begins
        key, onset = np.nonzero(states == STRUCK)
        ends = (states[:, :-1] != OFF) & (states[:, 1:] != HELD)
        return key, onset, np.nonzero(ends)[1] + 1  # as many as begin, in the same order

    def decode(
        self,
        frames: Sequence[int] | np.ndarray,
        *,
        metre: Metre = COMMON_TIME,
        tempo: float = 120.0,
        name: str = "song",
    ) -> Song:
        """One track; notes still sounding at the end are ended there."""
        per_quarter = self.steps_per_quarter
        frames = np.asarray(frames).reshape(-1, self.num_keys)
        key, onset, end = self._runs(frames)
        rows = np.stack([onset, end, key + self.low, np.full_like(key, VELOCITY)], axis=1)
        return song_on_grid(
            rows,
            len(frames),
            metre=metre,
            tempo=tempo,
            name=name,
            ticks_per_quarter=-(-TICKS_PER_QUARTER // per_quarter) * per_quarter,
            steps_per_quarter=per_quarter,
            track="Piano",
        )

    def next_states(self, states: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """See `Encoding`; what cannot be held, for it did not sound, is struck."""
        sounds = np.asarray(frames) > 0
        struck = (frames == STRUCK) | (states == OFF)
        return np.where(sounds, np.where(struck, *_STRUCK_HELD), np.uint8(OFF))

    def states(self, frames: np.ndarray) -> np.ndarray:
        """See `Encoding`."""
        before = np.zeros_like(frames)
        before[:, 1:] = frames[:, :-1]
        return self.next_states(before, frames)

    def from_states(self, states: np.ndarray) -> np.ndarray:
        """Frames (..., P) int8 from canonical states; the inverse of `states`."""
        return (states if self.onsets else states > 0).astype(np.int8)

    def is_scored(self, frames: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """See `Encoding`: a frame beyond a song is `IGNORED` in all its keys."""
        return frames[..., 0] >= 0

    def transpose(self, frames: Tensor, semitones: Tensor) -> Tensor:
        """See `Encoding`. What left the keyboard on one side would come back on the other."""
        keys = torch.arange(self.num_keys, device=frames.device)
        index = (keys - semitones.view(-1, 1)) % self.num_keys  # (N, P)
        index = index.view(len(frames), *(1 for _ in frames.shape[1:-1]), self.num_keys)
        return frames.gather(-1, index.expand(frames.shape))

    def key_range(self, frames: np.ndarray) -> tuple[int, int]:
        """See `Encoding`."""
        used = np.flatnonzero((frames > 0).any(axis=0))
        return (int(used[0]), int(used[-1])) if len(used) else (self.num_keys, -1)

    def likeness(self, frames: Tensor, others: Tensor) -> Tensor:
        """Keys in the same state among those that sound in either (Jaccard's index, plus 1)."""
        same = (frames == others) & (frames > OFF)
        either = (frames > OFF) | (others > OFF)
        return (same.sum(-1) + 1) / (either.sum(-1) + 1)

    @property
    def features_a_frame(self) -> int:
        """P zeros and ones of what sounds, and P of what is struck where the encoding says so."""
        return self.num_keys * (self.num_states - 1)

    def features(self, context: Tensor, positions: Tensor, matches: Tensor | None = None) -> Tensor:
        """See `Encoding`; of one frame after another what sounds, then what is struck."""
        parts = [self.planes(context).flatten(-3)]
        for column, size in zip((STEP_IN_BAR, STEP_IN_BEAT), self.beat_sizes, strict=False):
            hot = parts[0].new_zeros(*context.shape[:2], size)
            parts.append(hot.scatter_(-1, positions[..., column, None].long(), 1.0))
        return torch.cat([*parts, matches] if self.match else parts, dim=-1)

    def planes(self, frames: Tensor) -> Tensor:
        """(..., P) -> (..., S - 1, P) float32 zeros and ones: what sounds, what is struck."""
        planes = [frames > 0, frames == STRUCK][: self.num_states - 1]
        return torch.stack(planes, dim=-2).float()


def _repeats(key: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """Which of the notes (M,), sorted by both, have key and onset of the one before."""
    same = (np.diff(key) == 0) & (np.diff(onset) == 0)
    return np.append(False, same)[: len(key)]
