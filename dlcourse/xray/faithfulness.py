"""Whether the network looks where a map says: pixels go in its order, and the probability follows.

For any network that `cam` takes, and evidence maps of any origin.

Shape legend: N images, H W image pixels, h w feature-map cells, S steps.

Source: Petsiuk et al., RISE, BMVC 2018, section 4 (deletion and insertion).
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from dlcourse.progress import progress_bar
from dlcourse.xray.cam import evaluating, evidence, upsample

BLUR = 0.05  # standard deviation, as a share of the image's height
REPLACEMENTS = ("blur", "mean")


@dataclass(frozen=True, eq=False)
class PixelOrder:
    """Areas (N,) under the probability against the share of pixels gone or come, 0 to 1.

    Attributes:
        deletion: From the image to its replacement, highest values of the map first. Low is good.
        insertion: From the replacement to the image in the same order. High is good.
        random_deletion: The same for a map of random values on the same grid.
        random_insertion: Likewise.
    """

    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray


def pixel_order_areas(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    *,
    generator: torch.Generator,
    finding: int = 0,
    steps: int = 32,
    replacement: str = "blur",
) -> PixelOrder:
    """Delete and insert pixels in the order of evidence maps, and in a random order.

    The random order has the grid and the smoothness of the maps: pixels strewn singly would harm
    a network more than any patch.

    Args:
        images: (N, 1, H, W) grey values 0..255.
        maps: (N, h, w) evidence; see `cam.evidence`.
        generator: Of the random maps, on the CPU.
        finding: See `cam.evidence`.
        steps: S, in each of which the same number of pixels goes.
        replacement: "blur" (Gaussian, a twentieth of the height wide) or "mean" (of the image).
    """
    if replacement not in REPLACEMENTS:
        raise ValueError(f"replacement={replacement!r}: one of {REPLACEMENTS}")
    noise = torch.rand(maps.shape, generator=generator).to(images.device)
    triples = zip(images, maps.to(images.device), noise, strict=True)
    areas = []
    for image, *orders in progress_bar(triples, "deleting pixels", total=len(images)):
        image = image[None].float()
        other = _replaced(image, replacement)
        for values in orders:
            gone = _gone(values, image.shape[-2:], steps=steps)  # (S + 1, 1, H, W)
            deleted = torch.where(gone, other, image)
            inserted = torch.where(gone, image, other)
            areas.append([_area(model, frames, finding) for frames in (deleted, inserted)])
    by_image = np.array(areas).reshape(-1, 4)
    return PixelOrder(*by_image.T)


def _replaced(image: Tensor, replacement: str) -> Tensor:
    if replacement == "mean":
        return image.mean().expand_as(image)
    sigma = BLUR * image.shape[-2]
    # Mirrored borders cannot be wider than the image.
    kernel = min(2 * math.ceil(3 * sigma) + 1, 2 * min(image.shape[-2:]) - 1)
    return gaussian_blur(image, [kernel, kernel], [sigma, sigma])


def _gone(values: Tensor, size: tuple[int, int], *, steps: int) -> Tensor:
    large = upsample(values[None, None].float(), size)[0, 0]
    rank = large.flatten().argsort(descending=True, stable=True).argsort().view(1, 1, *size)
    counts = torch.linspace(0, rank.numel(), steps + 1, device=rank.device).round()
    return rank < counts.view(-1, 1, 1, 1)


def _area(model: nn.Module, frames: Tensor, finding: int) -> float:
    with evaluating(model):
        probabilities = evidence(model(frames).double(), finding=finding).sigmoid()
    return float(torch.trapezoid(probabilities) / (len(frames) - 1))
