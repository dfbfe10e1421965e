"""Half the stride of a trained network, with the same weights: twice as many cells each way.

The last convolution or pooling with stride 2 moves in steps of 1, and the convolutions after it
skip every other cell (dilation, "à trous"). Every second cell of the finer maps is then a cell of
the coarser ones, but for rounding. Networks that average over space on the way (squeeze and
excitation) keep it in approximation.

Source: Yu et al., Dilated Residual Networks, CVPR 2017.
"""

import math

import torch
from torch import nn

MOVING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
SIZE = 256  # pixels of the image by which strides are told


def maps_shape(backbone: nn.Module, *, channels: int = 3, size: int = SIZE) -> tuple[int, ...]:
    """The shape of the maps of one image of `size` pixels; nothing is computed."""
    training = backbone.training
    tensors = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    shadows = {name: tensor.to("meta") for name, tensor in tensors.items()}
    images = torch.empty(1, channels, size, size, device="meta")
    with torch.no_grad():
        maps = torch.func.functional_call(backbone.eval(), shadows, images)
    backbone.train(training)
    return tuple(maps.shape)


def stride_of(cells: int) -> int:
    """Pixels from a cell to the next, when `SIZE` pixels give so many cells.

    A power of two: convolutions without padding lose a cell or two.
    """
    return 2 ** round(math.log2(SIZE / cells))


def halve_stride(backbone: nn.Module) -> None:
    """Change a chain of stages as described above. Names and shapes of the weights stay."""
    stages = [
        list(backbone.get_submodule(stage).named_modules(prefix=stage))
        for stage in _stages(backbone)
    ]
    last = max(i for i, stage in enumerate(stages) if any(_strided(layer) for _, layer in stage))
    passed = False  # a strided layer
    for name, layer in (named for stage in stages[last:] for named in stage):
        if _strided(layer):
            passed = True
            _step_by_one(backbone, name, layer)
        elif passed and isinstance(layer, nn.Conv2d):
            _dilate(layer)


def _stages(backbone: nn.Module) -> list[str]:
    """Names of parts that follow each other: what the links of the chain are made of."""
    names = []
    for link, module in backbone.named_children():
        names += [f"{link}.{part}" for part, _ in module.named_children()] or [link]
    return names


def _strided(layer: nn.Module) -> bool:
    return isinstance(layer, MOVING) and layer.stride in (2, (2, 2))


def _step_by_one(backbone: nn.Module, name: str, layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        layer.stride = (1, 1)
        if layer.kernel_size[0] % 2 == 0:  # "same" pads an even kernel at the far borders only
            layer.padding = "same"
        return
    layer.stride = 1
    if layer.kernel_size == 2:  # repeated far borders, so as to keep all cells
        parent, _, own = name.rpartition(".")
        padded = nn.Sequential(nn.ReplicationPad2d((0, 1, 0, 1)), layer)
        setattr(backbone.get_submodule(parent), own, padded)


def _dilate(conv: nn.Conv2d) -> None:
    conv.dilation = tuple(2 * step for step in conv.dilation)
    conv.padding = tuple(2 * pixels for pixels in conv.padding)
