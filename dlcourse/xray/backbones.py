"""Networks of torchvision and timm as backbones: their convolutions, without pooling and head."""

from collections import OrderedDict
from difflib import get_close_matches
from functools import partial
from itertools import takewhile

import torch
from torch import Tensor, nn
from torchvision import models

from dlcourse.errors import InputError
from dlcourse.xray.finer_maps import SIZE, halve_stride, maps_shape, stride_of
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.normalise import ImageNet, normaliser
from dlcourse.xray.pretrained import load_pretrained
from dlcourse.xray.published import (
    imported_timm,
    timm_weights,
    torchvision_weights,
    xrv_weights,
)

# Convolutions one after the other; transformers have no maps, inception's forks no plain chain.
FAMILIES = (
    "alexnet",
    "convnext",
    "densenet",
    "efficientnet",
    "mnasnet",
    "mobilenet",
    "regnet",
    "resnet",
    "resnext",
    "shufflenet",
    "squeezenet",
    "vgg",
    "wide_resnet",
)
HEADS = {"avgpool", "classifier", "fc"}


def torchvision_names() -> list[str]:
    """The networks of torchvision that `torchvision_net` knows how to cut."""
    return [name for name in models.list_models(module=models) if name.startswith(FAMILIES)]


def torchvision_net(
    num_classes: int,
    *,
    name: str,
    stride: int = 32,
    weights: str | None = None,
    normalise: str | nn.Module = "imagenet",
    dropout: float = 0.0,
) -> GapCNN:
    """A convolutional network of torchvision with our head.

    It goes on reading three channels, all of them the grey image, so that weights fit as they are.

    Args:
        num_classes: C.
        name: As torchvision spells it: "densenet121", "resnet18".
        stride: Pixels from a cell of the maps to the next, for most networks 32 or 16: 256 x 256
            pixels give 8 x 8 or 16 x 16 cells. See `finer_maps`.
        weights: None, "imagenet", for densenet121 "nih" (torchxrayvision's; with
            `normalise="xrv"`), a run folder or a file; see `pretrained`.
        normalise: "imagenet", "image", "fixed" or "xrv"; see `normalise`.
        dropout: Before the linear layer.

    Raises:
        InputError: Not such a network, a stride it cannot have, or weights that do not fit.
    """
    if name not in torchvision_names():
        raise InputError(
            f"net.name={name}: no convolutional network of torchvision: choose one of its "
            f"{', '.join(FAMILIES)}, such as densenet121"
        )
    backbone = chain(models.get_model(name, weights=None))
    published = {"imagenet": partial(torchvision_weights, name)}
    if name == "densenet121":
        published["nih"] = partial(xrv_weights, "nih", normalise=normalise)
    natural = stride_of(maps_shape(backbone)[-1])
    if stride == natural // 2:
        halve_stride(backbone)
    elif stride != natural:
        raise InputError(f"net.stride={stride}: {name} can have {natural} or {natural // 2}")
    layer = normaliser(normalise, channels=3)
    num_features = maps_shape(backbone)[1]
    net = GapCNN(backbone, num_features, num_classes, normalise=layer, dropout=dropout)
    if weights is not None:
        load_pretrained(net, weights, published=published)
    return net.to(memory_format=torch.channels_last)


def chain(net: nn.Module) -> nn.Sequential:
    """The links of a torchvision network up to its pooling, under their own names.

    DenseNet's last ReLU, which stands in its `forward` and writes into the maps, becomes a layer
    that does not.
    """
    links = takewhile(lambda link: link[0] not in HEADS, net.named_children())
    backbone = nn.Sequential(OrderedDict(links))
    if isinstance(net, models.DenseNet):
        backbone.add_module("relu", nn.ReLU())
    return backbone


class ForwardFeatures(nn.Module):
    """A timm network up to its maps."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> maps (N, K, h, w)."""
        return self.net.forward_features(images)


def timm_net(
    num_classes: int,
    *,
    name: str,
    stride: int = 32,
    weights: str | None = None,
    normalise: str | nn.Module = "imagenet",
    dropout: float = 0.0,
) -> GapCNN:
    """A convolutional network of timm with our head; arguments as for `torchvision_net`.

    "imagenet" normalises as the named network was trained, which for a few is not as usual.

    Raises:
        InputError: timm is missing, has no such network, or this one gives no maps of that stride.
    """
    backbone = _timm_backbone(name, stride)
    if normalise == "imagenet":
        layer = ImageNet(backbone.net.pretrained_cfg["mean"], backbone.net.pretrained_cfg["std"])
    else:
        layer = normaliser(normalise, channels=3)
    num_features = maps_shape(backbone)[1]
    net = GapCNN(backbone, num_features, num_classes, normalise=layer, dropout=dropout)
    if weights is not None:
        load_pretrained(net, weights, published={"imagenet": partial(timm_weights, name)})
    return net.to(memory_format=torch.channels_last)


def _timm_backbone(name: str, stride: int) -> ForwardFeatures:
    timm = imported_timm()
    if not timm.is_model(name.partition(".")[0]):
        close = get_close_matches(name, timm.list_models(), n=3, cutoff=0.4)
        raise InputError(f"net.name={name}: timm has no such network; near: {', '.join(close)}")
    options = {"pretrained": False, "num_classes": 0, "global_pool": ""}
    backbone = ForwardFeatures(timm.create_model(name, **options))
    natural = _timm_stride(name, backbone)
    if stride == natural:
        return backbone
    try:
        backbone = ForwardFeatures(timm.create_model(name, output_stride=stride, **options))
    except Exception as error:  # each family refuses in its own way
        raise InputError(f"net.stride={stride}: {name} of timm only has {natural}") from error
    if _timm_stride(name, backbone) != stride:
        raise InputError(f"net.stride={stride}: {name} of timm cannot have it; it has {natural}")
    return backbone


def _timm_stride(name: str, backbone: ForwardFeatures) -> int:
    try:
        shape = maps_shape(backbone)
    except Exception as error:  # transformers with a fixed size of image
        raise InputError(
            f"net.name={name}: it cannot read {SIZE} x {SIZE} pixels: choose a convolutional one"
        ) from error
    if len(shape) != 4 or shape[1] != backbone.net.num_features:
        raise InputError(
            f"net.name={name}: it gives {'x'.join(map(str, shape))} instead of maps (N, K, h, w): "
            f"choose a convolutional one"
        )
    return stride_of(shape[-1])
