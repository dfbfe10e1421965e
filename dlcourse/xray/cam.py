"""Class activation maps: what every cell of the feature maps adds to every logit.

The networks of this wing end in a mean over space and a linear layer, which can be exchanged:

    logit_c = sum_k w_kc mean_xy f_k(x, y) + b_c = mean_xy M_c(x, y) + b_c,
    M_c(x, y) = sum_k w_kc f_k(x, y)

Maps here are these contributions as they are, with their sign and unit, for all classes and images
at once. Whoever wants a picture finds one in `overlay`.

Any module will do that has `forward_features`, `forward_head` and the linear layer `head`, such as
`gap_cnn.GapCNN`.

Shape legend: N batch, K feature channels, C classes, H W image pixels, h w feature-map cells.

Source: Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, equation 2;
2018 lab 2, part 2.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

Cam = Callable[[Tensor, Tensor], Tensor]  # such as compute_cam


def class_activation_maps(
    model: nn.Module, images: Tensor, *, cam: Cam | None = None
) -> tuple[Tensor, Tensor]:
    """Logits and maps of images, from one pass through the network, in evaluation mode.

    Args:
        images: (N, 1, H, W), as the model takes them.
        cam: Makes the maps in place of `compute_cam`.

    Returns:
        Logits (N, C) and maps (N, C, h, w), with `maps.mean((-2, -1)) + bias == logits`.
    """
    with evaluating(model):
        features = model.forward_features(images)  # (N, K, h, w)
        return model.forward_head(features), (cam or compute_cam)(features, model.head.weight.T)


def extract_features_weights(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Feature maps (N, K, h, w), and weights (K, C) and bias (C,) of the last layer.

    Source: 2018 lab 2, part 2, the function of this name, for any number of images.
    """
    weights, bias = model.head.weight.detach().T, model.head.bias.detach()
    with evaluating(model):
        return model.forward_features(images), weights, bias


def compute_cam(feature_maps: Tensor, dense_weights: Tensor) -> Tensor:
    """(N, K, h, w) and (K, C) -> maps (N, C, h, w) of all classes, in one product of matrices."""
    return torch.einsum("nkhw,kc->nchw", feature_maps, dense_weights)


def evidence(values: Tensor, *, finding: int = 0) -> Tensor:
    """Maps (N, C, h, w) -> what each cell adds to the log-odds of a finding, (N, h, w).

    Two classes stand under a softmax, whose log-odds are the difference of the logits: there is
    one finding, class 1. Otherwise every class has a logit, which is its log-odds.
    Logits (N, C) work as well: they become log-odds (N,).

    Args:
        finding: The class, where there are not two.
    """
    return values[:, 1] - values[:, 0] if values.shape[1] == 2 else values[:, finding]


def upsample(cams: Tensor, size: int | tuple[int, int]) -> Tensor:
    """(N, C, h, w) -> (N, C, H, W), bilinear, cells and pixels seen as areas.

    A cell's value stands at its middle (half-pixel centres, `align_corners=False`) and goes on
    unchanged from the middles of the outermost cells to the border. The mean, and with it the
    logit, stays as it was when H and W are multiples of h and w, and nearly so otherwise.

    Args:
        size: H and W; one number for both.
    """
    return interpolate(cams, size=size, mode="bilinear", align_corners=False)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No dropout, running statistics, no gradients; every layer's own mode comes back after."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
