"""Synthetic chest radiographs: every part drawn by rule, the pneumothorax known to the pixel.

A patient's `Anatomy` gives the outlines: body, lungs, heart, diaphragm, ribs, clavicles. An image
adds what differs from one exposure to the next. A pneumothorax is air between lung and chest wall:
a rim without vessels, a little darker, behind a thin bright line, the pleura of the collapsed lung.
The ribs go on through it, and so do skin folds, lines that are none of it.

Points are (x, y) in fractions of the image from its top left corner; the patient's right is on the
left. Brightness is in grey values of a well-exposed image, 0 black to 255 white.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

OVERSAMPLING = 2  # lines are drawn at twice the size: they end up with smooth edges
APICAL, LATERAL = PLACES = ("apical", "lateral")
RIGHT, LEFT = SIDES = ("right", "left")  # the patient's
AIR, TISSUE, LUNG, HEART, BELLY = 6.0, 168.0, 74.0, 205.0, 196.0
RIB, CLAVICLE, VESSEL, PLEURA, RIM = 17.0, 24.0, 46.0, 40.0, -18.0
FOLD, DRAIN, MARKER = 34.0, 62.0, 80.0
Points = np.ndarray  # (P, 2)


@dataclass(frozen=True)
class Anatomy:
    """What stays the same in all images of a patient; lengths in fractions of the image."""

    lung_width: float
    lung_top: float
    lung_bottom: float
    roundness: float
    heart: float  # half its width
    dome: float
    ribs: int
    rib_slope: float
    body: float  # half the width of the trunk

    @staticmethod
    def drawn(rng: np.random.Generator) -> "Anatomy":
        """A random patient."""
        return Anatomy(
            lung_width=rng.uniform(0.25, 0.31),
            lung_top=rng.uniform(0.09, 0.15),
            lung_bottom=rng.uniform(0.76, 0.86),
            roundness=rng.uniform(0.5, 0.75),
            heart=rng.uniform(0.10, 0.135),
            dome=rng.uniform(0.05, 0.09),
            ribs=int(rng.integers(8, 11)),
            rib_slope=rng.uniform(0.05, 0.14),
            body=rng.uniform(0.42, 0.48),
        )


@dataclass(frozen=True)
class Rim:
    """A pneumothorax: where the air is, and how thick at its thickest, in fractions of the image."""

    side: str
    place: str
    thickness: float


@dataclass(frozen=True)
class Exposure:
    """What differs from image to image of a patient.

    Attributes:
        ap: Taken from the front, lying: a larger heart, higher domes, less contrast.
        heart: Factor of its width; above 1.35 it is too large.
        effusion: Height of fluid in the angle of one lung, in fractions of the image; 0: none.
        drain: A chest tube. marker: A metal letter. Both on a side that says nothing.
    """

    ap: bool = False
    heart: float = 1.0
    effusion: float = 0.0
    drain: bool = False
    marker: bool = False


def draw_phantom(
    anatomy: Anatomy,
    exposure: Exposure,
    rim: Rim | None,
    *,
    seed: int | list[int],
    size: int = 256,
) -> tuple[np.ndarray, np.ndarray]:
    """One radiograph, a pure function of its arguments.

    The same arguments without the rim give the same image without the pneumothorax, to the pixel
    outside of it.

    Returns:
        Grey values (size, size) uint8, and where the pneumothorax is (size, size) bool.
    """
    rng = np.random.default_rng(seed)
    canvas = _Canvas(size, rng)
    lungs = {side: _lung(anatomy, exposure, side) for side in SIDES}
    inside = {side: canvas.filled(outline) for side, outline in lungs.items()}  # (S, S) 0..1
    air = np.zeros((size, size), dtype=np.float32)
    pleura = np.zeros((0, 2))
    if rim is not None:
        pleura, area = _collapse(lungs[rim.side], rim)
        air = canvas.filled(area) * inside[rim.side]
    image = _soft_parts(canvas, anatomy, exposure, inside)
    image += VESSEL * _vessels(canvas, lungs, rng) * np.maximum(*inside.values()) * (1 - air)
    image += RIM * air
    if rim is not None:
        image += PLEURA * canvas.stroked([pleura], 0.007) * inside[rim.side]
    image += _bones(canvas, anatomy)
    image += _foreign(canvas, lungs, exposure, rng)
    return _exposed(image, exposure, rng), air > 0.5


class _Canvas:
    """Shapes as images (S, S) of 0 to 1, turned and moved as the patient stood."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size = size
        self.angle, self.scale = rng.normal(0, 0.03), rng.uniform(0.92, 1.03)
        self.shift = rng.normal(0, 0.015, 2)

    def _pixels(self, points: Points) -> list[tuple[float, float]]:
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = (points - 0.5) @ np.array([[cos, sin], [-sin, cos]]) * self.scale
        return [tuple(p) for p in (turned + 0.5 + self.shift) * self.size * OVERSAMPLING]

    def _blank(self) -> tuple[Image.Image, ImageDraw.ImageDraw]:
        image = Image.new("L", (self.size * OVERSAMPLING,) * 2)
        return image, ImageDraw.Draw(image)

    def _finished(self, image: Image.Image, blur: float = 0.0) -> np.ndarray:
        image = image.reduce(OVERSAMPLING)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.size))
        return np.asarray(image, dtype=np.float32) / 255

    def filled(self, outline: Points, *, blur: float = 0.0) -> np.ndarray:
        """The inside of an outline; `blur` in fractions of the image."""
        image, draw = self._blank()
        draw.polygon(self._pixels(outline), fill=255)
        return self._finished(image, blur)

    def stroked(
        self,
        lines: list[Points],
        width: float | list[float],
        *,
        levels: list[int] | None = None,
        blur: float = 0.0,
    ) -> np.ndarray:
        """Lines of a width in fractions of the image, each with its own level 0..255."""
        image, draw = self._blank()
        widths = [width] * len(lines) if isinstance(width, float) else width
        for line, wide, level in zip(lines, widths, levels or [255] * len(lines), strict=True):
            pixels = max(1, round(wide * self.size * OVERSAMPLING))
            draw.line(self._pixels(line), fill=level, width=pixels, joint="curve")
        return self._finished(image, blur)


