"""The lab's network of 2018, and one small enough to train on a processor in minutes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.normalise import normaliser
from dlcourse.xray.pretrained import load_pretrained

LAB_CHANNELS, LAB_KERNELS = (64, 128, 256, 512), (5, 5, 3, 3)


class SumPool(nn.Module):
    """Two convolutions with ReLU; the maximum of the sum of both outputs over 2 x 2 pixels."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel, padding="same")
        self.conv2 = nn.Conv2d(outputs, outputs, kernel, padding="same")

    def forward(self, images: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H // 2, W // 2)."""
        a = self.conv1(images).relu()
        b = self.conv2(a).relu()
        return nn.functional.max_pool2d(a + b, 2)


def lab2018(
    num_classes: int,
    *,
    weights: str | None = None,
    normalise: str | nn.Module = "image",
    dropout: float = 0.0,
) -> GapCNN:
    """The lab's CNN: 256 x 256 pixels -> maps of 16 x 16 cells, K = 512; 5,145,026 parameters.

    Initialised as TensorFlow's layers are: Glorot's uniform weights, biases 0.

    Source: 2018 lab 2, part 2.

    Args:
        num_classes: C.
        weights: None, a run folder or a file; see `pretrained`.
        normalise: "image" as in the lab, "fixed" or "xrv".
        dropout: Before the linear layer.
    """
    pairs = [
        SumPool(inputs, outputs, kernel=kernel)
        for inputs, outputs, kernel in zip(
            (1, *LAB_CHANNELS[:-1]), LAB_CHANNELS, LAB_KERNELS, strict=True
        )
    ]
    layer = normaliser(normalise, channels=1)
    net = GapCNN(
        nn.Sequential(*pairs), LAB_CHANNELS[-1], num_classes, normalise=layer, dropout=dropout
    )
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    return _finished(net, weights)


def small(
    num_classes: int,
    *,
    channels: Sequence[int] = (16, 32, 64, 96),
    kernels: Sequence[int] = (3, 3, 1, 1),
    weights: str | None = None,
    normalise: str | nn.Module = "image",
    dropout: float = 0.0,
) -> GapCNN:
    """Pairs of convolutions with batch normalisation and ReLU; maps of stride 8.

    The first three pairs begin with 4 x 4 convolutions of stride 2, whose outputs lie exactly in
    the middle of what they see (those of 3 x 3 lie half a pixel off, which adds up to half a cell
    of the maps); the others begin with 1 x 1. 128 x 128 pixels -> 16 x 16 cells.

    Args:
        num_classes: C.
        channels: Of each pair; the last is K.
        kernels: Of the second convolution of each pair. Small ones see little at a time: a cell of
            the map then speaks of its own place (Brendel and Bethge, BagNets, ICLR 2019).
        weights: None, a run folder or a file; see `pretrained`.
        normalise: "image", "fixed" or "xrv".
        dropout: Before the linear layer.
    """
    if not channels or len(kernels) != len(channels) or any(k % 2 == 0 for k in kernels):
        raise InputError(
            f"net.channels={list(channels)}, net.kernels={list(kernels)}: one number of channels "
            f"and one odd kernel for each pair of convolutions"
        )
    layers, before = [], 1
    for pair, (width, kernel) in enumerate(zip(channels, kernels, strict=True)):
        first = (4, 2) if pair < 3 else (1, 1)
        layers += _conv_bn_relu(before, width, kernel=first[0], stride=first[1])
        layers += _conv_bn_relu(width, width, kernel=kernel)
        before = width
    layer = normaliser(normalise, channels=1)
    net = GapCNN(nn.Sequential(*layers), before, num_classes, normalise=layer, dropout=dropout)
    return _finished(net, weights)


def _conv_bn_relu(
    inputs: int, outputs: int, *, kernel: int, stride: int = 1
) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=(kernel - 1) // 2, bias=False)
    return conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _finished(net: GapCNN, weights: str | None) -> GapCNN:
    if weights is not None:
        load_pretrained(net, weights)
    return net.to(memory_format=torch.channels_last)  # a quarter faster on processors
