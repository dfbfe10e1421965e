"""Encodings whose frame is one class of a vocabulary: one voice.

Shape legend: N songs, T steps, C earlier frames, K classes, P keys.
"""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from dlcourse.music.encoding import Encoding
from dlcourse.music.grid import STEP_IN_BAR, STEP_IN_BEAT, STEPS_A_BAR, steps_in_bar
from dlcourse.music.notes import HELD, OFF, STRUCK

NO_CLASS = -1  # before the first frame, and the lab's silent frames: an all-zero input vector


class ClassEncoding(Encoding):
    """One class a step.

    Attributes:
        num_classes: K, the size of the vocabulary.
    """

    nothing = NO_CLASS
    num_classes: int

    @abstractmethod
    def changes(self, previous: Tensor, targets: Tensor) -> Tensor:
        """Where something happens: a mask, shaped like both arguments."""

    @abstractmethod
    def class_name(self, index: int) -> str:
        """What a class means, for people: "hold", "C4"."""

    @abstractmethod
    def copied(self, frames: np.ndarray) -> np.ndarray:
        """The class that says "as before" after each frame, `NO_CLASS` where none does."""

    @abstractmethod
    def class_keys(self) -> np.ndarray:
        """The key (K,) that each class names, -1 where it names none."""

    @abstractmethod
    def class_states(self, sounding: np.ndarray) -> np.ndarray:
        """What each class would do to its key, after the keys (N,) that sound (-1: silence).

        Returns:
            (N, K, 2): a key, -1 for none, and its state; all other keys are off.
        """

    def next_states(self, states: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """See `Encoding`."""
        sounding = np.where(states.any(axis=1), states.argmax(axis=1), -1)
        chosen = self.class_states(sounding)[np.arange(len(frames)), np.maximum(frames, 0)]
        after = np.zeros_like(states)
        rows = np.flatnonzero((chosen[:, 0] >= 0) & (frames != NO_CLASS))
        after[rows, chosen[rows, 0]] = chosen[rows, 1]
        return after

    def class_weights(self, weights: np.ndarray, states: np.ndarray) -> np.ndarray:
        """Log-weights of the classes (N, K) from those of keys and their states.

        Args:
            weights: (N, P, 3), of each key to be off, held or struck.
            states: (N, P) of the step before.
        """
        sounding = np.where(states.any(axis=1), states.argmax(axis=1), -1)
        keys, after = self.class_states(sounding).transpose(2, 0, 1)  # (N, K) each
        songs, named = np.arange(len(states))[:, None], np.maximum(keys, 0)
        change = weights[songs, named, after] - weights[songs, named, OFF]
        return np.where(keys >= 0, change, 0.0)

    def transpose(self, frames: Tensor, semitones: Tensor) -> Tensor:
        """See `Encoding`; a class that names no key stays."""
        has_key = torch.from_numpy(np.append(self.class_keys() >= 0, False)).to(frames.device)
        shift = semitones.view(-1, *(1 for _ in frames.shape[1:])).to(frames.dtype)
        # NO_CLASS and IGNORED are negative: they look up the entry at the end, which has no key.
        classes = torch.where(frames >= 0, frames, self.num_classes).long()
        return torch.where(has_key[classes], frames + shift, frames)

    def key_range(self, frames: np.ndarray) -> tuple[int, int]:
        """See `Encoding`."""
        keys = np.append(self.class_keys(), -1)[np.where(frames >= 0, frames, -1)]
        keys = keys[keys >= 0]
        return (int(keys.min()), int(keys.max())) if len(keys) else (self.num_keys, -1)

    @property
    def features_a_frame(self) -> int:
        """K: a one-hot vector."""
        return self.num_classes

    def features(self, context: Tensor, positions: Tensor, matches: Tensor | None = None) -> Tensor:
        """See `Encoding`; one-hot vectors of frames and positions, written in one go."""
        first = self.num_classes * torch.arange(context.shape[-1], device=context.device)
        hot, value = context.clamp(min=0) + first, (context != NO_CLASS).float()  # int64 by `first`
        if self.beat:
            first = self.num_lags * self.num_classes
            bar = steps_in_bar(self.steps_per_quarter)
            beat = positions[..., [STEP_IN_BAR, STEP_IN_BEAT]] + hot.new_tensor(
                [first, first + bar]
            )
            hot = torch.cat([hot, beat], dim=-1)
            value = torch.cat([value, value.new_ones(beat.shape)], dim=-1)
        size = self.num_features - self.num_matches
        features = value.new_zeros(*context.shape[:-1], size).scatter_(-1, hot, value)
        return torch.cat([features, matches], dim=-1) if self.match else features

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
            bar = steps_in_bar(self.steps_per_quarter)
            hot += [first + where[:, STEP_IN_BAR], first + bar + where[:, STEP_IN_BEAT]]
        return np.stack(hot)


def held_or_struck(keys: np.ndarray, sounding: np.ndarray) -> np.ndarray:
    """For classes that sound a key without saying how: the sounding key is held, others begin.

    Args:
        keys: (K,) of the classes, -1 for none.
        sounding: (N,) keys of the step before, -1 for silence.

    Returns:
        (N, K) states.
    """
    same = (keys[None] == sounding[:, None]) & (keys >= 0)
    return np.where(same, HELD, STRUCK)
