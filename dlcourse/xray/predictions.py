"""What a trained network says of images: probabilities, and maps that add up to them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from dlcourse.xray.cam import class_activation_maps
from dlcourse.xray.detector import log_odds
from dlcourse.xray.gap_cnn import GapCNN

BATCH = 64


@dataclass(frozen=True, eq=False)
class Predictions:
    """For N images, F findings and C outputs of the network (2 for one finding, else F).

    Attributes:
        probabilities: (N, F) of the findings.
        cams: (N, C, h, w) float32, what each cell adds to each logit; the mean plus bias is it.
        bias: (C,) float32.
    """

    probabilities: np.ndarray
    cams: np.ndarray
    bias: np.ndarray

    def evidence(self, finding: int) -> np.ndarray:
        """Maps (N, h, w) of what each cell adds to the log-odds of a finding."""
        two_logits = self.probabilities.shape[1] == 1
        return self.cams[:, 1] - self.cams[:, 0] if two_logits else self.cams[:, finding]


def predict(
    net: GapCNN,
    images: np.ndarray,
    *,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda starts: starts,
) -> Predictions:
    """Run images (N, H, W) uint8 through the network, on the device where it is."""
    device = net.head.weight.device
    probabilities, cams = [], []
    for start in progress(range(0, len(images), BATCH)):
        batch = torch.from_numpy(np.asarray(images[start : start + BATCH]))[:, None].to(device)
        logits, maps = class_activation_maps(net, batch)
        probabilities.append(log_odds(logits.double()).sigmoid().cpu().numpy())
        cams.append(maps.float().cpu().numpy())
    bias = net.head.bias.detach().float().cpu().numpy()
    return Predictions(np.concatenate(probabilities), np.concatenate(cams), bias)
