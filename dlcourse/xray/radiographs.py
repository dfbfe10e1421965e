"""From a folder of radiographs to decoded images with a split each, nothing silently dropped."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from dlcourse.errors import InputError
from dlcourse.splits import Split, check_no_leak, named_groups
from dlcourse.xray.archive import read_archive
from dlcourse.xray.cache import decoded_images
from dlcourse.xray.chestmnist import chestmnist_in, read_chestmnist
from dlcourse.xray.official import Official
from dlcourse.xray.studies import Study
from dlcourse.xray.subset import Subset


@dataclass(frozen=True, eq=False)
class Radiographs:
    """What a folder holds.

    Attributes:
        studies: Every image that was found; one that takes no part has a reason.
        images: (M, H, W) uint8, memory-mapped, of all that were decoded.
        rows: (N,) the place of each that takes part among the images.
        without_image: Rows of the index whose image is not here, as in every part of the archive.
    """

    studies: list[Study]
    images: np.ndarray
    rows: np.ndarray
    without_image: int = 0

    @cached_property
    def kept(self) -> list[Study]:
        """Those that take part."""
        return [study for study in self.studies if not study.reason]


def read_radiographs(
    root: str | Path,
    *,
    size: int,
    subset: Subset,
    split: Split | None,
    cache: str | Path,
    index: str | Path | None = None,
) -> Radiographs:
    """Read, choose, decode and split what a folder in the archive's layout holds.

    Args:
        size: Pixels; images become squares of this size.
        cache: The folder in which decoded images are kept.
        index: The folder of the CSV files, where they are not in the root.

    Raises:
        InputError: The folder, its index or the split is not what it has to be; a patient stands
            in two splits; no image can be used.
    """
    if own := chestmnist_in(root, size=size):
        return _read_own(own, subset=subset, split=split, cache=cache)
    archive = read_archive(root, index=index)
    studies = subset.choose(archive.studies)
    chosen = [study for study in studies if not study.reason]
    decoded = decoded_images([study.path for study in chosen], size=size, folder=cache)
    reasons = {study.file: decoded.errors.get(str(study.path), "") for study in chosen}
    kept = [study for study in chosen if not reasons[study.file]]
    if not kept:
        why = next(study.reason or reasons[study.file] for study in studies)
        raise InputError(
            f"{root}: none of {len(studies)} images can be used; {studies[0].file}: {why}"
        )
    if split is None:
        raise InputError(f"{root}: split=null is for ChestMNIST; choose official, patient or folds")
    if isinstance(split, Official):
        split = split.within(Path(index or root))
    contents = [decoded.digests[str(study.path)] for study in kept]
    splits = dict(zip([s.file for s in kept], split_by_patient(kept, contents, split), strict=True))
    studies = [
        replace(
            study,
            reason=study.reason or reasons[study.file],
            split=splits.get(study.file, ""),
            sha1=decoded.digests.get(str(study.path), ""),
        )
        for study in studies
    ]
    rows = np.flatnonzero([not reasons[study.file] for study in chosen])
    return Radiographs(studies, decoded.images, rows, archive.without_image)


def _read_own(path: Path, *, subset: Subset, split: Split | None, cache: str | Path) -> Radiographs:
    """ChestMNIST, whose images have one size and whose parts are its split."""
    if split is not None:
        raise InputError(
            f"{path}: ChestMNIST names no patients, so that only its own split can be believed: "
            f"split=null"
        )
    studies, images = read_chestmnist(path, folder=cache)
    studies = subset.choose(studies)
    rows = np.flatnonzero([not study.reason for study in studies])
    studies = [replace(study, split="" if study.reason else study.split) for study in studies]
    return Radiographs(studies, images, rows)


def split_by_patient(
    studies: Sequence[Study], contents: Sequence[Hashable], split: Split
) -> list[str]:
    """The split of each study; images of one patient, and images of one content, are one group.

    Raises:
        InputError: A patient stands in two splits; names who.
    """
    keys = [
        (("patient", study.patient), ("content", content))
        for study, content in zip(studies, contents, strict=True)
    ]
    groups = named_groups(keys, [study.patient for study in studies])
    names = [study.file for study in studies]
    splits = split.assign(groups, names)
    check_no_leak(groups, splits, names, what="the patient")
    return splits
