"""What runs are laid beside each other by: pictures and sounds with keys, curves with titles.

<run>/gallery.json    pictures and sounds; the same key in two runs is the same subject
<run>/overlays.json   curves; those of the same title are drawn into one diagram

Both are optional: a run of which nothing comparable is left has none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.errors import InputError
from dlcourse.files import write_json
from dlcourse.left_json import read_json

GALLERY, OVERLAYS = "gallery.json", "overlays.json"
IMAGE, AUDIO = "image", "audio"
DIAGONAL = "diagonal"
POINTS = 100  # of a curve at most: enough for a diagram, and small for many runs on a page


@dataclass(frozen=True)
class MediaItem:
    """A picture or a sound that a run left.

    Attributes:
        kind: `IMAGE` or `AUDIO`.
        key: What is shown, whatever the model; in a gallery no two of a kind have the same.
        caption: What this run says of it.
        file: Its path relative to the run folder, with forward slashes.
    """

    kind: str
    key: str
    caption: str
    file: str


@dataclass(frozen=True)
class Overlay:
    """A curve of a run, to be drawn over those of other runs.

    Attributes:
        x: (P,) in the order in which the points are joined.
        y: (P,).
        xlabel: Of the axis.
        ylabel: Of the axis.
        guide: `DIAGONAL` where the line y = x means something, such as chance; or None.
    """

    x: list[float]
    y: list[float]
    xlabel: str
    ylabel: str
    guide: str | None = None


def write_gallery(folder: str | Path, items: Iterable[MediaItem]) -> None:
    """Write `gallery.json`; the files have to lie in the run folder already."""
    items = list(items)
    assert len({(item.kind, item.key) for item in items}) == len(items), "a key twice"
    write_json(Path(folder) / GALLERY, [asdict(item) for item in items])


def read_gallery(folder: str | Path) -> list[MediaItem]:
    """The pictures and sounds of a run; none where it left no gallery.

    Raises:
        InputError: The file is damaged.
    """
    path = Path(folder) / GALLERY
    try:
        return [MediaItem(**item) for item in _read(path, list)]
    except TypeError as error:
        raise InputError(f"{path}: damaged: {error}; run the job anew") from error


def write_overlays(folder: str | Path, curves: Mapping[str, Overlay]) -> None:
    """Write `overlays.json`: curves by title, each thinned to `POINTS`."""
    written = {}
    for title, curve in curves.items():
        x, y = thinned(np.asarray(curve.x, float), np.asarray(curve.y, float))
        written[title] = asdict(curve) | {"x": x.tolist(), "y": y.tolist()}
    write_json(Path(folder) / OVERLAYS, written)


def read_overlays(folder: str | Path) -> dict[str, Overlay]:
    """The curves of a run by title; none where it left none.

    Raises:
        InputError: The file is damaged.
    """
    path = Path(folder) / OVERLAYS
    try:
        return {title: Overlay(**curve) for title, curve in _read(path, dict).items()}
    except (TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged: {error}; run the job anew") from error


def _read(path: Path, kind: type) -> Any:
    return read_json(path, kind, advice="run the job anew") or kind()


def thinned(x: np.ndarray, y: np.ndarray, *, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Some of a curve's own points (P,), both ends and the corners among them.

    The point that changes the area below the curve least goes first, again and again.

    Source: Visvalingam and Whyatt, Line generalisation by repeated elimination of points, 1993.
    """
    keep = np.arange(len(x))
    while len(keep) > points:
        dx, dy = np.diff(x[keep]), np.diff(y[keep])
        triangles = np.abs(dx[:-1] * dy[1:] - dx[1:] * dy[:-1])  # twice the areas
        keep = np.delete(keep, 1 + triangles.argmin())
    return x[keep], y[keep]
