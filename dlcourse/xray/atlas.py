"""The failure atlas: radiographs with their class activation maps, on one page, from disk.

    folder/index.html             the page: filters, orders, maps (see `atlas_page`)
    folder/predictions.csv        a row an image
    folder/0001-<name>-image.png  what the network saw, grey
    folder/0001-<name>-evidence.png, -class0.png, -class1.png
                                  overlays: red for, blue against, clear where nothing is added
    folder/0001-<name>-mask.png   the outline of a mask, where there is one

Every overlay has the same scale of colours in all images, so that weak maps look weak.

Shape legend: C classes, H W image pixels, h w feature-map cells.

Source: 2018 lab 2, part 2, "to ponder".
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image

from dlcourse.files import write_rows, write_text, written_whole
from dlcourse.xray.atlas_cards import Atlas, plain
from dlcourse.xray.atlas_page import atlas_page
from dlcourse.xray.atlas_records import AtlasEntry, Record, atlas_records, same_finding
from dlcourse.xray.cam import upsample
from dlcourse.xray.overlay import TRUTH, shared_limit

PAGE, TABLE = "index.html", "predictions.csv"
COLUMNS = ("file", "patient", "label", "probability", "outcome", "threshold")
COLUMNS += ("view", "age", "sex", "follow_up", "evidence_max", "x", "y", "inside")
SHADES = 127  # of each sign; with "none" a palette of 255
_RECORDS = Callable[[Iterable[Record]], Iterable[Record]]


def write_atlas(
    entries: Sequence[AtlasEntry],
    folder: str | Path,
    *,
    title: str,
    finding: str,
    threshold: float,
    facts: Mapping[str, object],
    command: str = "",
    bias: np.ndarray | None = None,
    classes: Sequence[str] = (),
    size: int = 384,
    progress: _RECORDS = lambda records: records,
) -> Path:
    """Write pictures, table and page, each whole or not at all; the page comes last.

    A page that was in the folder goes first, so that none ever shows pictures of another run.

    Args:
        entries: One image or more, with maps of the same C.
        finding: The positive class, such as "Pneumothorax".
        threshold: The least probability that is called positive.
        facts: Shown above the images: the run, the checkpoint, where the threshold comes from.
        command: That makes the atlas again.
        bias: (C,) of the last layer: `cams.mean((-2, -1)) + bias` are the logits.
        classes: Names of the C classes; can be left out when C is 1 (the finding) or 2 (none, the
            finding). One has to be the finding, of two the second.
        size: Pixels of an image on the page.
        progress: Wraps the loop over the images.

    Returns:
        The page.

    Raises:
        InputError: A mask cannot be read.
        ValueError: No entry, or classes that do not fit.
    """
    names = _class_names(entries, finding, classes)
    index = next(i for i, name in enumerate(names) if same_finding(name, finding))
    records = atlas_records(entries, finding=finding, threshold=threshold, index=index)
    atlas = Atlas(
        title=title, finding=finding, threshold=threshold, classes=names, facts=facts,
        limit=shared_limit([record.evidence for record in records]),
        class_limit=shared_limit([entry.cams for entry in entries]), command=command, size=size,
        colours=palette(), bias=None if bias is None else _evidence_bias(bias, index),
    )  # fmt: skip
    return _write(records, Path(folder), atlas, progress)


def _write(records: Sequence[Record], folder: Path, atlas: Atlas, progress: _RECORDS) -> Path:
    for name in (PAGE, TABLE):
        (folder / name).unlink(missing_ok=True)
    for record in progress(records):
        _write_pictures(record, folder, atlas)
    write_predictions(records, folder / TABLE, threshold=atlas.threshold)
    write_text(folder / PAGE, atlas_page(records, atlas))
    return folder / PAGE


def _class_names(
    entries: Sequence[AtlasEntry], finding: str, classes: Sequence[str]
) -> tuple[str, ...]:
    counts = {len(entry.cams) for entry in entries}
    if len(counts) != 1:
        raise ValueError(f"an atlas needs images whose maps have the same classes, not {counts}")
    (count,) = counts
    defaults = {1: (finding,), 2: (f"no {plain(finding)}", finding)}
    names = tuple(classes) or defaults.get(count, ())
    places = [i for i, name in enumerate(names) if same_finding(name, finding)]
    if len(names) != count or len(places) != 1 or (count == 2 and places != [1]):
        raise ValueError(
            f"{count} classes need as many names, {finding!r} (second of two): {names}"
        )
    return names


def _evidence_bias(bias: np.ndarray, index: int) -> float:
    return float(bias[1] - bias[0]) if len(bias) == 2 else float(bias[index])


def palette() -> np.ndarray:
    """(255, 4) uint8 RGBA: from all against by way of nothing at all, `SHADES`, to all for.

    matplotlib's RdBu_r without its dark ends, which vanish on a radiograph's black.
    """
    level = np.arange(-SHADES, SHADES + 1) / SHADES
    colours = matplotlib.colormaps["RdBu_r"](0.5 + 0.4 * level)
    colours[:, 3] = np.abs(level)
    return np.rint(255 * colours).astype(np.uint8)


def overlay_picture(values: np.ndarray, size: tuple[int, int], *, limit: float) -> Image.Image:
    """A map as colours to be laid over a radiograph.

    Args:
        values: (h, w) contributions; they are brought to the size, bilinear.
        size: H and W.
        limit: The contribution that is opaque, above 0; larger ones are clipped to it.

    Returns:
        A picture with `palette`, a third of the bytes of RGBA; `convert("RGBA")` shows the latter.
    """
    cells = torch.from_numpy(np.asarray(values, np.float32))[None, None]
    large = upsample(cells, size)[0, 0].numpy()
    shades = np.rint(np.clip(large / limit, -1, 1) * SHADES) + SHADES
    return _with_palette(shades.astype(np.uint8), palette())


def outline_picture(mask: np.ndarray) -> Image.Image:
    """The pixels of a mask (H, W) with a neighbour outside, beside or above; clear elsewhere."""
    wide = np.pad(mask, 1)
    within = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    ink = [int(TRUTH[i : i + 2], 16) for i in (1, 3, 5)]
    return _with_palette((mask & ~within).astype(np.uint8), np.array([[*ink, 0], [*ink, 255]]))


def _with_palette(pixels: np.ndarray, colours: np.ndarray) -> Image.Image:
    picture = Image.fromarray(pixels)
    picture.putpalette(colours[:, :3].astype(np.uint8).tobytes())
    picture.info["transparency"] = colours[:, 3].astype(np.uint8).tobytes()
    return picture


def _write_pictures(record: Record, folder: Path, atlas: Atlas) -> None:
    entry, size = record.entry, record.entry.image.shape
    pictures = {"image": Image.fromarray(entry.image)}
    pictures["evidence"] = overlay_picture(record.evidence, size, limit=atlas.limit)
    if len(atlas.classes) > 1:  # a single class's map is the evidence
        for number, values in enumerate(entry.cams):
            pictures[f"class{number}"] = overlay_picture(values, size, limit=atlas.class_limit)
    if record.mask is not None:
        pictures["mask"] = outline_picture(record.mask)
    for name, picture in pictures.items():
        with written_whole(folder / f"{record.stem}-{name}.png") as partial:
            picture.save(partial)


def write_predictions(records: Sequence[Record], path: str | Path, *, threshold: float) -> None:
    """Write a CSV table with a row an image; what is not known is an empty cell.

    Its columns are `COLUMNS` and `note_<name>` of each note. `evidence_max`, `x` and `y` are the
    map's maximum and where it lies, as fractions of width and height; `inside`, yes or no, whether
    that is in the mask or a box of the finding.
    """
    notes = list(dict.fromkeys(name for record in records for name in record.entry.study.notes))
    header = [*COLUMNS, *(f"note_{name}" for name in notes)]
    rows = [
        [*_row(record, threshold), *(record.entry.study.notes.get(name, "") for name in notes)]
        for record in records
    ]
    write_rows(path, [header, *rows])


def _row(record: Record, threshold: float) -> list[object]:
    entry, study = record.entry, record.entry.study
    inside = None if record.inside is None else "yes" if record.inside else "no"
    return [
        study.file, study.patient, entry.label, float(entry.probability), record.outcome,
        float(threshold), study.view, study.age, study.sex, study.follow_up, record.peak,
        record.x, record.y, inside,
    ]  # fmt: skip
