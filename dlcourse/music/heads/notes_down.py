"""Frames told in words, and how they are drawn."""

from abc import abstractmethod

import numpy as np
import torch
from torch import Tensor

from dlcourse.music.heads.roll_head import RollDrawing, RollHead, key_weights
from dlcourse.music.roll_history import gone_on


class WordHead(RollHead):
    """A head whose decisions are words: V notes from the highest down, STOP, and that all goes on.

    Attributes:
        num_notes: V; note plane * P + key is that key in one of the states in which it sounds.
        stop: The word that ends a frame.
        goes_on: The word that is a frame by itself.
    """

    num_notes: int
    stop: int
    goes_on: int

    @abstractmethod
    def word_logits(
        self, inputs: Tensor, context: Tensor, frame: Tensor, *, chosen: Tensor, last: Tensor
    ) -> Tensor:
        """Logits (D, V + 2) of the notes, STOP and GOES ON, -inf for what cannot be.

        Args:
            inputs: (M, I).
            context: (M, C, P).
            frame: (D,) which of the M each decision is about.
            chosen: (D, P) the frame as far as it is decided.
            last: (D,) the last key chosen, P for none.
        """


class NotesDown(RollDrawing):
    """Notes chosen one after the other, each below the last, until STOP; or nothing happens."""

    def __init__(self, head: WordHead, inputs: Tensor, context: Tensor) -> None:
        super().__init__(head, len(inputs))
        self.inputs, self.context, self.stop = inputs, context, head.stop
        self.goes_on = gone_on(context[:, 0]).numpy().astype(np.uint8)
        self.last = np.full(len(inputs), head.num_keys)
        self.stopped = np.zeros(len(inputs), dtype=bool)

    @torch.inference_mode()
    def logits(self) -> np.ndarray:
        """(N, 1, V + 2); where all is said nothing but STOP can be."""
        frames = torch.from_numpy(self.frames())
        logits = self.head.word_logits(
            self.inputs,
            self.context,
            torch.arange(len(frames)),
            chosen=frames,
            last=torch.from_numpy(self.last),
        ).numpy()
        logits[self.stopped] = np.where(np.arange(logits.shape[1]) == self.head.stop, 0, -np.inf)
        return logits[:, None]

    def weigh(self, weights: np.ndarray, before: np.ndarray) -> np.ndarray:
        """See `Drawing`; STOP has no weight, and that of GOES ON is asked for by `whole`."""
        words = key_weights(weights, before, onsets=self.head.encoding.onsets)[..., 1:]
        words = words.transpose(0, 2, 1).reshape(len(words), -1)
        return np.pad(words, ((0, 0), (0, 2)))[:, None]

    def whole(self) -> tuple[int, np.ndarray] | None:
        """See `Drawing`: at the beginning, GOES ON."""
        if (self.last < self.head.num_keys).any() or self.stopped.any():
            return None
        return self.head.goes_on, self.goes_on

    def take(self, choices: np.ndarray) -> None:
        """See `Drawing`."""
        words = choices[:, 0]
        rows = np.flatnonzero(words < self.head.num_notes)
        plane, key = np.divmod(words[rows], self.head.num_keys)
        self.states[rows, key], self.last[rows] = plane + 1, key
        again = words == self.head.goes_on
        self.states[again] = self.goes_on[again]
        self.stopped |= again | (words == self.head.stop)
        self.finished = bool(self.stopped.all())

    def select(self, rows: np.ndarray) -> "NotesDown":
        """See `Drawing`."""
        other = NotesDown(self.head, self.inputs[rows], self.context[rows])
        other.states, other.last = self.states[rows], self.last[rows]
        other.stopped, other.finished = self.stopped[rows], self.finished
        return other
