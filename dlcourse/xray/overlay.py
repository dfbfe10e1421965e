"""Pictures of class activation maps: one signed scale of colours for all images side by side.

Red speaks for the finding, blue against it, and where nothing does either the radiograph is left
as it is. The same value has the same colour in every image that shares a limit, so that a weak map
looks weak; a scale for each image by itself, which paints noise as evidence, has to be asked for.

Shape legend: H W image pixels, h w feature-map cells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from dlcourse.files import written_whole
from dlcourse.xray.cam import upsample
from dlcourse.xray.studies import Box

FOR, AGAINST = "#c4001d", "#0b54b8"  # told apart by the colour-blind too
# As inks on white paper; an odd number of colours, so that 0 is white.
COLOURS = LinearSegmentedColormap.from_list("evidence", [AGAINST, "white", FOR], N=511)
TRUTH = "#ffd400"
SCALES = ("shared", "image")


@dataclass(frozen=True, eq=False)
class PanelRow:
    """One radiograph of a panel.

    Attributes:
        image: (H, W) uint8.
        map: (h, w) contributions to the log-odds; see `cam.evidence`.
        title: Such as `row_title` makes.
        mask: (H, W) true where the finding is; its outline is drawn.
        boxes: Drawn as well.
    """

    image: np.ndarray
    map: np.ndarray
    title: str = ""
    mask: np.ndarray | None = None
    boxes: Sequence[Box] = ()


def shared_limit(maps: Iterable[np.ndarray], *, quantile: float = 0.995) -> float:
    """The size of contribution that gets the full colour in all of the maps; the rest is clipped.

    A quantile of the absolute values of all cells of all maps, so that one outlier does not pale
    the others; 1 when every cell is 0.
    """
    values = np.concatenate([np.abs(np.asarray(values)).ravel() for values in maps])
    return float(np.quantile(values, quantile, method="lower")) or float(values.max()) or 1.0


def overlay(
    image: np.ndarray,
    values: np.ndarray,
    *,
    limit: float,
    opacity: float = 0.5,
    scale: str = "shared",
) -> np.ndarray:
    """Lay the inks of a map over a radiograph, the more opaque the larger the contribution.

    Args:
        image: (H, W) uint8.
        values: (h, w) contributions; they are brought to the size of the image.
        limit: The contribution that gets the full colour, above 0; the rest is clipped.
        opacity: Share of the ink there; it falls in proportion, to none at 0.
        scale: "shared" for `limit`; "image" for the largest contribution in this image instead,
            whose colours cannot be compared with those of any other.

    Returns:
        (H, W, 3) uint8.
    """
    level = _levels(values, image.shape, limit=limit, scale=scale)  # -1 to 1
    alpha = opacity * np.abs(level)[..., None]
    ink = 255 * np.where(level[..., None] > 0, to_rgb(FOR), to_rgb(AGAINST))
    blended = (1 - alpha) * image[..., None] + alpha * ink
    return np.rint(blended).astype(np.uint8)


def _levels(values: np.ndarray, size: tuple[int, int], *, limit: float, scale: str) -> np.ndarray:
    if scale not in SCALES or not limit > 0:
        raise ValueError(f"scale={scale!r}, limit={limit}: one of {SCALES}, and above 0")
    values = np.asarray(values, np.float64)
    if scale == "image":
        limit = np.abs(values).max() or 1.0
    large = upsample(torch.from_numpy(values)[None, None], size)[0, 0].numpy()
    return np.clip(large / limit, -1, 1)


def row_title(file: str, *, probability: float, actual: bool, threshold: float = 0.5) -> str:
    """What became of a radiograph (TP, FP, FN or TN), its probability and its file."""
    predicted = probability >= threshold
    outcome = ("T" if predicted == actual else "F") + ("P" if predicted else "N")
    return f"{outcome}, probability {probability:.3f}, {file}"


def draw_panel(
    rows: Sequence[PanelRow],
    path: str | Path,
    *,
    limit: float | None = None,
    opacity: float = 0.5,
    unit: str = "contribution to the log-odds",
) -> None:
    """Write `panel_figure` as a PNG, whole or not at all."""
    figure = panel_figure(rows, limit=limit, opacity=opacity, unit=unit)
    with written_whole(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)


def panel_figure(
    rows: Sequence[PanelRow],
    *,
    limit: float | None = None,
    opacity: float = 0.5,
    unit: str = "contribution to the log-odds",
) -> Figure:
    """Radiograph, map and overlay of each row, and the scale of colours that they share.

    Args:
        limit: Of the scale; that of `shared_limit` over the rows when None.
        opacity: See `overlay`.
        unit: Beside the colour bar.
    """
    limit = shared_limit([row.map for row in rows]) if limit is None else limit
    # Not pyplot: it keeps every figure in a global list and is not safe in threads.
    figure = Figure(figsize=(9.6, 3.2 * len(rows) + 0.2), layout="constrained", dpi=110)
    axes = figure.subplots(len(rows), 3, squeeze=False)
    norm = Normalize(-limit, limit)
    for row, (left, middle, right) in zip(rows, axes, strict=True):
        level = _levels(row.map, row.image.shape, limit=limit, scale="shared")
        _show(left, row.image, row, cmap="gray", vmin=0, vmax=255)
        _show(middle, level * limit, row, cmap=COLOURS, norm=norm, outline="black")
        _show(right, overlay(row.image, row.map, limit=limit, opacity=opacity), row)
        left.set_title(row.title, loc="left", fontsize=9, parse_math=False)
    shrink = 0.9 / len(rows) ** 0.5
    colours = ScalarMappable(norm, COLOURS)
    bar = figure.colorbar(colours, ax=axes, extend="both", shrink=shrink, pad=0.02)
    bar.set_label(unit)
    return figure


def draw_pair(row: PanelRow, path: str | Path, *, limit: float, opacity: float = 0.5) -> None:
    """Write a row's radiograph and overlay side by side, nothing else, as a PNG: for a gallery.

    Args:
        limit: The contribution that gets the full colour; see `overlay`.
    """
    figure = Figure(figsize=(4.84, 2.4), dpi=150)
    left, right = figure.subplots(
        1, 2, gridspec_kw={"left": 0, "right": 1, "bottom": 0, "top": 1, "wspace": 0.02}
    )
    _show(left, row.image, row, cmap="gray", vmin=0, vmax=255)
    _show(right, overlay(row.image, row.map, limit=limit, opacity=opacity), row)
    with written_whole(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)


def _show(
    axes: Axes, image: np.ndarray, row: PanelRow, *, outline: str = TRUTH, **colours: object
) -> None:
    high, wide = image.shape[:2]
    axes.imshow(image, interpolation="nearest", **colours)
    axes.set_axis_off()
    if row.mask is not None and row.mask.any():
        # A margin, so that an outline at the border of the image is closed.
        edge = np.arange(-1, max(row.mask.shape) + 1)
        mask = np.pad(row.mask.astype(float), 1)
        axes.contour(
            edge[: mask.shape[1]], edge[: mask.shape[0]], mask, [0.5], colors=outline, linewidths=1
        )
    for box in row.boxes:
        corner = (box.x * wide - 0.5, box.y * high - 0.5)  # imshow's pixels are centred on integers
        size = (box.width * wide, box.height * high)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=outline, linewidth=1))
    axes.set(xlim=(-0.5, wide - 0.5), ylim=(high - 0.5, -0.5))


def save_png(array: np.ndarray, path: str | Path) -> None:
    """Write (H, W) grey or (H, W, 3) colour uint8 as a PNG of just these pixels, whole."""
    with written_whole(path) as partial:
        Image.fromarray(array).save(partial)
