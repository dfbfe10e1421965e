"""Class activation maps: what every cell adds to every logit."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import Wrong, judging
from dlcourse.exercises.lab2.diagnosis import Slip, compare, offset, same, wrong
from dlcourse.xray import cam

_SKELETON = '''
def compute_cam(feature_maps: Tensor, dense_weights: Tensor, bias: Tensor | None = None) -> Tensor:
    """Class activation maps of all images and classes, as numbers: no ReLU, no scaling.

    Formula: M_c(x, y) = sum_k w_kc f_k(x, y), so that mean_xy M_c(x, y) + b_c = logit_c. Where the
    bias is given, every cell gets it once, M_c(x, y) + b_c, and the mean itself is the logit.

    Source: 2018 lab 2, part 2, `compute_cam`; Zhou et al., Learning Deep Features for
    Discriminative Localization, CVPR 2016, equation 2.

    Args:
        feature_maps: f (N, K, h, w).
        dense_weights: w (K, C).
        bias: b (C,), or None.

    Returns:
        Maps M (N, C, h, w).
    """
    raise NotImplementedError
'''
_SOLUTION = """
def compute_cam(feature_maps, dense_weights, bias=None):
    from dlcourse.xray import cam

    maps = cam.compute_cam(feature_maps, dense_weights)
    return maps if bias is None else maps + bias[:, None, None]
