"""Grey values 0..255 to what a network wants to see: its first layer, and part of its weights.

Shape legend: N batch, C input channels (3 where a network was made for colour), H W pixels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlcourse.errors import InputError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of 0..1


class Standardise(nn.Module):
    """Subtract the image's own mean, divide by its own standard deviation.

    The logits do not change with brightness and contrast: `a * image + b` is the same image for
    every a > 0. The divisor is at least 1 / sqrt(H * W), so a blank image becomes 0.

    Source: 2018 lab 2, `tf.image.per_image_standardization`.

    Args:
        channels: C, all alike.
    """

    alike = True

    def __init__(self, *, channels: int = 1) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) of any number type -> floating point (N, C, H, W)."""
        images = _floating(images)
        variance, mean = torch.var_mean(images, dim=(1, 2, 3), correction=0, keepdim=True)
        smallest = 1 / images[0].numel()
        return _repeated((images - mean) / variance.clamp(min=smallest).sqrt(), self.channels)


class Fixed(nn.Module):
    """Subtract one mean, divide by one standard deviation: the same for all images.

    Args:
        mean: In grey values of 0..255; the default is half the range.
        std: Likewise; the default is a quarter, near the 65 of ChestX-ray14.
        channels: C, all alike.
    """

    alike = True

    def __init__(self, mean: float = 127.5, std: float = 63.75, *, channels: int = 1) -> None:
        super().__init__()
        if not std > 0:
            raise InputError(f"net.normalise.std={std}: a number above 0, in grey values of 0..255")
        self.channels = channels
        self.register_buffer("mean", torch.tensor([float(mean)]).view(1, 1, 1))
        self.register_buffer("std", torch.tensor([float(std)]).view(1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) of any number type -> floating point (N, C, H, W)."""
        return _repeated((_floating(images) - self.mean) / self.std, self.channels)


class ImageNet(nn.Module):
    """Grey as three equal colour channels, each normalised as in training on ImageNet.

    Args:
        mean: Of red, green and blue in 0..1.
        std: Likewise.
    """

    alike = False
    channels = 3

    def __init__(
        self, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 1, H, W) of any number type -> floating point (N, 3, H, W)."""
        return (_floating(images) - self.mean) / self.std


# The input of torchxrayvision's networks: 0..255 becomes -1024..1024.
XRV_MEAN, XRV_STD = 127.5, 127.5 / 1024


def normaliser(normalise: str | nn.Module, *, channels: int) -> nn.Module:
    """The layer of a name in a config: "image", "fixed", "imagenet" or "xrv".

    Args:
        normalise: A name, or a layer, which is returned as it is.
        channels: C that the network reads.

    Raises:
        InputError: Another name, or "imagenet" for a network that reads one channel.
    """
    if isinstance(normalise, nn.Module):
        return normalise
    if normalise == "imagenet" and channels == 3:
        return ImageNet()
    if normalise == "image":
        return Standardise(channels=channels)
    if normalise == "fixed":
        return Fixed(channels=channels)
    if normalise == "xrv":
        return Fixed(XRV_MEAN, XRV_STD, channels=channels)
    allowed = "image, fixed, xrv" + (" or imagenet" if channels == 3 else " (it reads one channel)")
    raise InputError(f"net.normalise={normalise}: this network takes {allowed}")


def _floating(images: Tensor) -> Tensor:
    return images if images.is_floating_point() else images.float()


def _repeated(images: Tensor, channels: int) -> Tensor:
    return images.expand(-1, channels, -1, -1)
