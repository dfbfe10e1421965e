"""The network's first step: an image less its own mean, by its own standard deviation."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import judging
from dlcourse.exercises.lab2.diagnosis import Slip, compare, wrong
from dlcourse.xray.normalise import Fixed, Standardise

_SKELETON = '''
def standardise(images: Tensor) -> Tensor:
    """Subtract every image's own mean and divide by its own standard deviation.

    Formula: x' = (x - mean) / std, std = sqrt(mean of (x - mean)^2), both over the pixels of one
    image. Radiographs differ in brightness and contrast, which say nothing about the lung: after
    this step a * x + b is the same image for every a > 0. A blank image becomes 0, not nan.

    Source: 2018 lab 2, part 2, `tf.image.per_image_standardization`.

    Args:
        images: (N, 1, H, W) grey values 0..255, uint8 or floating point.

    Returns:
        (N, 1, H, W) floating point.
    """
    raise NotImplementedError
'''
_SOLUTION = """
def standardise(images):
    from dlcourse.xray.normalise import Standardise

    return Standardise()(images)
"""
_WHAT, _AXES = "Your image", "(N, 1, H, W)"


@judging
def check(standardise: Callable[[Tensor], Tensor]) -> Iterator[Finding]:
    """Several images of other brightness and contrast, whole numbers, a blank one."""
    images = _radiographs()
    yield compare(
        standardise(images.float()),
        Standardise()(images),
        what=_WHAT,
        axes=_AXES,
        right="Every image has mean 0 and standard deviation 1 of its own.",
        slips=_slips(images.float()),
    )
    yield compare(
        standardise(images.clone()),
        Standardise()(images),
        what="From uint8, your image",
        axes=_AXES,
        right="Grey values in uint8 give the same.",
    )
    blank = torch.full((2, 1, 6, 5), 90.0)
    blank[1] = images[0, :, :6, :5]
    yield compare(
        standardise(blank.clone()),
        Standardise()(blank),
        what="With a blank image (all pixels alike), your image",
        axes=_AXES,
        right="A blank image becomes 0.",
    )


def _radiographs() -> Tensor:
    """(3, 1, 8, 9) uint8 of three brightnesses and contrasts."""
    generator = torch.Generator().manual_seed(17)
    noise = torch.randn((3, 1, 8, 9), generator=generator).clamp(-2.5, 2.5)
    contrast = torch.tensor([8.0, 20, 38]).view(3, 1, 1, 1)
    brightness = torch.tensor([40.0, 180, 120]).view(3, 1, 1, 1)
    return (brightness + contrast * noise).round().clamp(0, 255).to(torch.uint8)


def _slips(images: Tensor) -> list[Slip]:
    own = (images - images.mean((1, 2, 3), keepdim=True)) / 1
    std = images.std((1, 2, 3), keepdim=True, correction=0)
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    unchanged = "Your image still has its own brightness and contrast: subtract its mean, divide"
    batch = "Mean and standard deviation are taken over the whole batch: an image would look"
    rows = [
        (images - images.mean(dim, keepdim=True)) / images.std(dim, keepdim=True, correction=0)
        for dim in (-1, -2, 0)
    ]
    return [
        *(Slip(values, f"{unchanged} by its standard deviation.") for values in _raw(images)),
        *(
            Slip(
                (images - images.mean()) / images.std(correction=correction),
                f"{batch} different beside other images. Take them over dimensions 1, 2 and 3.",
            )
            for correction in (0, 1)
        ),
        Slip(
            images.sub(images.mean((1, 2, 3), keepdim=True))
            / images.std((1, 2, 3), keepdim=True, correction=1),
            "Your standard deviation divides by H W - 1, as torch.std does unless it is told "
            "`correction=0`; the formula takes the mean over all H W pixels.",
        ),
        Slip(own, "The mean is gone, but the contrast is not: divide by the standard deviation."),
        Slip(own / std**2, "You divide by the variance: its root, the standard deviation, is due."),
        Slip(
            (images - low) / (high - low),
            "Your image is stretched from its darkest to its brightest pixel (0..1): one bright "
            "letter on the film changes it all. Use mean and standard deviation.",
        ),
        *(Slip(values, "Mean and deviation are taken over one axis only.") for values in rows),
    ]


def _raw(images: Tensor) -> list[Tensor]:
    return [images, images / 255, images / 127.5 - 1, Fixed()(images)]


_SIGNATURE = "def standardise(images):"
_IMAGES = "images = images.float()\n"
_SUM = "dims = (1, 2, 3)\nmean = images.mean(dims, keepdim=True)\n"
_MISTAKES = (
    ("missing", "return images.float()", "own brightness and contrast"),
    ("only scaled to 0..1", "return images / 255", "own brightness and contrast"),
    (
        "by batch instead of by image",
        f"{_IMAGES}return (images - images.mean()) / images.std()",
        "over the whole batch",
    ),
    (
        "sample deviation",
        f"{_IMAGES}{_SUM}return (images - mean) / images.std(dims, keepdim=True).clamp(min=1e-6)",
        "H W - 1",
    ),
    (
        "variance instead of standard deviation",
        f"{_IMAGES}{_SUM}return (images - mean) / images.var(dims, keepdim=True, correction=0)",
        "variance",
    ),
    (
        "stretched to 0..1",
        f"{_IMAGES}low = images.amin((1, 2, 3), keepdim=True)\n"
        "return (images - low) / (images.amax((1, 2, 3), keepdim=True) - low)",
        "darkest to its brightest",
    ),
    (
        "by row",
        f"{_IMAGES}mean = images.mean(-1, keepdim=True)\n"
        "return (images - mean) / images.std(-1, keepdim=True, correction=0)",
        "one axis only",
    ),
    (
        "a blank image divides by zero",
        f"{_IMAGES}{_SUM}return (images - mean) / images.std(dims, keepdim=True, correction=0)",
        "blank image.*nan",
    ),
)

EXERCISES = (
    Exercise(
        name="standardise",
        lab=2,
        title="Standardise each radiograph",
        source="2018 lab 2, part 2: the network's input",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
