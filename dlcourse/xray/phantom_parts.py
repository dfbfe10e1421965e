"""What a phantom is made of, each as brightness to add to an image: tissue, vessels, bones.

Brightness is in grey values of a well-exposed image, 0 black to 255 white.
"""

from itertools import pairwise

import numpy as np

from dlcourse.xray.phantom_anatomy import LEFT, SIDES, Anatomy, Exposure
from dlcourse.xray.phantom_canvas import Canvas, Points

AIR, TISSUE, LUNG, HEART, BELLY = 6.0, 168.0, 74.0, 205.0, 196.0
RIB, CLAVICLE, VESSEL = 17.0, 24.0, 46.0
REACH = 0.86  # how far out vessels are seen, as a share of the way to the wall
FOLD, DRAIN, MARKER = 26.0, 62.0, 80.0


def soft_parts(
    canvas: Canvas, anatomy: Anatomy, exposure: Exposure, inside: dict[str, np.ndarray]
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


def vessels(canvas: Canvas, lungs: dict[str, Points], rng: np.random.Generator) -> np.ndarray:
    """Branches from the hila outwards, thinner and fainter, and fine ones all over.

    They end before the wall, as in every lung: a smooth edge of the chest says nothing.
    """
    lines, widths, levels = [], [], []
    for outline in lungs.values():
        low, high = outline.min(axis=0), outline.max(axis=0)
        hilum = np.array([0.5 + 0.16 * np.sign(outline[:, 0].mean() - 0.5) * 0.7, 0.45])
        for _ in range(46):
            end = outline[rng.integers(len(outline))] + rng.normal(0, 0.02, 2)
            sway = rng.normal(0, 0.03, 2)
            t = np.linspace(0, 1, 9)[:, None]
            path = hilum + (end - hilum) * t + sway * np.sin(np.pi * t)
            for k, (a, b) in enumerate(pairwise(path)):
                lines.append(np.stack([a, b]))
                widths.append(0.011 * (1 - k / 8) + 0.003)
                levels.append(int(255 * (1 - 0.07 * k)))
        starts = rng.uniform(low, high, (170, 2))
        ways = starts - hilum + rng.normal(0, 0.08, (170, 2))
        ways *= rng.uniform(0.03, 0.075, (170, 1)) / np.linalg.norm(ways, axis=1, keepdims=True)
        lines += [np.stack([a, a + w]) for a, w in zip(starts, ways, strict=True)]
        widths += [0.004] * 170
        levels += [int(v) for v in rng.integers(70, 190, 170)]
    centres = {side: outline.mean(axis=0) for side, outline in lungs.items()}
    inner = [
        canvas.filled(centres[side] + REACH * (outline - centres[side]), blur=0.012)
        for side, outline in lungs.items()
    ]
    return VESSEL * canvas.stroked(lines, widths, levels=levels) * np.maximum(*inner)


def bulla(
    canvas: Canvas, lungs: dict[str, Points], exposure: Exposure, rng: np.random.Generator
) -> np.ndarray:
    """Where emphysema has taken the vessels (S, S) of 0 to 1: a soft ellipse at a lung's wall."""
    side, along = SIDES[rng.integers(2)], rng.integers(10, 40)
    width, height = rng.uniform(0.05, 0.1), rng.uniform(0.1, 0.17)
    if not exposure.emphysema:
        return np.zeros((canvas.size, canvas.size), dtype=np.float32)
    a = np.linspace(0, 2 * np.pi, 40)
    centre = lungs[side][along] * [0.75, 1.0] + [0.125, 0.0]
    ellipse = centre + np.stack([width * np.cos(a), height * np.sin(a)], axis=1)
    return canvas.filled(ellipse, blur=0.012)


def bones(canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
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


def foreign(
    canvas: Canvas, lungs: dict[str, Points], exposure: Exposure, rng: np.random.Generator
) -> np.ndarray:
    """Skin folds, a drain, a marker: what is no part of the lung."""
    image = np.zeros((canvas.size, canvas.size), dtype=np.float32)
    fold_side, drain_side = (SIDES[i] for i in rng.integers(0, 2, 2))
    start, bend = rng.uniform(0.25, 0.6), rng.uniform(-0.05, 0.05)
    if rng.random() < 0.7:
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
