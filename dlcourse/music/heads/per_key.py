"""One decision a key: off, or one of the states in which it sounds."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from dlcourse.music.heads.head import Decisions
from dlcourse.music.heads.roll_head import RollDrawing, RollHead, key_weights


class PerKey(RollHead):
    """A head that asks every key in turn, from the highest down."""

    @abstractmethod
    def key_logits(self, inputs: Tensor, planes: Tensor, context: Tensor) -> Tensor:
        """Logits (X, S - 1, P) of the states in which a key sounds, against its being off.

        Args:
            inputs: (X, I).
            planes: (X, S - 1, P) what the frame is; a key may look at those above it.
            context: (X, C, P).
        """

    @property
    def excludes(self) -> bool:
        """Holding a key that was off is impossible, where it is told from striking it."""
        return self.encoding.onsets

    @property
    def max_decisions(self) -> int:
        """P."""
        return self.num_keys

    def all_logits(self, inputs: Tensor, planes: Tensor, context: Tensor) -> Tensor:
        """Logits (X, P, S), -inf for what cannot be."""
        logits = self.key_logits(inputs, planes, context)
        logits = logits.masked_fill(self.cannot_hold(context), -torch.inf)
        return torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1).transpose(1, 2)

    def decisions(self, inputs: Tensor, frames: Tensor, context: Tensor) -> Decisions:
        """See `Head`."""
        logits = self.all_logits(inputs, self.encoding.planes(frames), context)
        number = torch.arange(len(frames), device=frames.device)
        frame = number.repeat_interleave(self.num_keys)
        return Decisions(logits.flip(1).flatten(0, 1), frames.flip(1).flatten().long(), frame)


class InTurn(RollDrawing):
    """Keys decided one after the other, from the highest down, by all logits anew at each."""

    def __init__(self, head: PerKey, inputs: Tensor, context: Tensor) -> None:
        super().__init__(head, len(inputs))
        self.inputs, self.context = inputs, context
        self.key = head.num_keys - 1

    @torch.inference_mode()
    def logits(self) -> np.ndarray:
        """(N, 1, S) of the next key."""
        planes = self.head.encoding.planes(torch.from_numpy(self.frames()))
        logits = self.head.all_logits(self.inputs, planes, self.context)
        return logits[:, self.key, None].numpy()

    def weigh(self, weights: np.ndarray, before: np.ndarray) -> np.ndarray:
        """See `Drawing`."""
        onsets = self.head.encoding.onsets
        return key_weights(weights, before, onsets=onsets)[:, self.key, None]

    def take(self, choices: np.ndarray) -> None:
        """See `Drawing`."""
        self.states[:, self.key] = choices[:, 0]
        self.key -= 1
        self.finished = self.key < 0

    def select(self, rows: np.ndarray) -> "InTurn":
        """See `Drawing`."""
        other = type(self)(self.head, self.inputs[rows], self.context[rows])
        other.states, other.key = self.states[rows], self.key
        other.finished = self.finished
        return other
