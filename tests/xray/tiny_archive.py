"""A few radiographs in the archive's layout, written by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
ROWS = (
    "00000001_000.png,Cardiomegaly|Emphysema,0,1,57,M,PA,2682,2749,0.143,0.143",
    "00000001_001.png,No Finding,1,1,58,M,AP,2682,2749,0.143,0.143",
    "00000013_026.png,Pneumothorax,26,13,414,F,AP,2682,2749,0.143,0.143",
    "00000020_000.png,Infiltration,0,20,40,F,PA,2682,2749,0.143,0.143",
)


def write_index(
    folder: Path,
    rows: Sequence[str] = ROWS,
    *,
    header: str = HEADER,
    name: str = "Data_Entry_2017_v2020.csv",
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return folder


def write_image(path: Path, *, seed: int = 0, size: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path
