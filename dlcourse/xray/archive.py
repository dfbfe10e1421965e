"""The layout of ChestX-ray14 on disk: index files beside a folder of images.

    images/00000013_026.png           patient 13, follow-up 26
    Data_Entry_2017_v2020.csv         a row an image: findings, patient, age, sex, view
    BBox_List_2017.csv                boxes of radiologists, pixels of the 1024 x 1024 image
    train_val_list.txt, test_list.txt the official split, see `official`
    google2019_adjudicated_labels.csv what a panel said of some images (optional)
    masks/<same name>, phantoms.csv   where the pneumothorax is, side facts (phantoms only)

A part of the archive is normal: rows without an image are counted, images without a row are listed.

Source: Wang et al., ChestX-ray8, CVPR 2017; labels of a panel: Majkowska et al., Radiology 2020.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from dlcourse.errors import InputError
from dlcourse.files import write_rows
from dlcourse.trust.strange_files import file_fault
from dlcourse.trust.terminal import one_line
from dlcourse.xray.image_limits import MOST_BYTES
from dlcourse.xray.studies import FINDINGS, NO_FINDING, Box, Study
from dlcourse.xray.tables import read_table

INDEX_FILES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOX_FILE, PANEL_FILE = "BBox_List_2017.csv", "google2019_adjudicated_labels.csv"
NOTES_FILE, MASK_FOLDER = "phantoms.csv", "masks"
IMAGE_SUFFIXES = (".png", ".dcm", ".dicom")
FRAME = 1024  # pixels of the images to which the boxes refer
OLDEST = 120  # years; the archive has patients of 414
_NAME = "Image Index"
_COLUMNS = (_NAME, "Finding Labels", "Follow-up #", "Patient ID", "Patient Age")
_COLUMNS += ("Patient Gender", "View Position")
_BOX_COLUMNS = (_NAME, "Finding Label", "Bbox [x", "y", "w", "h]")
_OTHER_SPELLINGS = {"Infiltrate": "Infiltration"}  # the box file's
_AGES_A_YEAR = {"": 1, "Y": 1, "M": 12, "D": 365}


@dataclass(frozen=True, eq=False)
class Archive:
    """What a folder holds: every image that was found, and how many rows of the index have none."""

    studies: list[Study]
    without_image: int


def read_archive(root: str | Path, *, index: str | Path | None = None) -> Archive:
    """Every image below a folder, in the order of `Study.file`, with what the index says of it.

    The index names images by their base name. An image that it does not name, whose base name
    another image has too, or that is a pipe or far too large has a `reason`. Hidden files and
    folders called masks are passed over.

    Args:
        index: The folder of the CSV files, where they are not in the root.

    Raises:
        InputError: There is no such folder, no index, no image; a file is not what it has to be.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; data.root=<folder> names one with radiographs")
    folder = root if index is None else Path(index)
    rows, missing = read_index(folder), f"not in {_index_file(folder).name}"
    masks = {path.stem: path for path in (root / MASK_FOLDER).glob("*.png")}
    studies, seen = [], dict[str, str]()
    for file, path in sorted(_images(root)):
        name = path.name
        study = rows.get(name) or Study(name, None, patient_of(name), reason=missing)
        same = f"{one_line(seen[name])} has the same name" if name in seen else study.reason
        reason = same or file_fault(path, most=MOST_BYTES)
        study = replace(study, file=file, path=path, mask=masks.get(path.stem), reason=reason)
        seen.setdefault(name, file)
        studies.append(study)
    if not studies:
        raise InputError(f"{root}: holds no image: no file ends in {', '.join(IMAGE_SUFFIXES)}")
    return Archive(studies, len(rows.keys() - seen.keys()))


def _images(root: Path) -> Iterator[tuple[str, Path]]:
    """The images below a folder, links followed: path below it with forward slashes, path."""
    visited = set()
    for folder, inner, names in os.walk(root, followlinks=True, onerror=_refuse):
        real = os.path.realpath(folder)
        if real in visited:  # a link to a folder that contains it
            inner.clear()
            continue
        visited.add(real)
        inner[:] = sorted(n for n in inner if not n.startswith(".") and n != MASK_FOLDER)
        place = Path(folder)
        prefix = "" if place == root else f"{place.relative_to(root).as_posix()}/"
        for name in names:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield prefix + name, place / name


def _refuse(error: OSError) -> NoReturn:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from error


def patient_of(name: str) -> str:
    """The patient that an image's name begins with: "13" of "00000013_026.png"."""
    return _plain(Path(name).stem.partition("_")[0])


def _plain(patient: str) -> str:
    """Without leading zeros, so that 13 of the index and 00000013 of a file name are the same."""
    patient = patient.strip()
    return (patient.lstrip("0") or "0") if patient.isdecimal() else patient


def read_index(folder: str | Path) -> dict[str, Study]:
    """What the index files of a folder say, by image name; whether an image is there or not.

    Raises:
        InputError: There is none, or it is not in the archive's form; names file and row.
    """
    folder, studies = Path(folder), dict[str, Study]()
    for where, row in read_table(_index_file(folder), _COLUMNS):
        study = _study(row, where)
        first = studies.setdefault(study.file, study)
        if (first.patient, first.findings) != (study.patient, study.findings):
            raise InputError(
                f"{where}: {one_line(study.file)} is of patient {one_line(study.patient)} with "
                f"{_labels(study)}; a row above says patient {one_line(first.patient)} with "
                f"{_labels(first)}: keep one of them"
            )
    for name, facts in _more(folder).items():
        if name in studies:
            studies[name] = replace(studies[name], **facts)
    return studies


