"""What every head is: decisions to be scored all at once, and the same ones to be drawn in turn.

Shape legend: M scored frames, N songs drawn together, I numbers from the network, C earlier frames,
P keys, S states a key, D decisions, B decisions taken together, K options of a decision. `...` is
nothing where a frame is a class, and P where it is the states of keys.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dlcourse.music.encoding import Encoding

CATEGORICAL, FACTORISED, JOINT = "categorical", "factorised", "joint"


class Decisions(NamedTuple):
    """What was decided in M frames.

    Attributes:
        logits: (D, K), -inf for what cannot be.
        targets: (D,) int64: what was chosen.
        frame: (D,) int64: the frame that each decision belongs to, in order, every frame in it.
    """

    logits: Tensor
    targets: Tensor
    frame: Tensor

    def nats(self) -> Tensor:
        """-log p of each frame (M,), float64."""
        each = self.logits.double().log_softmax(-1).gather(-1, self.targets[:, None])[:, 0]
        return each.new_zeros(int(self.frame[-1]) + 1).index_add_(0, self.frame, -each)


class Drawing(ABC):
    """N frames while they are being decided.

    Attributes:
        finished: Whether nothing is left to decide.
        stop: The option that leaves all other keys off. It is the way out where the head has given
            this frame to another option, and priors forbid all others; None if there is none.
    """

    finished: bool = False
    stop: int | None = None

    @abstractmethod
    def logits(self) -> np.ndarray:
        """(N, B, K) of the next decisions; B do not depend on each other."""

    @abstractmethod
    def weigh(self, weights: np.ndarray, before: np.ndarray) -> np.ndarray:
        """What log-weights of the keys' states add to `logits`.

        Args:
            weights: (N, P, 3) of each key to be off, held or struck.
            before: (N, P) states of the frame before.
        """

    def whole(self) -> tuple[int, np.ndarray] | None:
        """An option that decides all keys at once, and their states (N, P); None if there is none.

        `weigh` leaves it alone: its weight is that of all its keys, one after the other.
        """
        return None

    @abstractmethod
    def take(self, choices: np.ndarray) -> None:
        """Go on with these options (N, B)."""

    @abstractmethod
    def frames(self) -> np.ndarray:
        """(N, ...) as far as they are decided; keys that are not are off."""

    @abstractmethod
    def select(self, rows: np.ndarray) -> "Drawing":
        """Another one, with these of the N, in this order."""


class Head(nn.Module, ABC):
    """A distribution over frames.

    Attributes:
        kind: "categorical" (over classes), "factorised" (every key by itself) or "joint". Values
            of the likelihood are comparable within a kind and an encoding.
        num_inputs: I, how many numbers a frame's distribution takes from the network.
        max_decisions: The most decisions that a frame can take.
        excludes: Whether some options of a decision can be impossible.
    """

    kind: str
    num_inputs: int
    max_decisions: int
    excludes: bool = False

    def __init__(self, encoding: Encoding) -> None:
        super().__init__()
        self.encoding = encoding

    @abstractmethod
    def decisions(self, inputs: Tensor, frames: Tensor, context: Tensor) -> Decisions:
        """What had to be decided for frames to come out as they did.

        Args:
            inputs: (M, I) from the network.
            frames: (M, ...) that came.
            context: (M, C, ...) earlier frames, the one before first.
        """

    @abstractmethod
    def begin(
        self, inputs: np.ndarray, context: np.ndarray, *, one_by_one: bool = False
    ) -> Drawing:
        """Begin to draw frames.

        Args:
            inputs: (N, I) from the network.
            context: (N, C, ...) earlier frames.
            one_by_one: Take decisions in turn even where they do not depend on each other, for
                priors that look at what is decided.
        """

    @torch.inference_mode()
    def likeliest(self, inputs: Tensor, context: Tensor) -> Tensor:
        """The frames (M, ...) that come of taking the likeliest option of every decision."""
        drawing = self.begin(inputs.cpu().numpy(), context.cpu().numpy())
        while not drawing.finished:
            drawing.take(drawing.logits().argmax(-1))
        return torch.from_numpy(drawing.frames()).to(inputs.device)
