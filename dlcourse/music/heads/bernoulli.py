"""Every key by itself: what binary cross-entropy over a piano roll means."""

import numpy as np
import torch
from torch import Tensor

from dlcourse.music.encoding import Encoding
from dlcourse.music.heads.head import FACTORISED, Drawing
from dlcourse.music.heads.per_key import InTurn, PerKey
from dlcourse.music.heads.roll_head import RARE, RollDrawing, key_weights


class Bernoulli(PerKey):
    """p(frame) = product over keys; the network's numbers are the logits of the keys.

    Where onsets are told from held notes a key has three states, of which holding is impossible
    for a key that did not sound. Chords are drawn key by key and know nothing of each other.

    Source: Bai, Kolter and Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent
    Networks, 2018, section 4.3 (the polyphonic benchmarks).

    Args:
        encoding: A piano roll.
        copy: See `RollHead`.
        reach: See `RollHead`.
    """

    kind = FACTORISED

    def __init__(self, encoding: Encoding, *, copy: bool = True, reach: int = 0) -> None:
        super().__init__(encoding, copy=copy, reach=reach)
        self.num_own = self.planes * self.num_keys
        self.num_inputs = self.num_own + self.num_copy

    def key_logits(self, inputs: Tensor, planes: Tensor, context: Tensor) -> Tensor:
        """See `PerKey`; no key looks at another."""
        own = inputs[:, : self.num_own].reshape(len(inputs), self.planes, self.num_keys) + RARE
        return own + self.copied(inputs[:, self.num_own :], context) if self.copy else own

    @torch.inference_mode()
    def begin(
        self, inputs: np.ndarray, context: np.ndarray, *, one_by_one: bool = False
    ) -> Drawing:
        """See `Head`."""
        tensors = torch.from_numpy(inputs), torch.from_numpy(context)
        return InTurn(self, *tensors) if one_by_one else AtOnce(self, *tensors)


class AtOnce(RollDrawing):
    """All keys in one go."""

    def __init__(self, head: Bernoulli, inputs: Tensor, context: Tensor) -> None:
        super().__init__(head, len(inputs))
        self.all = head.all_logits(inputs, context.new_zeros(0), context).numpy()

    def logits(self) -> np.ndarray:
        """(N, P, S)."""
        return self.all

    def weigh(self, weights: np.ndarray, before: np.ndarray) -> np.ndarray:
        """See `Drawing`."""
        return key_weights(weights, before, onsets=self.head.encoding.onsets)

    def take(self, choices: np.ndarray) -> None:
        """See `Drawing`."""
        self.states, self.finished = choices.astype(np.uint8), True

    def select(self, rows: np.ndarray) -> "AtOnce":
        """See `Drawing`."""
        other = object.__new__(type(self))
        other.head, other.states, other.all = self.head, self.states[rows], self.all[rows]
        other.finished = self.finished
        return other
