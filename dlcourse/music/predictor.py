"""The Lightning module of lab 1: a distribution over the next note."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from dlcourse.data import Batch
from dlcourse.metrics import metric_collection
from dlcourse.music.datamodule import LAST
from dlcourse.music.encoding import Encoding
from dlcourse.task import Task


class NotePredictor(Task):
    """Predicts the next frame from all frames before it.

    Args:
        encoding: What a frame is; its vocabulary sizes the network.
        net: Makes the network from the number of input features and of classes.
        metrics: By name; see `metric_collection`.
        supervise: "every" step is a target, or only the "last", as in the lab.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        net: Callable[[int, int], nn.Module],
        supervise: str,
        metrics: Mapping[str, Metric | Callable[[int], Metric]] | None = None,
        **task: Any,
    ) -> None:
        super().__init__(
            net=net(encoding.num_features, encoding.num_classes),
            metrics=metric_collection(metrics or {}, encoding.num_classes),
            **task,
        )
        self.encoding, self.supervise = encoding, supervise

    def forward(
        self, frames: Tensor, positions: Tensor, *, first: int = 0, state: Any = None
    ) -> tuple[Tensor, Any]:
        """Logits of the frames from `first` on, and the state after them.

        Args:
            frames: (N, T) classes; only those before a frame say anything of it.
            positions: (N, T', 3) up to the last frame to predict.
            state: What an earlier call left after frame `first` - 1.

        Returns:
            (N, T' - first, K) logits, and the state to go on from.
        """
        context = self.encoding.context(frames, positions, first=first)
        return self.net(self.encoding.features(context, positions[:, first:]), state)

    @torch.inference_mode()
    def next_logits(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, Any]:
        """Logits (N, K) of the last frame; see `sampling.Predict`."""
        arrays = (torch.from_numpy(array).to(self.device) for array in (frames, positions))
        logits, state = self(*arrays, first=first, state=state)
        return logits[:, -1].cpu().numpy(), state

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """See `Task`; M is the number of scored frames of the batch."""
        context, targets = batch["context"], batch["targets"]
        hidden, _ = self.net.forward_features(self.encoding.features(context, batch["positions"]))
        if self.supervise == LAST:
            hidden, context, targets = (x[:, -1:] for x in (hidden, context, targets))
        scored = targets >= 0  # (N, T)
        came = targets[scored].long()  # (M,)
        return {
            "logits": self.net.forward_head(hidden[scored]),  # (M, K)
            "targets": came,
            "changes": self.encoding.changes(context[..., 0][scored], came),
            "song": batch["song"][:, None].expand_as(targets)[scored],
        }
