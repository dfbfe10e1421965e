"""A network and maps of one's own in the places of this wing's: checked once, before training.

Shape legend: N images, K feature channels, C classes, h w feature-map cells.
"""

import inspect
import logging
import warnings
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.own_code import find, is_own, made, option_of, told
from dlcourse.xray.cam import Cam, compute_cam

log = logging.getLogger(__name__)
_NEEDED = ("forward_features", "forward_head")


def made_net(make: Callable[[int], nn.Module], num_classes: int) -> nn.Module:
    """The network of a config, if maps can be made from it.

    Raises:
        InputError: One's own network cannot be made, or lacks `forward_features`, `forward_head` or
            `head`, a linear layer with a bias.
    """
    if not is_own(make):
        return make(num_classes)
    net = made(make, num_classes, spare=_options())
    given = option_of(make)
    lacking = [name for name in _NEEDED if not callable(getattr(net, name, None))]
    if lacking:
        raise InputError(
            f"{given}: no {lacking[0]}: maps need forward_features, (N, 1, H, W) grey values -> "
            f"(N, K, h, w), and forward_head, from those to logits (N, {num_classes})"
        )
    head = getattr(net, "head", None)
    if not isinstance(head, nn.Linear) or head.bias is None or head.out_features != num_classes:
        raise InputError(
            f"{given}: its head is {head}: maps need the last layer as head, a torch.nn.Linear to "
            f"{num_classes} with a bias"
        )
    return net


def _options() -> set[str]:
    """Of this wing's own networks."""
    from dlcourse.xray import backbones, own_backbones

    makers = (own_backbones.small, own_backbones.lab2018, backbones.torchvision_net)
    return {name for make in makers for name in inspect.signature(make).parameters}


def own_cam(name: str) -> Cam:
    """The function of a dotted name in `cam.compute_cam`'s place.

    It may be of all images and classes, (N, K, h, w) and (K, C) -> (N, C, h, w); or, as in the
    exercise, of one image, (K, h, w), and the weights of all classes, -> (C, h, w), or of one
    class, (K,), -> (h, w): then it is called for each.

    Raises:
        InputError: It is not found, fails, or gives none of these shapes.
    """
    option = f"cam={name}"
    function = find(name, option="cam")
    draws = torch.Generator().manual_seed(0)
    features, weights = (torch.randn(*size, generator=draws) for size in ((2, 3, 4, 5), (3, 6)))
    said = []
    for cam in (function, partial(_of_images, function), partial(_of_classes, function)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # one that is of no use here may well complain
                maps = cam(features, weights)
        except Exception as error:
            said.append(told(error))
            continue
        if isinstance(maps, Tensor) and maps.shape == (2, 6, 4, 5):
            _compare(maps, compute_cam(features, weights), option)
            return cam
        said.append(f"maps of shape {tuple(getattr(maps, 'shape', ()))}")
    raise InputError(
        f"{option}: features (N, K, h, w) = (2, 3, 4, 5) and weights (K, C) = (3, 6) gave no maps "
        f"(N, C, h, w) = (2, 6, 4, 5), and each image and class alone no (h, w): {said[0]}"
    )


def _of_images(function: Callable[..., Tensor], features: Tensor, weights: Tensor) -> Tensor:
    return torch.stack([function(image, weights) for image in features])


def _of_classes(function: Callable[..., Tensor], features: Tensor, weights: Tensor) -> Tensor:
    maps = [torch.stack([function(image, of) for of in weights.T]) for image in features]
    return torch.stack(maps)


def _compare(maps: Tensor, ours: Tensor, option: str) -> None:
    """A wrong map is drawn as it is: whoever wrote it is to see it, and to know."""
    if not torch.allclose(maps, ours, atol=1e-3):
        log.warning(
            "%s: the mean of its maps and the bias are not the logits; scripts/exercises.py check "
            "says what may be wrong",
            option,
        )
