"""What a trained network says of images: probabilities, and maps that add up to them.

Shape legend: N images, F findings, C outputs of the network (2 for one finding, else F), H W
pixels, h w feature-map cells.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from dlcourse.errors import InputError
from dlcourse.xray.cam import Cam, class_activation_maps, evidence
from dlcourse.xray.detector import log_odds
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.numbers import check_numbers
from dlcourse.xray.studies import PNEUMOTHORAX, Study

BATCH = 64


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of N images.

    Attributes:
        studies: N.
        images: Makes (n, H, W) uint8 of a slice of them: all at once may be more than fits.
        truths: (N, F) labels; None where nobody knows.
        probabilities: (N, F) of the findings.
        cams: (N, C, h, w) float32, what each cell adds to each logit; the mean plus bias is it.
        bias: (C,) float32.
        findings: F names.
    """

    studies: list[Study]
    images: Callable[[slice], np.ndarray]
    truths: np.ndarray | None
    probabilities: np.ndarray
    cams: np.ndarray
    bias: np.ndarray
    findings: tuple[str, ...]

    def evidence(self, finding: str) -> np.ndarray:
        """Maps (N, h, w) of what each cell adds to the log-odds of a finding."""
        place = self.findings.index(finding)
        return evidence(torch.from_numpy(self.cams), finding=place).numpy()

    def image(self, item: int) -> np.ndarray:
        """One image (H, W)."""
        return self.images(slice(item, item + 1))[0]


def predict(
    net: GapCNN,
    studies: list[Study],
    images: Callable[[slice], np.ndarray],
    *,
    findings: tuple[str, ...],
    truths: np.ndarray | None = None,
    cam: Cam | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda starts: starts,
) -> Predictions:
    """Run images through the network, on the device where it is; maps are `cam`'s, if given.

    Raises:
        InputError: A probability or a map is no number.
    """
    device = net.head.weight.device
    probabilities, cams = [], []
    for start in progress(range(0, len(studies), BATCH)):
        batch = torch.from_numpy(images(slice(start, start + BATCH)))[:, None].to(device)
        logits, maps = class_activation_maps(net, batch, cam=cam)
        probabilities.append(log_odds(logits.double()).sigmoid().cpu().numpy())
        cams.append(maps.float().cpu().numpy())
    bias = net.head.bias.detach().float().cpu().numpy()
    p, maps = np.concatenate(probabilities), np.concatenate(cams)
    check_numbers("the probability", p, studies)
    check_numbers("the map", maps, studies)
    return Predictions(studies, images, truths, p, maps, bias, findings)


def shown_finding(findings: tuple[str, ...], wanted: str | None = None) -> str:
    """Of which finding maps and curves are drawn: pneumothorax, where no other is wanted.

    Raises:
        InputError: The network does not know it.
    """
    if wanted is None:
        return PNEUMOTHORAX if PNEUMOTHORAX in findings else findings[0]
    if wanted not in findings:
        raise InputError(f"finding={wanted}: this network knows {', '.join(findings)}")
    return wanted
