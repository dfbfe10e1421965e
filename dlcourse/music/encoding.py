"""What every encoding of songs is: a vocabulary of classes, one class a 16th note, and back.

An encoding turns a `Song` into `Encoded` frames, turns frames into the network's input features,
and turns sampled frames into a `Song` again. `melody.Melody` is the one to use; `lab2018.Lab2018`
is the one the lab handed out, with each of its defects as a switch.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.notes import (
    COMMON_TIME,
    HIGHEST_PITCH,
    LOWEST_PITCH,
    PITCH,
    STEPS_PER_QUARTER,
    Metre,
    Song,
    Track,
    note_array,
)

NO_CLASS = -1  # before the first frame, and the lab's silent frames: an all-zero input vector
IGNORED = -100  # a target that is not scored
STEP_IN_BAR, STEP_IN_BEAT, STEPS_A_BAR = range(3)  # columns of positions
STEPS_IN_BAR = 32  # positions in longer bars wrap round
STEPS_IN_BEAT = 6  # a beat is 4 steps in simple metres, 6 in compound ones


@dataclass(frozen=True)
class Encoded:
    """A song as a network sees it.

    Attributes:
        frames: (T,) int64 classes, `NO_CLASS` where the encoding has none.
        positions: (T, 3) int64: step in the bar, step in the beat, steps a bar.
        encoded: How many of the file's notes are in the frames.
        lost: How many are not, by reason. Together they are every note of the file.
        melody: Which track was read, and by which rule.
    """

    frames: np.ndarray
    positions: np.ndarray
    encoded: int
    lost: dict[str, int]
    melody: str


class Encoding(ABC):
    """What the data module, the network, the sampler and the renderer share.

    Attributes:
        num_classes: K, the size of the vocabulary.
        unit: The unit of a negative log-likelihood under this encoding.
        min_steps: Shorter songs take no part.
        predict_last_frame: Whether a song's last frame is ever a target in training.

    Args:
        beat: Give the network the position of the frame it is to predict, in the bar and in the
            beat, as two one-hot vectors.
        lookback: Give it also the frames so many bars before the one it is to predict: pop music
            repeats itself after 1, 2 and 4 bars. Source: Waite, Generating Long-Term Structure in
            Songs and Stories, Magenta 2016 ("Lookback RNN").
    """

    num_classes: int
    unit = "nats per 16th"
    min_steps = 1
    predict_last_frame = True

    def __init__(self, *, beat: bool, lookback: Sequence[int] = ()) -> None:
        if any(bars < 1 for bars in lookback):
            raise InputError(f"encoding.lookback={list(lookback)}: bars, each at least 1")
        self.beat, self.lookback = beat, tuple(lookback)

    @abstractmethod
    def encode(self, song: Song) -> Encoded:
        """The frames of a song, and an account of every note that is not in them."""

    @abstractmethod
    def decode(
        self,
        frames: Sequence[int],
        *,
        metre: Metre = COMMON_TIME,
        tempo: float = 120.0,
        name: str = "song",
    ) -> Song:
        """A playable song from (T,) classes; the inverse of `encode` for one melody on the grid."""

    @abstractmethod
    def changes(self, previous: Tensor, targets: Tensor) -> Tensor:
        """Where something happens: a mask, shaped like both arguments."""

    @abstractmethod
    def class_name(self, index: int) -> str:
        """What a class means, for people: "hold", "C4"."""

    @abstractmethod
    def copied(self, frames: np.ndarray) -> np.ndarray:
        """The class that says "as before" after each frame, `NO_CLASS` where none does."""

    def reason_to_drop(self, encoded: Encoded) -> str:
        """Why this song takes no part, or an empty string."""
        steps = len(encoded.frames)
        if 0 < steps < self.min_steps:
            return f"{steps} steps, fewer than {self.min_steps}"
        return "" if encoded.encoded else "no notes that this encoding can hold"

    @property
    def num_features(self) -> int:
        """F, the length of the network's input vector at one step."""
        frames = self.num_classes * (1 + len(self.lookback))
        return frames + (STEPS_IN_BAR + STEPS_IN_BEAT if self.beat else 0)

    def context(self, frames: Tensor, positions: Tensor, *, first: int = 0) -> Tensor:
        """The earlier frames from which each frame is to be predicted.

        Args:
            frames: (N, T) classes; those from a step on do not matter to that step.
            positions: (N, T', 3) of all frames up to the last one to predict, T' <= T.
            first: The first frame to predict.

        Returns:
            (N, T' - first, C) classes, `NO_CLASS` before the song: the frame before, then one a
            lookback.
        """
        step = torch.arange(first, positions.shape[1], device=frames.device)
        bar = positions[:, first:, STEPS_A_BAR]
        lags = [torch.ones_like(bar), *(bars * bar for bars in self.lookback)]
        index = torch.stack([step - lag for lag in lags], dim=-1)  # (N, T' - first, C)
        found = frames.gather(1, index.clamp(min=0).flatten(1)).view_as(index)
        return found.masked_fill(index < 0, NO_CLASS)

    def features(self, context: Tensor, positions: Tensor) -> Tensor:
        """The network's input: earlier frames (one-hot) and where the frame to predict stands.

        Args:
            context: (N, T, C) as `context` gives them.
            positions: (N, T, 3) of the frames to predict.

        Returns:
            (N, T, F) float32.
        """
        size = self.num_classes
        first = size * torch.arange(context.shape[-1], device=context.device)
        hot, value = context.clamp(min=0) + first, (context != NO_CLASS).float()  # int64 by `first`
        if self.beat:
            first = size * context.shape[-1] + positions.new_tensor([0, STEPS_IN_BAR])
            beat = positions[..., [STEP_IN_BAR, STEP_IN_BEAT]] + first
            hot = torch.cat([hot, beat], dim=-1)
            value = torch.cat([value, value.new_ones(beat.shape)], dim=-1)
        return value.new_zeros(*context.shape[:-1], self.num_features).scatter_(-1, hot, value)

    def hot(self, frames: np.ndarray, positions: np.ndarray, step: int) -> np.ndarray:
        """Which features of one step are 1: what `features` says, as indices, for drawing.

        Args:
            frames: (N, T) classes, of which those before `step` matter.
            positions: (N, T', 3), `step` < T'.

        Returns:
            (C', N) indices. The first row is the frame before, `NO_CLASS` where there is none;
            in the others F, one beyond the last feature, stands for a frame that is not there.
        """
        before = frames[:, step - 1] if step else np.full(len(frames), NO_CLASS)
        if not (self.beat or self.lookback):
            return before[None]
        where, hot, first = positions[:, step], [before], self.num_classes
        for bars in self.lookback:
            earlier = step - bars * where[:, STEPS_A_BAR]
            found = frames[np.arange(len(frames)), np.maximum(earlier, 0)]
            absent = (earlier < 0) | (found == NO_CLASS)
            hot.append(np.where(absent, self.num_features, found + first))
            first += self.num_classes
        if self.beat:
            hot += [first + where[:, STEP_IN_BAR], first + STEPS_IN_BAR + where[:, STEP_IN_BEAT]]
        return np.stack(hot)


