"""Whether a map shows what was learnt: layers forget it, and the map has to change with them.

For any network that `cam` takes.

Shape legend: N images, H W image pixels, h w feature-map cells.

Source: Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018, section 3.1 (cascading
randomisation).
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from dlcourse.progress import progress_bar
from dlcourse.xray.cam import class_activation_maps, evidence


@dataclass(frozen=True)
class Randomised:
    """How much of the maps is left when the last layers are random.

    Attributes:
        layers: How many, from the head down.
        down_to: The name of the lowest of them.
        correlation: Spearman's, between the map and the map of the trained network, averaged over
            the images and the repetitions in which neither map is flat; None where there is none.
        spread: Standard deviation of that mean over images from repetition to repetition.
    """

    layers: int
    down_to: str
    correlation: float | None
    spread: float | None


def randomisation_check(
    model: nn.Module,
    images: Tensor,
    *,
    seed: int,
    finding: int = 0,
    stages: int = 6,
    repeats: int = 4,
) -> list[Randomised]:
    """Make the layers of copies random from the head down, and compare the maps with the model's.

    A map that hardly changes shows the image and not what was learnt. With every layer random the
    correlation should be near 0; the sign of a single repetition means little.

    Args:
        images: (N, 1, H, W), as the model takes them.
        seed: Repetition r draws from seed + r.
        finding: See `cam.evidence`.
        stages: How often to look on the way: at the head first, then evenly to the lowest layer.
        repeats: Copies that are made random.
    """
    trained = _evidence_maps(model, images, finding)
    names = layers_from_head(model)
    counts = np.unique(np.linspace(1, len(names), stages).round().astype(int)).tolist()
    found = np.array(
        [
            [
                _defined_mean([*map(spearman, trained, _evidence_maps(random, images, finding))])
                for random in cascade(model, counts, seed=seed + repeat)
            ]
            for repeat in progress_bar(range(repeats), "randomising layers")
        ]
    )  # (repeats, stages)
    return [
        Randomised(count, names[count - 1], *_mean_and_spread(column[~np.isnan(column)]))
        for count, column in zip(counts, found.T, strict=True)
    ]


def _defined_mean(values: list[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan


def _mean_and_spread(values: np.ndarray) -> tuple[float, float] | tuple[None, None]:
    return (float(values.mean()), float(values.std())) if len(values) else (None, None)


def layers_from_head(model: nn.Module) -> list[str]:
    """Names of the layers that learn: the head, then the others, the last one first."""
    own = [name for name, layer in model.named_modules() if _learns(layer)]
    return ["head", *(name for name in reversed(own) if name != "head")]


def _learns(layer: nn.Module) -> bool:
    own = next(layer.parameters(recurse=False), None)
    return own is not None or hasattr(layer, "reset_parameters")


def cascade(model: nn.Module, counts: Sequence[int], *, seed: int) -> Iterator[nn.Module]:
    """One copy of a model, its first so many `layers_from_head` random; it changes as one goes on.

    Layers are drawn as when they were made (`reset_parameters`); parameters that stand outside
    such layers are shuffled. The global random state is left as it was.
    """
    copied = copy.deepcopy(model)
    names, done = layers_from_head(model), 0
    for count in counts:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed * 1_000_003 + done)
            for name in names[done:count]:
                _forget(copied.get_submodule(name))
        done = count
        yield copied


def _forget(layer: nn.Module) -> None:
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()
        return
    for parameter in layer.parameters(recurse=False):
        order = torch.randperm(parameter.numel(), device=parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation of the entries of two arrays; equal values share the mean of their ranks.

    NaN when one of them is constant: it ranks nothing.
    """
    ranks = [_ranks(np.ravel(values)) for values in (a, b)]
    x, y = (rank - rank.mean() for rank in ranks)
    size = math.sqrt((x @ x) * (y @ y))
    return float(x @ y / size) if size else math.nan


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _evidence_maps(model: nn.Module, images: Tensor, finding: int) -> np.ndarray:
    _, cams = class_activation_maps(model, images)
    return evidence(cams, finding=finding).double().cpu().numpy()
