"""Whom a phantom shows: the outlines of a patient, an exposure, and a pneumothorax."""

from dataclasses import dataclass

import numpy as np

from dlcourse.xray.phantom_canvas import Points

APICAL, LATERAL = PLACES = ("apical", "lateral")
RIGHT, LEFT = SIDES = ("right", "left")  # the patient's; the right one is on the image's left
WALL = 60  # points of a lung's outline that lie on the chest wall


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
    """A pneumothorax: where the air is, and which share of the way to the hilum the lung went."""

    side: str
    place: str
    collapse: float


@dataclass(frozen=True)
class Exposure:
    """What differs from image to image of a patient.

    Attributes:
        ap: Taken from the front, lying: a larger heart, higher domes, less contrast.
        heart: Factor of its width; above 1.35 it is too large.
        effusion: Height of fluid in the angle of one lung, in fractions of the image; 0: none.
        emphysema: A part of a lung is dark and poor in vessels, with no line about it.
        drain: A chest tube. marker: A metal letter. Both on a side that says nothing.
    """

    ap: bool = False
    heart: float = 1.0
    effusion: float = 0.0
    emphysema: bool = False
    drain: bool = False
    marker: bool = False


def lung_outline(anatomy: Anatomy, exposure: Exposure, side: str) -> Points:
    """The outline from the apex down the chest wall (60 points), then back along the middle."""
    lift = 0.05 if exposure.ap else 0.0
    bottom, top = anatomy.lung_bottom - lift, anatomy.lung_top
    t = np.linspace(0, 1, WALL)
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


def collapse(outline: Points, rim: Rim) -> tuple[Points, Points]:
    """The pleura of a lung that has left the wall, and the outline of the air between them."""
    wall = outline[:WALL]
    t = np.linspace(0, 1, WALL)
    if rim.place == APICAL:
        depth = np.exp(-((t / 0.5) ** 2))
    else:
        depth = np.sin(np.pi * (0.12 + 0.88 * t)) ** 0.8
    # Towards the hilum, at the middle's side of the lung, as a lung collapses.
    middle = outline[:, 0].max() if rim.side == RIGHT else outline[:, 0].min()
    hilum = np.array([middle, outline[:, 1].mean() + 0.03])
    pleura = wall + (hilum - wall) * (depth * rim.collapse)[:, None]
    return pleura[depth > 0.1], np.concatenate([wall, pleura[::-1]])
