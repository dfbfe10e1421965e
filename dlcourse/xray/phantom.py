"""Synthetic chest radiographs: every part drawn by rule, the pneumothorax known to the pixel.

A patient's `Anatomy` gives the outlines: body, lungs, heart, diaphragm, ribs, clavicles. An image
adds what differs from one exposure to the next. A pneumothorax is air between lung and chest wall:
a rim without vessels, a little darker, behind a thin bright line, the pleura of the collapsed lung.
The ribs go on through it. Skin folds are lines that are none of it; emphysema is a dark place
without vessels that has no such line.

Points are (x, y) in fractions of the image from its top left corner; the patient's right is on the
left. Brightness is in grey values of a well-exposed image, 0 black to 255 white.
"""

import numpy as np
from PIL import Image

from dlcourse.xray.phantom_anatomy import (
    SIDES,
    Anatomy,
    Exposure,
    Rim,
    collapse,
    lung_outline,
)
from dlcourse.xray.phantom_canvas import Canvas
from dlcourse.xray.phantom_parts import bones, bulla, foreign, soft_parts, vessels

PLEURA, RIM = 20.0, -14.0  # grey values: the line of the lung's edge; air without vessels


def draw_phantom(
    anatomy: Anatomy,
    exposure: Exposure,
    rim: Rim | None,
    *,
    seed: int | list[int],
    size: int = 256,
) -> tuple[np.ndarray, np.ndarray]:
    """One radiograph, a pure function of its arguments.

    The same arguments without the rim give the same image without the pneumothorax: it differs only
    in the mask and in pixels at its edge, which are covered by less than half.

    Returns:
        Grey values (size, size) uint8, and where the pneumothorax is (size, size) bool: the air,
        up to the far side of the pleura's line.
    """
    rng = np.random.default_rng(seed)
    canvas = Canvas(size, rng)
    lungs = {side: lung_outline(anatomy, exposure, side) for side in SIDES}
    inside = {side: canvas.filled(outline) for side, outline in lungs.items()}  # (S, S) 0..1
    air, line, marked = np.zeros((3, size, size), dtype=np.float32)
    if rim is not None:
        pleura, area = collapse(lungs[rim.side], rim)
        air = canvas.filled(area) * inside[rim.side]
        line = canvas.stroked([pleura], 0.007) * inside[rim.side]
        marked = air + canvas.stroked([pleura], 0.016) * inside[rim.side]
    image = soft_parts(canvas, anatomy, exposure, inside)
    lung, empty = np.maximum(*inside.values()), bulla(canvas, lungs, exposure, rng)
    image += vessels(canvas, lungs, rng) * (1 - np.maximum(air, empty))
    image += RIM * np.maximum(air, empty * lung) + PLEURA * line
    image += bones(canvas, anatomy)
    image += foreign(canvas, lungs, exposure, rng)
    return _exposed(image, exposure, rng), marked > 0.5


def _exposed(image: np.ndarray, exposure: Exposure, rng: np.random.Generator) -> np.ndarray:
    """As a detector sees it: uneven light, contrast, blur and noise; (S, S) uint8."""
    size = len(image)
    light = Image.fromarray(rng.normal(0, 9, (4, 4)).astype(np.float32))
    image = image + np.asarray(light.resize((size, size), Image.Resampling.BICUBIC))
    contrast = rng.uniform(0.8, 1.15) * (0.88 if exposure.ap else 1.0)
    image = (image - 128) * contrast + 128 + rng.normal(0, 10)
    grain = rng.normal(0, rng.uniform(4, 8) * (1.25 if exposure.ap else 1.0), image.shape)
    image = image + grain.astype(np.float32)
    return image.round().clip(0, 255).astype(np.uint8)