"""
_AXES = "(N, C, h, w)"
_BIAS = torch.tensor([-0.6, 1.7])


@judging
def check(compute_cam: Callable[..., Tensor]) -> Iterator[Finding]:
    """Maps without bias; one image and three classes; with bias, whose mean is the logit."""
    maps, weights = _parts(2, 5, 2)
    want = cam.compute_cam(maps, weights)
    yield compare(
        compute_cam(maps.clone(), weights.clone()),
        want,
        what="Your map",
        axes=_AXES,
        right="Every map is the sum over the channels, weighted with its class's weights.",
        slips=_slips(maps, weights, want),
    )
    one, three = _parts(1, 4, 3)
    yield compare(
        compute_cam(one.clone(), three.clone()),
        cam.compute_cam(one, three),
        what="For one image and three classes, your map",
        axes=_AXES,
        right="One image and three classes keep their axes.",
    )
    yield _with_bias(compute_cam(maps.clone(), weights.clone(), _BIAS.clone()), want)


def _parts(images: int, channels: int, classes: int) -> tuple[Tensor, Tensor]:
    """Feature maps (images, channels, 3, 4), not negative, and weights (channels, classes)."""
    generator = torch.Generator().manual_seed(43 + channels)
    maps = torch.randn((images, channels, 3, 4), generator=generator).relu()
    return maps, torch.randn((channels, classes), generator=generator)


def _with_bias(got: Tensor, maps: Tensor) -> Finding:
    want = maps + _BIAS[:, None, None]
    spread = (
        "The bias is divided by the number of cells: the mean over the cells divides once more. "
        "Every cell gets the whole bias."
    )
    slips = [
        Slip(maps + _BIAS[:, None, None] / maps[0, 0].numel(), spread),
        Slip(maps + _BIAS.flip(0)[:, None, None], "The bias is that of the other class."),
    ]
    known = any(same(got, slip.answer) for slip in slips) if isinstance(got, Tensor) else True
    if not known and got.shape == want.shape and not same(got, want):
        _judge_offsets(got, want)
    return compare(
        got,
        want,
        what="With the bias given, your map",
        axes=_AXES,
        right="With the bias, the mean over the cells is the logit.",
        slips=slips,
    )


def _judge_offsets(got: Tensor, want: Tensor) -> None:
    """Name the class whose map is too high or too low everywhere, and by how much.

    Raises:
        Wrong: All maps are wrong by one number each.
    """
    apart = [offset(got[:, place], want[:, place]) for place in range(len(_BIAS))]
    if None in apart:
        return
    place = max(range(len(apart)), key=lambda index: abs(apart[index]))
    way = "high" if apart[place] > 0 else "low"
    text = f"Your map of class {place} is {abs(apart[place]):.1f} logits too {way} everywhere"
    if abs(apart[place] + float(_BIAS[place])) < 1e-3:
        raise Wrong(f"{text}: is the bias forgotten?")
    raise Wrong(f"{text}: is the bias added per pixel more often than once?")


def _slips(maps: Tensor, weights: Tensor, want: Tensor) -> list[Slip]:
    cells = maps[0, 0].numel()
    low, high = want.amin((-2, -1), keepdim=True), want.amax((-2, -1), keepdim=True)
    scaled = (want - low) / (high - low)
    one = "This is the map of one class: return those of all classes, (N, C, h, w)."
    return [
        Slip(
            want / maps.shape[1],
            "Your map is the mean over the channels: take the sum, or mean over the cells plus "
            "bias is no longer the logit.",
        ),
        Slip(
            want / cells,
            "Your map is divided by the number of cells: the logit is the mean of the cells, not "
            "their sum.",
        ),
        Slip(
            want.transpose(-2, -1),
            "h and w are exchanged: your map lies on its side. Keep the order of the maps' axes.",
        ),
        Slip(
            want.relu(),
            "Negative values are cut off (ReLU): what speaks against a class belongs to its logit.",
        ),
        Slip(want.abs(), "Your map has lost its sign: what speaks against a class is negative."),
        *(
            Slip(
                values,
                "Your map is scaled to 0..1 image by image, which paints noise as evidence: keep "
                "the numbers, in logits.",
            )
            for values in (scaled, scaled.relu(), want / want.amax((-2, -1), keepdim=True))
        ),
        Slip(
            want.flip(1),
            "The classes are exchanged: your map of class 0 is that of class 1.",
        ),
        Slip(
            want.mean((-2, -1)),
            "This is a number an image and class (the logit without bias): keep the cells.",
        ),
        *(Slip(want[:, place], one) for place in range(want.shape[1])),
        Slip(
            maps.sum(1, keepdim=True).expand_as(want),
            "The weights are not used: all classes have the same map.",
        ),
    ]


_SIGNATURE = "def compute_cam(feature_maps, dense_weights, bias=None):"
_MAPS = "maps = torch.einsum('nkhw,kc->nchw', feature_maps, dense_weights)\n"
_BIASED = "if bias is not None:\n    maps = maps + bias[:, None, None]\n"
_ALL = "products = feature_maps[:, :, None] * dense_weights[:, :, None, None]\n"
_MISTAKES = (
    (
        "mean instead of sum",
        f"{_ALL}maps = products.mean(1)\n{_BIASED}return maps",
        "mean over the channels",
    ),
    (
        "bias added twice",
        f"{_MAPS}{_BIASED}{_BIASED}return maps",
        "1.7 logits too high everywhere: is the bias added per pixel",
    ),
    (
        "bias in every channel",
        f"{_ALL}if bias is not None:\n    products = products + bias[:, None, None]\n"
        "return products.sum(1)",
        "6.8 logits too high everywhere: is the bias added per pixel",
    ),
    ("bias forgotten", f"{_MAPS}return maps", "1.7 logits too low everywhere.*forgotten"),
    (
        "bias spread over the cells",
        f"{_MAPS}if bias is not None:\n"
        "    maps = maps + bias[:, None, None] / maps[0, 0].numel()\nreturn maps",
        "divided by the number of cells",
    ),
    (
        "bias of the other class",
        f"{_MAPS}if bias is not None:\n    maps = maps + bias.flip(0)[:, None, None]\nreturn maps",
        "other class",
    ),
    (
        "h and w transposed",
        _MAPS.replace("nchw", "ncwh") + f"{_BIASED}return maps",
        "h and w are exchanged",
    ),
    ("ReLU", f"{_MAPS}{_BIASED}return maps.relu()", "ReLU"),
    (
        "scaled to 0..1",
        f"{_MAPS}maps = maps - maps.amin((2, 3), keepdim=True)\n"
        "return maps / maps.amax((2, 3), keepdim=True)",
        "scaled to 0..1",
    ),
    (
        "divided by the cells",
        f"{_MAPS}maps = maps / maps[0, 0].numel()\n{_BIASED}return maps",
        "divided by the number of cells",
    ),
    ("classes exchanged", f"{_MAPS}{_BIASED}return maps.flip(1)", "classes are exchanged"),
    ("one class only", f"{_MAPS}{_BIASED}return maps[:, 1]", "map of one class"),
    (
        "lost axis",
        f"{_MAPS}{_BIASED}return maps.squeeze()",
        r"one image and three classes.*shape \(3, 3, 4\)",
    ),
)

EXERCISES = (
    Exercise(
        name="compute_cam",
        lab=2,
        title="Class activation maps",
        source="2018 lab 2, part 2: class activation maps",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