def _lung(anatomy: Anatomy, exposure: Exposure, side: str) -> Points:
    """The outline from the apex down the chest wall (60 points), then back along the middle."""
    lift = 0.05 if exposure.ap else 0.0
    bottom, top = anatomy.lung_bottom - lift, anatomy.lung_top
    t = np.linspace(0, 1, 60)
    wall_x = 0.40 - (anatomy.lung_width + 0.02) * np.sin(np.pi / 2 * t**anatomy.roundness)
    wall = np.stack([wall_x, top + (bottom - top) * t], axis=1)
    s = np.linspace(0, 1, 30)[1:]
    dome = np.stack(
        [
            wall_x[-1] + (0.435 - wall_x[-1]) * s,
            bottom - anatomy.dome * np.sin(np.pi * s) - 0.02 * s,
        ],
        axis=1,
    )
    heart = anatomy.heart * exposure.heart * (1.15 if exposure.ap else 1.0)
    u = np.linspace(1, 0, 30)[1:]
    reach = (0.35 if side == RIGHT else 1.0) * heart * np.exp(-(((u - 0.82) / 0.22) ** 2))
    middle = np.stack([0.445 - 0.02 * (1 - u) - reach, top + (dome[-1, 1] - top) * u], axis=1)
    outline = np.concatenate([wall, dome, middle])
    return outline if side == RIGHT else outline * [-1, 1] + [1, 0]


def _collapse(outline: Points, rim: Rim) -> tuple[Points, Points]:
    """The pleura of a lung that has left the wall, and the outline of the air between them."""
    wall = outline[:60]
    t = np.linspace(0, 1, 60)
    if rim.place == APICAL:
        depth = np.exp(-((t / 0.5) ** 2))
    else:
        depth = np.sin(np.pi * (0.12 + 0.88 * t)) ** 0.8
    centre = np.array([outline[:, 0].mean(), outline[:, 1].mean() + 0.05])
    inwards = centre - wall
    inwards /= np.linalg.norm(inwards, axis=1, keepdims=True)
    pleura = wall + inwards * (depth * rim.thickness)[:, None]
    return pleura[depth > 0.1], np.concatenate([wall, pleura[::-1]])


def _soft_parts(
    canvas: _Canvas, anatomy: Anatomy, exposure: Exposure, inside: dict[str, np.ndarray]
) -> np.ndarray:
    """Body, mediastinum, heart, belly and lungs, without anything in them."""
    a = np.linspace(0, 2 * np.pi, 60)
    body = np.stack(
        [
            0.5 + anatomy.body * np.sign(np.cos(a)) * np.abs(np.cos(a)) ** 0.5,
            0.6 + 0.62 * np.sin(a),
        ],
        axis=1,
    )
    image = AIR + (TISSUE - AIR) * canvas.filled(body, blur=0.02)
    lungs = np.maximum(*inside.values())
    image += (LUNG - TISSUE) * lungs
    column = np.array([[0.43, 0.0], [0.57, 0.0], [0.6, 1.0], [0.4, 1.0]])
    image += (HEART - TISSUE) * canvas.filled(column, blur=0.02) * (1 - lungs)
    below = anatomy.lung_bottom - (0.05 if exposure.ap else 0) - 0.5 * anatomy.dome
    belly = np.array([[0.02, below], [0.98, below], [0.98, 1.2], [0.02, 1.2]])
    image += (BELLY - TISSUE) * canvas.filled(belly, blur=0.02) * (1 - lungs)
    if exposure.effusion:
        level = anatomy.lung_bottom - (0.05 if exposure.ap else 0) - exposure.effusion
        fluid = np.array([[0.0, level - 0.06], [0.3, level], [0.5, level], [0.5, 1.0], [0.0, 1.0]])
        image += (BELLY - LUNG) * canvas.filled(fluid, blur=0.015) * lungs
    return image


