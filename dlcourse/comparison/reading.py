"""Run folders as records, and in what they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlcourse.comparison.gathering import gather
from dlcourse.comparison.loading import load_options, load_record
from dlcourse.comparison.options import GRID, completed, varying_options
from dlcourse.comparison.records import Record
from dlcourse.progress import progress_bar


@dataclass(frozen=True)
class Reading:
    """What is compared, read.

    Attributes:
        folder: Where a report belongs.
        varying: The options that differ, without those that make a repetition.
    """

    title: str
    folder: Path
    records: list[Record]
    varying: list[str]


def read_records(folders: Sequence[str | Path]) -> Reading:
    """Every job of sweeps and every run of run folders, as records.

    A damaged file costs its own row something, never the others.

    Raises:
        InputError: A folder is missing or holds no run.
    """
    gathered = gather(folders)
    known = [load_options(job) for job in progress_bar(gathered.jobs, "reading configs")]
    whole = [options for options, error in known if error is None]
    partial = [options for options, error in known if error is not None]
    varying = varying_options(whole, partial, swept=gathered.swept)
    records = []
    jobs = progress_bar(gathered.jobs, "reading runs", total=len(known))
    for job, (options, error) in zip(jobs, known, strict=True):
        if error is not None:
            options = completed(options, [*varying, GRID], whole)
        records.append(load_record(job, options, error=error or None))
    return Reading(gathered.title, gathered.folder, records, varying)