class NoteAccount:
    """Follows a file's notes through an encoding: each is kept, or lost for one stated reason."""

    def __init__(self, notes: np.ndarray) -> None:
        self.notes = notes
        self.lost: dict[str, int] = {}

    def keep(self, mask: np.ndarray, otherwise: str) -> None:
        """Keep the notes where `mask` (M,) holds; count the others as lost for this reason."""
        self.lost[otherwise] = int((~mask).sum())
        self.notes = self.notes[mask]

    def keep_in_range(self) -> None:
        """Keep the 78 keys of the lab."""
        pitches = self.notes[:, PITCH]
        self.keep((pitches >= LOWEST_PITCH) & (pitches <= HIGHEST_PITCH), "out_of_range")


def to_steps(ticks: np.ndarray, ticks_per_quarter: int) -> np.ndarray:
    """Ticks to 16th notes, rounded to the nearest (the lab's boundary is the middle of a 16th)."""
    return (2 * STEPS_PER_QUARTER * np.asarray(ticks, np.int64) + ticks_per_quarter) // (
        2 * ticks_per_quarter
    )


def bar_positions(metre: Metre, steps: int) -> np.ndarray:
    """The positions (T, 3) of `steps` steps from a bar line on; see `Encoded`."""
    step = np.arange(max(0, steps)) % metre.steps_per_bar
    compound = metre.denominator == 8 and metre.numerator % 3 == 0
    beat = 6 if compound else max(1, 4 * STEPS_PER_QUARTER // metre.denominator)
    bar = np.full_like(step, metre.steps_per_bar)
    return np.stack([step % STEPS_IN_BAR, step % beat % STEPS_IN_BEAT, bar], axis=1)


def song_positions(song: Song, steps: int) -> np.ndarray:
    """`bar_positions` (T, 3) under a song's own time signatures; each begins a bar."""
    positions = np.zeros((steps, 3), dtype=np.int64)
    for metre in song.metres:
        first = int(to_steps(metre.tick, song.ticks_per_quarter))
        positions[first:] = bar_positions(metre, steps - first)
    return positions


def song_on_grid(
    rows: list[tuple[int, int, int, int]],
    steps: int,
    *,
    metre: Metre,
    tempo: float,
    name: str,
    ticks_per_quarter: int = 480,
) -> Song:
    """A one-track song from notes (start step, end step, pitch, velocity), `steps` steps long."""
    scale = ticks_per_quarter // STEPS_PER_QUARTER
    notes = note_array(rows) * np.array([scale, scale, 1, 1], dtype=np.int32)
    return Song(
        name,
        ticks_per_quarter,
        (Track(notes, name="Melody"),),
        tempos=((0, tempo),),
        metres=(Metre(0, metre.numerator, metre.denominator),),
        end=steps * scale,
    )
