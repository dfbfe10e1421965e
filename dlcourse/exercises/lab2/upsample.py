"""Maps as large as the image."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import judging
from dlcourse.exercises.lab2.diagnosis import Slip, compare, wrong
from dlcourse.xray import cam

_SKELETON = '''
def upsample(cams: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps in the size of the image, bilinear, cells and pixels seen as areas.

    Formula: the middle of pixel i of H lies at (i + 1/2) h / H - 1/2 in units of cells; its value
    is interpolated linearly between the two nearest middles of cells, in both directions; beyond
    the outermost middles the value goes on unchanged. The mean, and with it the logit, stays the
    same when H and W are multiples of h and w.

    Source: 2018 lab 2, part 2, `upsample`.

    Args:
        cams: (N, C, h, w).
        size: (H, W).

    Returns:
        (N, C, H, W).
    """
    raise NotImplementedError
'''
_SOLUTION = """
def upsample(cams, size):
    from dlcourse.xray import cam

    return cam.upsample(cams, size)
"""
_WHAT, _AXES = "Your map", "(N, C, H, W)"


@judging
def check(upsample: Callable[[Tensor, tuple[int, int]], Tensor]) -> Iterator[Finding]:
    """A multiple of the map's size, another size, and a single cell."""
    generator = torch.Generator().manual_seed(47)
    cams = torch.randn((2, 2, 3, 4), generator=generator)
    sizes = {
        (12, 20): "The map is bilinear, its mean that of the cells.",
        (7, 10): "So it is where the size is no multiple.",
        (16, 16): "A square image works.",
    }
    for size, right in sizes.items():
        yield compare(
            upsample(cams.clone(), size),
            cam.upsample(cams, size),
            what=_WHAT,
            axes=_AXES,
            right=right,
            slips=_slips(cams, size),
        )


def _slips(cams: Tensor, size: tuple[int, int]) -> list[Slip]:
    want = cam.upsample(cams, size)
    cells, pixels = cams[0, 0].numel(), size[0] * size[1]
    corners = interpolate(cams, size=size, mode="bilinear", align_corners=True)
    smooth = "Your map is bicubic: it overshoots its cells, and so shows what no cell said."
    side = "H and W are exchanged: `size` is (H, W), height first."
    blocks = "Your map is in blocks, a pixel takes its nearest cell's value: bilinear is asked."
    other = cam.upsample(cams, size[::-1])
    return [
        Slip(
            corners,
            "The corner pixels sit on the middles of the corner cells, as with align_corners=True: "
            "the map is stretched outwards by half a cell and its mean is not the logit. Use "
            "align_corners=False.",
        ),
        *(Slip(interpolate(cams, size=size, mode=mode), blocks) for mode in _BLOCKS),
        Slip(other, side),
        Slip(want.transpose(-2, -1), side),
        Slip(cam.upsample(cams.transpose(-2, -1), size), "The map lies on its side: h is w in it."),
        Slip(interpolate(cams, size=size, mode="bicubic"), smooth),
        Slip(
            want * cells / pixels,
            "Your map is divided by the number of pixels a cell: values stay, as the mean does.",
        ),
        Slip(cams, "Your map is as small as before."),
    ]


_BLOCKS = ("nearest", "nearest-exact")

_SIGNATURE = "def upsample(cams, size):"
_START = "return F.interpolate(cams, size=size, mode="
_MISTAKES = (
    ("align_corners", f"{_START}'bilinear', align_corners=True)", "align_corners=False"),
    ("nearest", f"{_START}'nearest')", "in blocks"),
    ("default mode", "return F.interpolate(cams, size=size)", "in blocks"),
    (
        "H and W transposed",
        "return F.interpolate(cams, size=size[::-1], mode='bilinear')",
        "H and W are exchanged",
    ),
    (
        "map transposed",
        "return F.interpolate(cams.transpose(2, 3), size=size, mode='bilinear')",
        "lies on its side",
    ),
    ("bicubic", f"{_START}'bicubic')", "bicubic"),
    (
        "divided by the pixels",
        "large = F.interpolate(cams, size=size, mode='bilinear')\n"
        "return large * cams[0, 0].numel() / large[0, 0].numel()",
        "divided by the number of pixels",
    ),
    (
        "whole factors only",
        "factor = (size[0] // cams.shape[2], size[1] // cams.shape[3])\n"
        "return F.interpolate(cams, scale_factor=factor, mode='bilinear')",
        r"shape \(2, 2, 6, 8\)",
    ),
)

EXERCISES = (
    Exercise(
        name="upsample",
        lab=2,
        title="Maps in the size of the image",
        source="2018 lab 2, part 2: class activation maps",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
