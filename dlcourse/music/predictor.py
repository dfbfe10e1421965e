"""The Lightning module of lab 1: a distribution over the next note."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from dlcourse.data import Batch
from dlcourse.music.datamodule import LAST
from dlcourse.music.encoding import Encoding
from dlcourse.music.metrics import note_metrics
from dlcourse.task import Task


class NotePredictor(Task):
    """Predicts the next frame from all frames before it.

    Args:
        encoding: What a frame is; its vocabulary sizes the network.
        net: Makes the network from the number of input features and of classes.
        supervise: "every" step is a target, or only the "last", as in the lab.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        net: Callable[[int, int], nn.Module],
        supervise: str,
        **task: Any,
    ) -> None:
        super().__init__(
            net=net(encoding.num_features, encoding.num_classes),
            metrics=note_metrics(encoding.num_classes),
            **task,
        )
        self.encoding, self.supervise = encoding, supervise

    def forward(self, previous: Tensor, positions: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Logits (N, T, K) from frames (N, T) and positions (N, T, 2), and the state after them."""
        return self.net(self.encoding.features(previous, positions), state)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """See `Task`; M is the number of scored frames of the batch."""
        previous, targets = batch["previous"], batch["targets"]
        hidden, _ = self.net.forward_features(self.encoding.features(previous, batch["positions"]))
        if self.supervise == LAST:
            hidden, previous, targets = (x[:, -1:] for x in (hidden, previous, targets))
        scored = targets >= 0  # (N, T)
        return {
            "logits": self.net.forward_head(hidden[scored]),  # (M, K)
            "targets": targets[scored],
            "changes": self.encoding.changes(previous[scored], targets[scored]),
            "song": batch["song"][:, None].expand_as(targets)[scored],
        }