def _vessels(canvas: _Canvas, lungs: dict[str, Points], rng: np.random.Generator) -> np.ndarray:
    """Branches from the hila to the walls, thinner and fainter outwards, and fine ones all over."""
    lines, widths, levels = [], [], []
    for outline in lungs.values():
        low, high = outline.min(axis=0), outline.max(axis=0)
        hilum = np.array([0.5 + 0.16 * np.sign(outline[:, 0].mean() - 0.5) * 0.7, 0.45])
        for _ in range(46):
            end = outline[rng.integers(len(outline))] + rng.normal(0, 0.02, 2)
            sway = rng.normal(0, 0.03, 2)
            t = np.linspace(0, 1, 9)[:, None]
            path = hilum + (end - hilum) * t + sway * np.sin(np.pi * t)
            for k, (a, b) in enumerate(zip(path[:-1], path[1:], strict=True)):
                lines.append(np.stack([a, b]))
                widths.append(0.011 * (1 - k / 8) + 0.003)
                levels.append(int(255 * (1 - 0.07 * k)))
        starts = rng.uniform(low, high, (170, 2))
        ways = starts - hilum + rng.normal(0, 0.08, (170, 2))
        ways *= rng.uniform(0.03, 0.075, (170, 1)) / np.linalg.norm(ways, axis=1, keepdims=True)
        lines += [np.stack([a, a + w]) for a, w in zip(starts, ways, strict=True)]
        widths += [0.004] * 170
        levels += [int(v) for v in rng.integers(70, 190, 170)]
    return canvas.stroked(lines, widths, levels=levels)


def _bones(canvas: _Canvas, anatomy: Anatomy) -> np.ndarray:
    """Ribs, at the back and in front, and clavicles."""
    back, front, x = [], [], np.linspace(0, 1, 24)
    for n in range(anatomy.ribs):
        y = anatomy.lung_top + 0.02 + n * 0.74 / anatomy.ribs
        for mirror in (False, True):
            arc = np.stack(
                [0.44 - 0.36 * x, y - 0.05 * np.sin(2.4 * x) + anatomy.rib_slope * x**2], 1
            )
            low = np.stack([0.09 + 0.27 * x, y + 0.06 + 0.12 * x + 0.03 * np.sin(3 * x)], axis=1)
            back.append(arc * [-1, 1] + [1, 0] if mirror else arc)
            front.append(low * [-1, 1] + [1, 0] if mirror else low)
    clavicle = np.stack([0.46 - 0.36 * x, 0.17 - 0.06 * x + 0.02 * np.sin(5 * x)], axis=1)
    clavicles = [clavicle, clavicle * [-1, 1] + [1, 0]]
    ribs = canvas.stroked(back, 0.024, blur=0.003) + 0.5 * canvas.stroked(front, 0.022, blur=0.005)
    return RIB * ribs + CLAVICLE * canvas.stroked(clavicles, 0.026, blur=0.003)


def _foreign(
    canvas: _Canvas, lungs: dict[str, Points], exposure: Exposure, rng: np.random.Generator
) -> np.ndarray:
    """Skin folds, a drain, a marker: what is no part of the lung."""
    image = np.zeros((canvas.size, canvas.size), dtype=np.float32)
    fold_side, drain_side = (SIDES[i] for i in rng.integers(0, 2, 2))
    start, bend = rng.uniform(0.25, 0.6), rng.uniform(-0.05, 0.05)
    if rng.random() < 0.6:
        wall = lungs[fold_side][8:44]
        towards = (0.5 - wall) * [1, 0]
        t = np.linspace(0, 1, len(wall))[:, None]
        fold = wall + towards * (0.12 + 0.25 * t) + [[0, bend]] * t
        image += FOLD * canvas.stroked([fold], 0.007)
    mirror = -1 if drain_side == LEFT else 1
    t = np.linspace(0, 1, 30)
    tube = np.stack(
        [
            0.5 - mirror * (0.5 - 0.36 * t - 0.02 * np.sin(3 * t)),
            start + 0.32 - 0.38 * t**1.5 + bend,
        ],
        axis=1,
    )
    if exposure.drain:
        image += DRAIN * (canvas.stroked([tube], 0.018) - 0.6 * canvas.stroked([tube], 0.008))
    corner = np.array([0.5 - mirror * 0.4, 0.07])
    if exposure.marker:
        bar = np.array([[0.0, 0.0], [0.0, 0.05], [0.03, 0.05]])
        image += MARKER * canvas.stroked([bar + corner], 0.012)
    return image


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
