"""What the heads over keys share: which keys can be held, and the path that copies.

Shape legend: see `head`; W weights of the copy path.
"""

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.music.encoding import Encoding
from dlcourse.music.heads.head import Drawing, Head
from dlcourse.music.notes import HELD, OFF, STRUCK
from dlcourse.music.pianoroll import PianoRoll

RARE = -3.0  # added to the logits of all keys: untrained networks begin with few notes


class RollHead(Head):
    """A distribution over the states of keys.

    The copy path adds to the logits of every key what earlier frames have there, and the frame
    before also around it: sum over lags c of g[c] * x_{t - c}[key] + sum over intervals d of
    a[d] * x_{t - 1}[key + d]. The weights come from the network, anew for every frame: it says when
    to copy from where, and how voices move, and the keys follow. Transposed music is copied with
    the same weights.

    Args:
        encoding: A piano roll.
        copy: Have the copy path.
        reach: How many semitones of the frame before it looks to either side.

    Raises:
        InputError: The encoding's frames are not states of keys.
    """

    encoding: PianoRoll

    def __init__(self, encoding: Encoding, *, copy: bool, reach: int) -> None:
        super().__init__(encoding)
        if not isinstance(encoding, PianoRoll):
            raise InputError(
                f"head={type(self).__name__.lower()} is for the states of many keys: choose "
                f"encoding=pianoroll, or head=categorical for one class a frame"
            )
        if reach < 0:
            raise InputError(f"head.reach={reach}: semitones, at least 0")
        self.num_keys, self.planes = encoding.num_keys, encoding.num_states - 1
        self.copy, self.reach = copy, reach
        self.num_around = self.planes * self.planes * (2 * reach + 1)  # of the frame before
        self.num_recalled = self.planes * self.planes * len(encoding.lookback)
        self.num_copy = self.num_around + self.num_recalled if copy else 0  # W

    def copied(self, weights: Tensor, context: Tensor) -> Tensor:
        """What the copy path adds (X, S - 1, P) to logits.

        Args:
            weights: (X, W).
            context: (X, C, P).
        """
        around, recalled = weights.split([self.num_around, self.num_recalled], dim=1)
        planes = self.encoding.planes(context)  # (X, C, S - 1, P)
        recalled = recalled.reshape(len(weights), self.planes, -1)
        total = recalled @ planes[:, 1:].flatten(1, 2)
        return total + self._around(around, planes[:, 0])

    def _around(self, weights: Tensor, planes: Tensor) -> Tensor:
        """From the frame before (X, S - 1, P), with its neighbouring keys."""
        # Few keys sound: adding up what each of them gives is far less than a dense product.
        row, plane, key = planes.nonzero(as_tuple=True)  # (E,)
        gives = weights.view(len(weights), self.planes, self.planes, -1)[row, :, plane]
        width = self.num_keys + 2 * self.reach
        offset = torch.arange(2 * self.reach, -1, -1, device=row.device)
        line = row[:, None] * self.planes + torch.arange(self.planes, device=row.device)
        place = (line * width + key[:, None])[..., None] + offset  # (E, S - 1, 2 reach + 1)
        total = weights.new_zeros(len(weights) * self.planes * width)
        total = total.index_add(0, place.flatten(), gives.flatten())
        total = total.view(len(weights), self.planes, width)
        return total[..., self.reach : self.reach + self.num_keys]

    def cannot_hold(self, context: Tensor) -> Tensor:
        """Which states (X, S - 1, P) cannot be: a key that was off cannot be held."""
        off = torch.zeros(len(context), self.planes, self.num_keys, dtype=torch.bool)
        off = off.to(context.device)
        if self.encoding.onsets:
            off[:, HELD - 1] = context[:, 0] == OFF
        return off


class RollDrawing(Drawing):
    """The states of keys so far.

    Args:
        head: The head.
        songs: N.
    """

    def __init__(self, head: RollHead, songs: int) -> None:
        self.head = head
        self.states = np.zeros((songs, head.num_keys), dtype=np.uint8)

    def frames(self) -> np.ndarray:
        """See `Drawing`."""
        return self.head.encoding.from_states(self.states)

    def put(self, rows: np.ndarray, keys: np.ndarray, states: np.ndarray) -> None:
        """Decide the keys (X,) of some rows (X,)."""
        self.states[rows, keys] = states


def key_weights(weights: np.ndarray, before: np.ndarray, *, onsets: bool) -> np.ndarray:
    """Log-weights (N, P, S) of the encoding's states, that of `OFF` 0.

    Where it does not say whether a key is struck, it is held when it sounded before.

    Args:
        weights: (N, P, 3) of off, held and struck keys.
        before: (N, P) states of the frame before.
    """
    change = weights - weights[..., :1]
    if onsets:
        return change
    sounds = np.where(before > OFF, change[..., HELD], change[..., STRUCK])
    return np.stack([np.zeros_like(sounds), sounds], axis=-1)
