"""What every encoding of songs is: frames on a grid of steps, and back.

An encoding turns a `Song` into `Encoded` frames, turns frames into the network's input features,
and turns sampled frames into a `Song` again. A frame is one class (`class_encoding`: the melody,
`melody.Melody`, and the lab's own, `lab2018.Lab2018`) or the states of all keys
(`pianoroll.PianoRoll`).

Shape legend: N songs, T steps, C earlier frames that are looked at, P keys, F features. `...` is
nothing where a frame is a class, and P where it is the states of keys.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.foretelling import ALIKE_OVER, NUM_MATCHES, foretold
from dlcourse.music.grid import (
    STEPS_A_BAR,
    steps_in_bar,
    steps_in_beat,
)
from dlcourse.music.notes import COMMON_TIME, LOWEST_PITCH, NUM_KEYS, STEPS_PER_QUARTER, Metre, Song

IGNORED = -100  # a target that is not scored


@dataclass(frozen=True)
class Encoded:
    """A song as a network sees it.

    Attributes:
        frames: (T, ...): int64 classes, or int8 states of keys.
        positions: (T, 3) int64: step in the bar, step in the beat, steps a bar.
        encoded: How many of the file's notes are in the frames.
        lost: How many are not, by reason. Together they are every note of the file.
        melody: Which track was read, and by which rule.
        altered: How many of the encoded notes begin or end elsewhere than in the file, by reason.
    """

    frames: np.ndarray
    positions: np.ndarray
    encoded: int
    lost: dict[str, int]
    melody: str
    altered: dict[str, int] = field(default_factory=dict)


class Encoding(ABC):
    """What the data module, the network, the sampler and the renderer share.

    Attributes:
        low: The MIDI pitch of key 0.
        num_keys: P.
        steps_per_quarter: How fine the grid is.
        unit: The unit of a negative log-likelihood under this encoding.
        min_steps: Shorter songs take no part.
        predict_last_frame: Whether a song's last frame is ever a target in training.
        nothing: What stands for a frame before the song's first.
        frame_shape: () or (P,).

    Args:
        beat: Give the network the position of the frame it is to predict, in the bar and in the
            beat, as two one-hot vectors.
        lookback: Give it also the frames so many bars before the one it is to predict: pop music
            repeats itself after 1, 2 and 4 bars. Source: Waite, Generating Long-Term Structure in
            Songs and Stories, Magenta 2016 ("Lookback RNN", which is also told whether the last
            frame repeated the one so many bars before).
        match: Give it for each look back how well it has foretold the last frames: `foretold`.
    """

    low = LOWEST_PITCH
    num_keys = NUM_KEYS
    steps_per_quarter = STEPS_PER_QUARTER
    unit = "nats per 16th"
    min_steps = 1
    predict_last_frame = True
    nothing: int
    frame_shape: tuple[int, ...] = ()

    def __init__(self, *, beat: bool, lookback: Sequence[int] = (), match: bool = False) -> None:
        if any(bars < 1 for bars in lookback):
            raise InputError(f"encoding.lookback={list(lookback)}: bars, each at least 1")
        if match and not lookback:
            raise InputError("encoding.match=true: nothing to match; encoding.lookback=[1,2,4]")
        self.beat, self.lookback, self.match = beat, tuple(lookback), match

    @abstractmethod
    def encode(self, song: Song) -> Encoded:
        """The frames of a song, and an account of every note that is not in them."""

    @abstractmethod
    def decode(
        self,
        frames: Sequence[int] | np.ndarray,
        *,
        metre: Metre = COMMON_TIME,
        tempo: float = 120.0,
        name: str = "song",
    ) -> Song:
        """A playable song from frames (T, ...); the inverse of `encode` for what it keeps."""

    @abstractmethod
    def next_states(self, states: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """The states of all keys (N, P) uint8 in frames (N, ...), after those of the step before.

        The states are `OFF`, `HELD` and `STRUCK` of `notes`, whatever the encoding's frames are.
        """

    @abstractmethod
    def transpose(self, frames: Tensor, semitones: Tensor) -> Tensor:
        """Frames (N, X, ...), each of the N songs shifted by so many semitones (N,)."""

    @abstractmethod
    def key_range(self, frames: np.ndarray) -> tuple[int, int]:
        """The lowest and the highest key in frames (T, ...); (P, -1) where there is none."""

    @property
    @abstractmethod
    def features_a_frame(self) -> int:
        """How many input features one earlier frame makes."""

    def states(self, frames: np.ndarray) -> np.ndarray:
        """The states of all keys (N, T, P) uint8 in frames (N, T, ...) from a song's start."""
        states = np.zeros((*frames.shape[:2], self.num_keys), dtype=np.uint8)
        before = np.zeros((len(frames), self.num_keys), dtype=np.uint8)
        for step in range(frames.shape[1]):
            states[:, step] = before = self.next_states(before, frames[:, step])
        return states

    def is_scored(self, frames: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """Which frames (T, ...) or (N, T, ...) can be targets: those that have a class."""
        return frames >= 0

    def reason_to_drop(self, encoded: Encoded) -> str:
        """Why this song takes no part, or an empty string."""
        steps = len(encoded.frames)
        if 0 < steps < self.min_steps:
            return f"{steps} steps, fewer than {self.min_steps}"
        return "" if encoded.encoded else "no notes that this encoding can hold"

    @property
    def num_lags(self) -> int:
        """C, how many earlier frames the network is shown."""
        return 1 + len(self.lookback)

    @property
    def num_features(self) -> int:
        """F, the length of the network's input vector at one step."""
        return self.num_lags * self.features_a_frame + sum(self.beat_sizes) + self.num_matches

    @property
    def num_matches(self) -> int:
        """How many of the features say how well the looks back have foretold."""
        return len(self.lookback) * NUM_MATCHES if self.match else 0

    @property
    def beat_sizes(self) -> tuple[int, ...]:
        """Of the one-hot vectors of the position."""
        per_quarter = self.steps_per_quarter
        return (steps_in_bar(per_quarter), steps_in_beat(per_quarter)) if self.beat else ()

    def context_steps(self, positions: Tensor, *, first: int = 0) -> Tensor:
        """Which earlier frames each frame is predicted from.

        Args:
            positions: (..., T, 3) of all frames up to the last one to predict.
            first: The first frame to predict.

        Returns:
            (..., T - first, C) steps of the song, negative before it: the one before, then one a
            lookback.
        """
        step = torch.arange(first, positions.shape[-2], device=positions.device)
        bar = positions[..., first:, STEPS_A_BAR].long()
        lags = [torch.ones_like(bar), *(bars * bar for bars in self.lookback)]
        return torch.stack([step - lag for lag in lags], dim=-1)

    def context(self, frames: Tensor, positions: Tensor, *, first: int = 0) -> Tensor:
        """The earlier frames from which each frame is to be predicted.

        Args:
            frames: (N, T, ...); those from a step on do not matter to that step.
            positions: (N, T', 3) of all frames up to the last one to predict, T' <= T.
            first: The first frame to predict.

        Returns:
            (N, T' - first, C, ...) frames, `nothing` before the song.
        """
        index = self.context_steps(positions, first=first)  # (N, T' - first, C)
        songs = torch.arange(len(frames), device=frames.device)[:, None, None]
        found = frames[songs, index.clamp(min=0)]
        before = (index < 0).view(*index.shape, *(1 for _ in self.frame_shape))
        return found.masked_fill(before, self.nothing)

    def matches(self, frames: Tensor, positions: Tensor, *, first: int = 0) -> Tensor:
        """How well each look back has foretold the frames before; arguments as of `context`.

        Returns:
            (N, T' - first, `num_matches`) float32 in [0, 1]; a look back to before the song is 0.
        """
        songs, last = positions.shape[:2]
        if not self.match:
            return torch.zeros(songs, last - first, 0, device=frames.device)
        begin = max(0, first - max(ALIKE_OVER))
        known = positions[:, : last - 1]
        recalled = self.context(frames, known, first=begin)[:, :, 1:]  # (N, n, C - 1, ...)
        alike = self.likeness(recalled, frames[:, begin : last - 1, None])
        alike = alike * (self.context_steps(known, first=begin)[:, :, 1:] >= 0)
        steps = torch.arange(first - begin, last - begin, device=frames.device)
        return foretold(alike, steps)

    def likeness(self, frames: Tensor, others: Tensor) -> Tensor:
        """How alike frames (..., *frame_shape) are (...), in [0, 1]; 1 where they are equal."""
        return (frames == others).float()

    @abstractmethod
    def features(self, context: Tensor, positions: Tensor, matches: Tensor | None = None) -> Tensor:
        """The network's input: earlier frames and where the frame to predict stands.

        Args:
            context: (N, T, C, ...) as `context` gives them.
            positions: (N, T, 3) of the frames to predict.
            matches: (N, T, `num_matches`) as `matches` gives them, where there are some.

        Returns:
            (N, T, F) float32.
        """
