"""What class activation maps are made of: the last feature maps and the linear layer."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import Wrong, judging, right
from dlcourse.exercises.lab2.diagnosis import Slip, compare, wrong
from dlcourse.xray import cam
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.normalise import Standardise

_SKELETON = '''
def extract_features_weights(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The last feature maps of images, and weights and bias of the linear layer after them.

    Formula: the network ends in the mean over the cells of its feature maps f_k(x, y) and a linear
    layer,

        logit_c = sum_k w_kc mean_xy f_k(x, y) + b_c.

    `model.forward_features(images)` gives the maps, `model.head` is the linear layer (an
    nn.Linear, whose `weight` is (C, K)). Maps are looked at as the network predicts: in evaluation
    mode (the model may come in training mode) and without a gradient.

    Source: 2018 lab 2, part 2, `extract_features_weights`; Zhou et al., CVPR 2016.

    Args:
        model: Also called with images, (N, 1, H, W) -> logits (N, C).
        images: (N, 1, H, W) grey values 0..255.

    Returns:
        Feature maps f (N, K, h, w), weights w (K, C), bias b (C,); none of them requires a
        gradient.
    """
    raise NotImplementedError
'''
_SOLUTION = """
def extract_features_weights(model, images):
    from dlcourse.xray import cam

    return cam.extract_features_weights(model, images)
"""
_NAMES = ("feature maps", "weights", "bias")


@judging
def check(extract: Callable[[nn.Module, Tensor], Any]) -> Iterator[Finding]:
    """A small network in training mode, as it is while a run goes on."""
    model, images = _network(), _images()
    want = cam.extract_features_weights(model, images)
    got = extract(copy.deepcopy(model).train(), images.clone())
    if not isinstance(got, (tuple, list)) or len(got) != 3:
        raise Wrong("Return three tensors: feature maps, weights and bias, in this order.")
    maps, weights, bias = got
    yield compare(
        maps,
        want[0],
        what="The tensor of feature maps",
        axes="(N, K, h, w)",
        right="The feature maps are those before the mean over space.",
        slips=_map_slips(model, images),
    )
    yield compare(
        weights,
        want[1],
        what="The tensor of weights",
        axes="(K, C)",
        right="The weights are the linear layer's, a column a class.",
        slips=_weight_slips(want[1]),
    )
    yield compare(
        bias,
        want[2],
        what="The bias",
        axes="(C,)",
        right="With the bias, mean over the cells times weights is the logit.",
        slips=[Slip(want[2].flip(0), "The biases of the two classes are exchanged.")],
    )
    yield _detached((maps, weights, bias))


def _detached(tensors: tuple[Tensor, ...]) -> Finding:
    names = [name for name, tensor in zip(_NAMES, tensors, strict=True) if tensor.requires_grad]
    if not names:
        return right("None of them holds on to the graph of gradients.")
    raise Wrong(
        f"Still part of the graph of gradients: {', '.join(names)}. Every map would keep the whole "
        f"pass in memory, and numpy() would fail: use torch.no_grad() or detach()."
    )


@torch.no_grad()
def _map_slips(model: GapCNN, images: Tensor) -> list[Slip]:
    evaluated, trained = copy.deepcopy(model).eval(), copy.deepcopy(model).train()
    maps = evaluated.forward_features(images)
    before = nn.Sequential(*list(evaluated.backbone)[:-1])(evaluated.normalise(images))
    pooled = "These are the means over space, after the pooling: a map needs the cells before it."
    mode = (
        "The feature maps are those of training mode, whose batch normalisation makes an image's "
        "maps depend on the other images of the batch: call model.eval() first."
    )
    return [
        *(Slip(maps.mean((-2, -1), keepdim=keep), pooled) for keep in (False, True)),
        Slip(evaluated(images), "These are the logits, after the pooling and the linear layer."),
        Slip(trained.forward_features(images), mode),
        Slip(
            evaluated.backbone(images),
            "The images were not normalised: model.forward_features does it, backbone not.",
        ),
        Slip(
            before, "The feature maps are those before the last ReLU: the network averages after."
        ),
        Slip(maps[0], "These are the maps of the first image only: keep all N images."),
    ]


def _weight_slips(weights: Tensor) -> list[Slip]:
    single = "These are the weights of one class: return those of all, (K, C), a column a class."
    return [
        Slip(weights.T, "The weights are laid out (C, K), as in nn.Linear: (K, C) is asked."),
        Slip(
            weights.flip(1),
            "The weights are those of the wrong class: column 0 is that of class 1, and the "
            "other way round. Row c of the linear layer belongs to class c.",
        ),
        *(Slip(weights[:, column], single) for column in range(weights.shape[1])),
    ]


def _network() -> GapCNN:
    """K = 5, C = 2, maps of stride 2; with everything that tells the two modes apart."""
    with torch.random.fork_rng():
        torch.manual_seed(37)
        backbone = nn.Sequential(
            nn.Conv2d(1, 4, 4, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 5, 1),
            nn.ReLU(),
        )
        model = GapCNN(backbone, 5, 2, normalise=Standardise(), dropout=0.5)
        backbone[1].running_mean.normal_()
        backbone[1].running_var.uniform_(0.5, 2)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([-0.6, 1.7]))
    return model


def _images() -> Tensor:
    generator = torch.Generator().manual_seed(41)
    return torch.randint(0, 256, (3, 1, 8, 12), generator=generator).float()


_SIGNATURE = "def extract_features_weights(model, images):"
_EVAL = "model.eval()\nwith torch.no_grad():\n    maps = model.forward_features(images)\n"
_LAYER = "weights, bias = model.head.weight.detach().T, model.head.bias.detach()\n"
_RETURN = "return maps, weights, bias"
_MISTAKES = (
    (
        "after the pooling",
        f"{_EVAL}{_LAYER}return maps.mean((-2, -1)), weights, bias",
        "after the pooling",
    ),
    (
        "weights of the wrong class",
        f"{_EVAL}{_LAYER}return maps, weights.flip(1), bias",
        "wrong class",
    ),
    ("weights of one class", f"{_EVAL}{_LAYER}return maps, weights[:, 1], bias", "of one class"),
    ("weights not transposed", f"{_EVAL}{_LAYER}return maps, weights.T, bias", r"laid out \(C, K"),
    (
        "missing detach",
        "model.eval()\nmaps = model.forward_features(images)\n"
        "return maps, model.head.weight.T, model.head.bias",
        "graph of gradients: feature maps, weights, bias",
    ),
    (
        "missing detach of the weights",
        f"{_EVAL}return maps, model.head.weight.T, model.head.bias",
        "graph of gradients: weights, bias",
    ),
    (
        "training mode",
        _EVAL.replace("model.eval()\n", "") + _LAYER + _RETURN,
        "training mode.*eval",
    ),
    (
        "images not normalised",
        _EVAL.replace("forward_features", "backbone") + _LAYER + _RETURN,
        "not normalised",
    ),
    (
        "before the last ReLU",
        _EVAL.replace("forward_features(images)", "backbone[:-1](model.normalise(images))")
        + _LAYER
        + _RETURN,
        "before the last ReLU",
    ),
    ("bias forgotten", f"{_EVAL}{_LAYER}return maps, weights", "three tensors"),
)

EXERCISES = (
    Exercise(
        name="extract_features_weights",
        lab=2,
        title="Feature maps and weights of a network",
        source="2018 lab 2, part 2: class activation maps",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
