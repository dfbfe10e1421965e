"""The Lightning module of lab 2: the probability of pneumothorax, or of every finding.

Shape legend: N batch, F findings, C outputs of the network (2 for one finding, else F), H W pixels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from dlcourse.data import Batch
from dlcourse.errors import InputError
from dlcourse.metrics import metric_collection
from dlcourse.splits import TRAIN
from dlcourse.task import Task
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.own_maps import made_net, own_cam
from dlcourse.xray.studies import FINDINGS

PRESETS = ("flip", "light", "none", "strong")  # of conf/augment


class PneumothoraxDetector(Task):
    """A GAP-headed CNN, trained to tell findings from radiographs.

    One finding has two logits, "not so" and "so", under a softmax, as in the lab. Several findings
    have one logit each: the log-odds of a question that the others do not answer.

    Args:
        net: Makes the network from the number of its outputs.
        findings: Names of `FINDINGS`.
        cam: The dotted name of a function that makes the maps in place of `cam.compute_cam`; see
            `own_maps`.
        augment: Applied to every training image (1, H, W) uint8 by itself; none when None.
        metrics: By name; a partial gets the number of findings.
    """

    net: GapCNN

    def __init__(
        self,
        *,
        net: Callable[[int], GapCNN],
        findings: Sequence[str],
        cam: str | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
        metrics: Mapping[str, Metric | Callable[[int], Metric]] | None = None,
        **task: Any,
    ) -> None:
        findings = check_findings(findings)
        if augment is not None and not callable(augment):
            raise InputError(
                f"augment: {type(augment).__name__} varies songs, and these data are radiographs: "
                f"choose augment={', '.join(PRESETS[:-1])} or {PRESETS[-1]}"
            )
        super().__init__(
            net=made_net(net, 2 if len(findings) == 1 else len(findings)),
            metrics=metric_collection(metrics or {}, len(findings)),
            **task,
        )
        self.findings, self.augment = findings, augment
        self.cam = None if cam is None else own_cam(cam)

    def forward(self, images: Tensor) -> Tensor:
        """Log-odds (N, F) of the findings in images (N, 1, H, W), 0..255."""
        return log_odds(self.net(images))

    def item_names(self, data: RadiographData, items: np.ndarray) -> list[str]:
        """See `Task`: the images' files."""
        studies = data.studies(TRAIN)
        return [studies[item].file for item in items]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """As every task's, on images that are augmented one by one."""
        if self.augment is not None:
            images = torch.stack([self.augment(image) for image in batch["images"]])
            batch = batch | {"images": images}
        return super().training_step(batch, batch_idx)

    def score(self, batch: Batch) -> dict[str, Tensor]:
        """See `Task`; M is N times F: every finding of every image is one question."""
        return {
            "logits": questions(self.net(batch["images"])),  # (M, 2)
            "targets": batch["targets"].flatten().long(),  # (M,)
            "item": batch["item"],
        }


def log_odds(logits: Tensor) -> Tensor:
    """Log-odds (N, F) from what the network gives: (N, 2) for one finding, (N, F) for several."""
    return logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits


def questions(logits: Tensor) -> Tensor:
    """The same as pairs (N * F, 2) of "not so" and "so", which every loss and metric takes."""
    if logits.shape[1] == 2:
        return logits
    return torch.stack([torch.zeros_like(logits), logits], dim=-1).flatten(0, 1)


def check_findings(findings: Sequence[str]) -> tuple[str, ...]:
    """The same findings, if there are such.

    Raises:
        InputError: None, one that does not exist, or two: their network would be taken for that of
            one finding.
    """
    unknown = [name for name in findings if name not in FINDINGS]
    if unknown or len(set(findings)) != len(findings) or len(findings) in (0, 2):
        raise InputError(
            f"task.findings={list(findings)}: choose one, or three or more, of "
            f"{', '.join(FINDINGS)}"
        )
    return tuple(findings)