def _index_file(folder: Path) -> Path:
    for name in INDEX_FILES:
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"{folder}: holds neither {' nor '.join(INDEX_FILES)}; one of them is needed, "
        f"data.index=<folder> names another place"
    )


def _study(row: dict[str, str], where: str) -> Study:
    name = row[_NAME].strip()
    labels = [label.strip() for label in row["Finding Labels"].split("|")]
    return Study(
        file=name,
        path=None,
        patient=_plain(row["Patient ID"]) or patient_of(name),
        findings=frozenset(_finding(label, where) for label in labels if label != NO_FINDING),
        age=_age(row["Patient Age"].strip(), where),
        sex=row["Patient Gender"].strip(),
        view=row["View Position"].strip(),
        follow_up=_follow_up(row["Follow-up #"].strip(), where),
    )


def _finding(label: str, where: str) -> str:
    label = _OTHER_SPELLINGS.get(label, label)
    if label not in FINDINGS:
        known = ", ".join((NO_FINDING, *FINDINGS))
        raise InputError(f"{where}: unknown finding {one_line(label)!r}; known are {known}")
    return label


def _age(text: str, where: str) -> int | None:
    """Years, as 58, 058Y, 012M or 003D; None where nothing is said, and above `OLDEST`."""
    match = re.fullmatch(r"([0-9]{1,6})([YMD]?)", text)
    if match is None and text:
        raise InputError(
            f"{where}: {one_line(text)!r} is no age; years are needed, or 058Y, 012M, 003D"
        )
    years = int(match[1]) // _AGES_A_YEAR[match[2]] if match else None
    return None if years is None or years > OLDEST else years


def _follow_up(text: str, where: str) -> int | None:
    if text and not re.fullmatch(r"[0-9]{1,6}", text):
        raise InputError(
            f"{where}: {one_line(text)!r} is no follow-up number; 0 or a whole number is needed"
        )
    return int(text) if text else None


def _more(folder: Path) -> dict[str, dict[str, object]]:
    """What the optional files of a folder say: fields of `Study` by image name."""
    facts: dict[str, dict[str, object]] = defaultdict(dict)
    boxes: dict[str, list[Box]] = defaultdict(list)
    if (folder / BOX_FILE).is_file():
        for where, row in read_table(folder / BOX_FILE, _BOX_COLUMNS):
            boxes[row[_NAME].strip()].append(_box(row, where))
    if (folder / PANEL_FILE).is_file():
        for _, row in read_table(folder / PANEL_FILE, (_NAME, "Pneumothorax")):
            said = {name: row[name] == "YES" for name in row if row[name] in ("YES", "NO")}
            facts[row[_NAME].strip()]["adjudicated"] = said
    if (folder / NOTES_FILE).is_file():
        for _, row in read_table(folder / NOTES_FILE, (_NAME,)):
            notes = {name: value for name, value in row.items() if name != _NAME}
            facts[row[_NAME].strip()]["notes"] = notes
    for name, own in boxes.items():
        facts[name]["boxes"] = tuple(own)
    return facts


def _box(row: dict[str, str], where: str) -> Box:
    finding = _finding(row["Finding Label"].strip(), where)
    try:
        x, y, width, height = (float(row[name]) / FRAME for name in _BOX_COLUMNS[2:])
    except ValueError as error:
        raise InputError(
            f"{where}: x, y, width and height are needed ({one_line(error)})"
        ) from error
    if not (0 <= x < x + width < 1.001 and 0 <= y < y + height < 1.001):
        numbers = one_line(", ".join(row[name] for name in _BOX_COLUMNS[2:]))
        raise InputError(f"{where}: {numbers} is no box within {FRAME} x {FRAME} pixels")
    return Box(finding, x, y, width, height)


def write_ledger(studies: Sequence[Study], path: str | Path, *, without_image: int = 0) -> None:
    """Write `studies.csv`: every image found, kept or left out and why, its split, its label.

    A last row, which names no file, says how many rows of the index have no image here.
    """
    columns = ("file", "kept", "reason", "split", "patient", "findings", "age", "sex", "view")
    columns += ("follow_up", "boxes", "mask", "adjudicated", "sha1")
    rows: list[tuple[object, ...]] = [columns]
    for s in studies:
        panel = "|".join(f"{f}={'yes' if so else 'no'}" for f, so in s.adjudicated.items())
        fate = (s.file, "no" if s.reason else "yes", s.reason, s.split, s.patient)
        facts = (_labels(s), s.age, s.sex, s.view, s.follow_up, len(s.boxes))
        rows.append((*fate, *facts, "yes" if s.mask else "no", panel, s.sha1))
    if without_image:
        rows.append(("", "no", f"{without_image} rows of the index have no image here"))
    write_rows(path, rows)


def _labels(study: Study) -> str:
    return "|".join(sorted(study.findings)) or NO_FINDING
