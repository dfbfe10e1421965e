"""Whether the numbers of some runs may be put beside each other at all."""

import math
from collections.abc import Iterable, Sequence

from dlcourse.comparison.options import REPEATS, SEED
from dlcourse.comparison.records import Record
from dlcourse.comparison.statistics import Repeat, repeat_of
from dlcourse.runs import DONE

_SAME = 1e-6  # relative; a baseline has no randomness but the order of its additions


def finished(records: Iterable[Record]) -> list[Record]:
    """The runs that are done and have test results."""
    return [record for record in records if record.state == DONE and record.metrics]


def what_differs(records: Sequence[Record]) -> list[str]:
    """Why the runs are not to be compared, in words; nothing when they are.

    Runs of one fold have to agree in unit, in what was scored and in every trivial baseline: these
    depend on nothing but the data and their encoding.
    """
    reasons = [
        f"{key} is not the same for all ({'; '.join(sorted(values))})"
        for key in dict.fromkeys(key for record in finished(records) for key in record.tested)
        if len(values := {r.tested.get(key, "none") for r in finished(records)}) > 1
        and not _follows_from_fold(key, records)
    ]
    if unequal := _unequal_baselines(records):
        reasons.append(f"trivial baselines score differently on their data ({', '.join(unequal)})")
    return reasons


def shared_baselines(records: Sequence[Record]) -> dict[str, dict[str, float]]:
    """The baselines of comparable runs: means over the folds, each fold counted once."""
    by_fold = {_data_of(record): record.baselines for record in finished(records)}
    found: dict[str, dict[str, list[float]]] = {}
    for rows in by_fold.values():
        for name, row in rows.items():
            for metric, value in row.items():
                found.setdefault(name, {}).setdefault(metric, []).append(value)
    return {
        name: {metric: math.fsum(values) / len(values) for metric, values in row.items()}
        for name, row in found.items()
    }


def folds_of(records: Iterable[Record]) -> set[Repeat]:
    """The different test data that were meant to be different: folds, splits."""
    return {_data_of(record) for record in records}


def _data_of(record: Record) -> Repeat:
    return tuple(v for key, v in zip(REPEATS, repeat_of(record), strict=True) if key != SEED)


def _follows_from_fold(key: str, records: Sequence[Record]) -> bool:
    """Whether runs of the same fold agree in it: folds are of different sizes."""
    by_fold: dict[Repeat, str] = {}
    return len(folds_of(records)) > 1 and all(
        by_fold.setdefault(_data_of(record), value) == value
        for record in finished(records)
        for value in [record.tested.get(key, "none")]
    )


def _unequal_baselines(records: Sequence[Record]) -> list[str]:
    first: dict[tuple[Repeat, str, str], float] = {}
    unequal = {}
    for record in finished(records):
        for name, row in record.baselines.items():
            for metric, value in row.items():
                seen = first.setdefault((_data_of(record), name, metric), value)
                if not math.isclose(seen, value, rel_tol=_SAME, abs_tol=_SAME):
                    unequal[name] = None
    return list(unequal)
