"""From folders to a comparison, and to its report."""

from collections.abc import Sequence
from pathlib import Path

from dlcourse.comparison.comparable import shared_baselines, what_differs
from dlcourse.comparison.notes import notes
from dlcourse.comparison.reading import read_records
from dlcourse.comparison.records import Comparison, Record
from dlcourse.comparison.run_table import write_csv
from dlcourse.comparison.statistics import (
    Yardstick,
    choose_yardstick,
    differences_to_best,
    group_records,
    main_effects,
)
from dlcourse.comparison.tables import write_markdown
from dlcourse.comparison.verdict import not_comparable, verdict


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Everything that is to be said of a sweep, or of some run folders.

    Raises:
        InputError: A folder is missing or holds no run.
    """
    reading = read_records(folders)
    records, varying = reading.records, reading.varying
    yardstick = choose_yardstick(records)
    reasons = what_differs(records)
    groups = group_records(records, varying, yardstick=yardstick, ranked=not reasons)
    differences = [] if reasons else differences_to_best(groups, yardstick)
    return Comparison(
        title=reading.title,
        folder=reading.folder,
        records=records,
        varying=varying,
        yardstick=yardstick.metric,
        lower_is_better=yardstick.lower_is_better,
        unit=_unit(records, yardstick),
        groups=groups,
        baselines={} if reasons else shared_baselines(records),
        differences=differences,
        effects=[] if reasons else main_effects(groups, varying, yardstick=yardstick),
        verdict=not_comparable(reasons) if reasons else verdict(groups, differences, yardstick),
        notes=notes(records, groups, varying=varying, yardstick=yardstick, reasons=reasons),
    )


def write_report(
    folders: Sequence[str | Path], *, output: str | Path | None = None
) -> tuple[Comparison, list[Path]]:
    """Write report.html, report.md and report.csv into the sweep's folder.

    Args:
        folders: A sweep, or any number of sweeps and run folders.
        output: Another folder for the three files.

    Returns:
        What was compared, and the files that were written.

    Raises:
        InputError: A folder is missing or holds no run.
    """
    from dlcourse.comparison.page.page import write_page

    comparison = compare(folders)
    folder = comparison.folder if output is None else Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"report.{kind}" for kind in ("html", "md", "csv")]
    for path, write in zip(paths, (write_page, write_markdown, write_csv), strict=True):
        write(comparison, path)
    return comparison, paths


def _unit(records: Sequence[Record], yardstick: Yardstick) -> str:
    """`NLL on the test split in nats per 16th, lower is better`."""
    units = {record.tested["unit"] for record in records if "unit" in record.tested}
    # Only likelihoods have the unit: an area under a curve is a share.
    unit = f" in {' or '.join(sorted(units))}" if units and yardstick.metric == "nll" else ""
    direction = "lower" if yardstick.lower_is_better else "higher"
    return f"{yardstick.title} on the test split{unit}, {direction} is better"
