"""The Lightning module of lab 1: a distribution over the next note."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import Metric

from dlcourse.data import Batch
from dlcourse.errors import InputError
from dlcourse.metrics import metric_collection
from dlcourse.music.augmentation.transposition import transposed
from dlcourse.music.datamodule import EVERY, LAST, SongData
from dlcourse.music.encoding import Encoding
from dlcourse.music.heads import Categorical, Head
from dlcourse.music.heads.head import CATEGORICAL
from dlcourse.music.own_net import made_net
from dlcourse.music.roll_metrics import FrameNLL
from dlcourse.splits import TRAIN
from dlcourse.task import Task


class NotePredictor(Task):
    """Predicts the next frame from all frames before it.

    Args:
        encoding: What a frame is; it sizes the network.
        net: Makes the network from the number of input features and of outputs; see `own_net`
            for what one's own has to be.
        head: Makes a frame's distribution of the network's outputs; one class a frame when None.
        metrics: By name; see `metric_collection`.
        supervise: "every" step is a target, or only the "last", as in the lab.

    Raises:
        InputError: Metrics or a loss that this head has no use for.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        net: Callable[[int, int], nn.Module],
        supervise: str,
        head: Callable[[Encoding], Head] | None = None,
        metrics: Mapping[str, Metric | Callable[[int], Metric]] | None = None,
        **task: Any,
    ) -> None:
        made = (head or Categorical)(encoding)
        _check(made, metrics or {}, task.get("loss"))
        super().__init__(
            net=made_net(net, encoding.num_features, made.num_inputs, supervise=supervise),
            metrics=metric_collection(metrics or {}, getattr(encoding, "num_classes", 0)),
            **task,
        )
        self.encoding, self.head, self.supervise = encoding, made, supervise

    def forward(
        self, frames: Tensor, positions: Tensor, *, first: int = 0, state: Any = None
    ) -> tuple[Tensor, Any]:
        """What the network says of the frames from `first` on, and the state after them.

        Args:
            frames: (N, T, ...); only those before a frame say anything of it.
            positions: (N, T', 3) up to the last frame to predict.
            state: What an earlier call left after frame `first` - 1.

        Returns:
            The head's inputs (N, T' - first, I), for one class a frame its logits; and the state
            to go on from.
        """
        context = self.encoding.context(frames, positions, first=first)
        matches = self.encoding.matches(frames, positions, first=first)
        features = self.encoding.features(context, positions[:, first:], matches)
        return self.net(features, state)

    @torch.inference_mode()
    def next_inputs(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, Any]:
        """The head's inputs (N, I) of the last frame; see `sampling.Predict`."""
        arrays = (torch.from_numpy(array).to(self.device) for array in (frames, positions))
        inputs, state = self(*arrays, first=first, state=state)
        return inputs[:, -1].cpu().numpy(), state

    def item_names(self, data: SongData, items: np.ndarray) -> list[str]:
        """See `Task`: windows, by the file of their song and their first step in it."""
        table, windows = data.tables[TRAIN], data.items[TRAIN][items].tolist()
        return [
            f"{table.entries[song].file} from step {start - table.offsets[song]}"
            for song, start, _ in windows
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As every task's, on windows in keys drawn for them where the batch says how far."""
        return super().training_step(transposed(batch, self.encoding), batch_idx)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """See `Task`; M is the number of decisions in the scored frames of the batch."""
        context, targets = batch["context"], batch["targets"]
        features = self.encoding.features(context, batch["positions"], batch.get("matches"))
        hidden, _ = self.net.forward_features(features)
        if self.supervise == LAST:
            hidden, context, targets = (x[:, -1:] for x in (hidden, context, targets))
        scored = self.encoding.is_scored(targets)  # (N, T)
        inputs = self.net.forward_head(hidden[scored])  # (frames, I)
        frames, context = targets[scored], context[scored]
        logits, decided, frame = self.head.decisions(inputs, frames, context)
        song = batch["song"][:, None].expand_as(scored)[scored]
        common = {"logits": logits, "targets": decided, "song": song}
        if self.head.kind == CATEGORICAL:
            return common | {"changes": self.encoding.changes(context[..., 0], decided)}
        first = torch.arange(targets.shape[1], device=targets.device) == 0
        return common | {
            "frame": frame,
            "frames": frames,
            "previous": context[:, 0],
            "first": (first & (self.supervise == EVERY)).expand_as(scored)[scored],
            "head_inputs": inputs,
            "context": context,
        }

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As every task's; for many keys also what each frame cost, and the likeliest one."""
        scored = super().test_step(batch, batch_idx)
        if self.head.kind != CATEGORICAL:
            frames, nats = len(scored["frames"]), scored["nats"]
            scored["nll"] = nats.new_zeros(frames).index_add_(0, scored["frame"], nats)  # (M,)
            likeliest = self.head.likeliest(scored["head_inputs"], scored["context"])
            scored["predicted"] = likeliest  # (M, P)
        return scored


def _check(head: Head, metrics: Mapping[str, Any], loss: nn.Module | None) -> None:
    """Frames are scored by the metrics of their kind, and nothing is learnt that cannot be."""
    by_keys = isinstance(metrics.get("nll"), FrameNLL)
    if metrics and by_keys != (head.kind != CATEGORICAL):
        fitting = "notes" if by_keys else "polyphony"
        raise InputError(f"head={type(head).__name__}: its frames are scored by metrics={fitting}")
    if head.excludes and getattr(loss, "label_smoothing", 0) > 0:
        raise InputError(
            f"loss.label_smoothing={loss.label_smoothing}: it wants some probability for every "
            f"option, and head={type(head).__name__} has impossible ones; choose another loss"
        )
