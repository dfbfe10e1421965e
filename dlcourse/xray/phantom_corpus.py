"""A folder of phantoms in exactly the archive's layout, so that the same reader reads both."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from dlcourse.errors import InputError
from dlcourse.made_folders import made_folder
from dlcourse.xray.archive import BOX_FILE, FRAME, INDEX_FILES, MASK_FOLDER, NOTES_FILE
from dlcourse.xray.official import TEST_LIST, TRAIN_VAL_LIST
from dlcourse.xray.phantom import draw_phantom
from dlcourse.xray.phantom_anatomy import PLACES, SIDES, Anatomy, Exposure, Rim
from dlcourse.xray.studies import NO_FINDING, PNEUMOTHORAX

CONFOUNDERS = ("none", "balanced", "biased")
# The archive's own headers, cell by cell.
INDEX_HEADER = ("Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age")
INDEX_HEADER += ("Patient Gender", "View Position", "OriginalImage[Width", "Height]")
INDEX_HEADER += ("OriginalImagePixelSpacing[x", "y]")
BOX_HEADER = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]", "", "", "")
NOTES_HEADER = ("Image Index", "drain", "marker", "side", "place", "collapse")
SICK, SHOWN = 0.5, 0.75  # share of patients with a pneumothorax; of their images that show it
LEAST, MOST = 0.3, 0.75  # collapse: shares of the way to the hilum
LARGE_HEART = 1.35
PIXEL_MM = 0.143


@dataclass(frozen=True)
class _Sitter:
    """A patient: what is the same in all images."""

    number: int
    anatomy: Anatomy
    age: int
    sex: str
    side: str
    place: str
    sick: bool
    images: int


def write_phantoms(
    folder: str | Path,
    *,
    patients: int,
    seed: int = 0,
    size: int = 256,
    confounders: str = "balanced",
    progress: Callable[[Iterable[int]], Iterable[int]] = lambda items: items,
) -> None:
    """Draw a corpus, whole or not at all; one that is there as it was drawn is left alone.

    An image is a pure function of (seed, patient, number): a larger corpus begins with the same.

    Args:
        size: Pixels of the square files.
        confounders: Drains and markers: "none"; "balanced", as often with a pneumothorax as
            without; "biased", drains where a pneumothorax is, as in hospitals that treat it.
        progress: Wraps the loop over the patients.

    Raises:
        InputError: An option that cannot be.
    """
    if confounders not in CONFOUNDERS:
        raise InputError(
            f"data.source.confounders={confounders}: choose one of {', '.join(CONFOUNDERS)}"
        )
    if patients < 1 or size < 32 or seed < 0:
        raise InputError(
            f"{patients} phantoms of {size} px, seed {seed}: at least 1, of at least 32 px, and a "
            f"seed of at least 0"
        )

    def fill(partial: Path) -> None:
        for inner in ("images", MASK_FOLDER):
            (partial / inner).mkdir()
        rows: list[_Row] = []
        for number in progress(range(1, patients + 1)):
            sitter = _sitter(number, seed)
            for image in range(sitter.images):
                rows.append(_draw(sitter, image, partial, seed=seed, size=size, bias=confounders))
        _write_tables(rows, partial)

    made_folder(folder, fill)


@dataclass(frozen=True)
class _Row:
    """What the tables say of an image."""

    name: str
    patient: int
    index: tuple[object, ...]
    notes: tuple[object, ...]
    box: tuple[float, ...] | None


def _sitter(number: int, seed: int) -> _Sitter:
    rng = np.random.default_rng([seed, number, 0])
    anatomy = Anatomy.drawn(rng)
    sick = bool(rng.random() < SICK)
    age = int(np.clip(rng.normal(46 if sick else 50, 17), 5, 92))
    sex = "M" if rng.random() < (0.6 if sick else 0.53) else "F"
    side, place = SIDES[rng.integers(2)], PLACES[rng.integers(2)]
    images = int(rng.choice([1, 2, 3, 4], p=[0.45, 0.3, 0.15, 0.1]))
    return _Sitter(number, anatomy, age, sex, side, place, sick, images)


def _draw(sitter: _Sitter, number: int, folder: Path, *, seed: int, size: int, bias: str) -> _Row:
    rng = np.random.default_rng([seed, sitter.number, number + 1])
    shown = sitter.sick and bool(rng.random() < SHOWN)
    collapse = LEAST + (MOST - LEAST) * rng.beta(1.3, 1.8)
    rim = Rim(sitter.side, sitter.place, float(collapse)) if shown else None
    exposure = _exposure(rng, shown=shown, bias=bias)
    pixels, mask = draw_phantom(
        sitter.anatomy, exposure, rim, seed=[seed, sitter.number, number + 1, 1], size=size
    )
    name = f"{sitter.number:08d}_{number:03d}.png"
    Image.fromarray(pixels).save(folder / "images" / name)
    if rim is not None:
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / MASK_FOLDER / name)
    index = (
        name, _findings(exposure, shown=shown), number, sitter.number, sitter.age + number // 2,
        sitter.sex, "AP" if exposure.ap else "PA", size, size, PIXEL_MM, PIXEL_MM,
    )  # fmt: skip
    where = (rim.side, rim.place, f"{rim.collapse:.3f}") if rim is not None else ("", "", "")
    notes = (name, *("yes" if x else "no" for x in (exposure.drain, exposure.marker)), *where)
    return _Row(name, sitter.number, index, notes, None if rim is None else _box(mask))


def _exposure(rng: np.random.Generator, *, shown: bool, bias: str) -> Exposure:
    drain = {"none": 0.0, "balanced": 0.25, "biased": 0.8 if shown else 0.05}[bias]
    large, wet = rng.random() < 0.12, rng.random() < 0.1
    heart = rng.uniform(1.4, 1.7) if large else rng.uniform(0.9, 1.15)
    return Exposure(
        ap=bool(rng.random() < (0.42 if shown else 0.36)),
        heart=float(heart),
        effusion=float(rng.uniform(0.05, 0.14)) if wet else 0.0,
        emphysema=bool(rng.random() < 0.2),
        drain=bool(rng.random() < drain),
        marker=bool(rng.random() < (0.0 if bias == "none" else 0.6)),
    )


def _findings(exposure: Exposure, *, shown: bool) -> str:
    seen = {
        "Cardiomegaly": exposure.heart > LARGE_HEART,
        "Effusion": exposure.effusion > 0,
        "Emphysema": exposure.emphysema,
        PNEUMOTHORAX: shown,
    }
    return "|".join(name for name, there in seen.items() if there) or NO_FINDING


def _box(mask: np.ndarray) -> tuple[float, ...]:
    """The tight box of a mask: x, y, width, height in pixels of the archive's frame."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    x, y = columns[0], rows[0]
    box = np.array([x, y, columns[-1] + 1 - x, rows[-1] + 1 - y])
    return tuple(float(v) for v in box * FRAME / len(mask))


def _write_tables(rows: Sequence[_Row], folder: Path) -> None:
    boxes = [(r.name, PNEUMOTHORAX, *r.box) for r in rows if r.box is not None]
    tables: Iterator[tuple[str, Sequence[object], Iterable[Sequence[object]]]] = iter(
        [
            (INDEX_FILES[0], INDEX_HEADER, (r.index for r in rows)),
            (BOX_FILE, BOX_HEADER, boxes),
            (NOTES_FILE, NOTES_HEADER, (r.notes for r in rows)),
        ]
    )
    for name, header, body in tables:
        with open(folder / name, "w", newline="", encoding="utf-8") as out:
            csv.writer(out, lineterminator="\n").writerows([header, *body])
    for name, wanted in ((TEST_LIST, True), (TRAIN_VAL_LIST, False)):
        names = [r.name for r in rows if (r.patient % 4 == 0) == wanted]
        (folder / name).write_text("".join(f"{n}\n" for n in names), encoding="utf-8")
