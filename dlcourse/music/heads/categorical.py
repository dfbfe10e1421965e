"""One class of a vocabulary: the lab's softmax."""

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.encoding import Encoding
from dlcourse.music.heads.head import CATEGORICAL, Decisions, Drawing, Head


class Categorical(Head):
    """One decision a frame. The network's numbers are its logits; there is nothing to learn here.

    Raises:
        InputError: The encoding's frames are not classes.
    """

    kind = CATEGORICAL
    max_decisions = 1

    def __init__(self, encoding: Encoding) -> None:
        super().__init__(encoding)
        if not isinstance(encoding, ClassEncoding):
            raise InputError(
                "head=categorical draws one class a frame, a piano roll has many keys: choose "
                "head=set_softmax, bernoulli or nade, and metrics=polyphony"
            )
        self.num_inputs = encoding.num_classes

    def decisions(self, inputs: Tensor, frames: Tensor, context: Tensor) -> Decisions:
        """See `Head`."""
        return Decisions(inputs, frames.long(), torch.arange(len(frames), device=frames.device))

    def begin(
        self, inputs: np.ndarray, context: np.ndarray, *, one_by_one: bool = False
    ) -> Drawing:
        """See `Head`."""
        return _ClassDrawing(inputs, self.encoding)


class _ClassDrawing(Drawing):
    def __init__(self, inputs: np.ndarray, encoding: ClassEncoding) -> None:
        self.inputs, self.encoding = inputs, encoding

    def logits(self) -> np.ndarray:
        return self.inputs[:, None]

    def weigh(self, weights: np.ndarray, before: np.ndarray) -> np.ndarray:
        return self.encoding.class_weights(weights, before)[:, None]

    def take(self, choices: np.ndarray) -> None:
        self.classes, self.finished = choices[:, 0], True

    def frames(self) -> np.ndarray:
        return self.classes

    def select(self, rows: np.ndarray) -> Drawing:
        other = _ClassDrawing(self.inputs[rows], self.encoding)
        if self.finished:
            other.take(self.classes[rows, None])
        return other
