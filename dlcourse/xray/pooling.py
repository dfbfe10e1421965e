"""One table of several runs that tested different patients: the folds of a cross-validation."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse import text_tables
from dlcourse.errors import InputError
from dlcourse.xray.bootstrap import bootstrap_ranking, interval
from dlcourse.xray.evaluation import INTERVAL, METADATA
from dlcourse.xray.roc import compute_pr, compute_roc

Rows = tuple[np.ndarray, np.ndarray, list[str]]  # truths (N,), probabilities (N,), patients


def pooled(folders: Sequence[Path], results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """AUROC and average precision over all held-out images of all folds, and fold by fold.

    Every image was scored by the one network that had not seen its patient. Networks differ in how
    high they score, so that the pooled AUROC is a little below what each of them deserves.

    Args:
        folders: Of the runs, whose `predictions.csv` are read.
        results: Their `results.json`, in the same order.
    """
    parts = [read_scores(folder / "predictions.csv") for folder in folders]
    truths, scores = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    patients = [patient for part in parts for patient in part[2]]
    drawn = bootstrap_ranking(truths, scores, patients)
    ends = (None, None)
    if drawn is not None:
        ends = (interval(drawn.auroc[0]), interval(drawn.average_precision[0]))
    both = 0 < truths.sum() < len(truths)
    return {
        "lab": "xray",
        "finding": results[0]["finding"],
        "images": len(truths),
        "patients": len(set(patients)),
        "positives": int(truths.sum()),
        "auroc": compute_roc(truths, scores)[2] if both else None,
        "auroc_interval": ends[0],
        "average_precision": compute_pr(truths, scores)[2] if both else None,
        "average_precision_interval": ends[1],
        "folds": {
            folder.name: {name: result["test"][name]["auroc"] for name in ("model", METADATA)}
            for folder, result in zip(folders, results, strict=True)
        },
        "interval": INTERVAL,
        "pooled_runs": len(folders),
    }


def read_scores(path: Path) -> Rows:
    """What a run's `predictions.csv` says of one finding.

    Raises:
        InputError: It is missing, or of several findings.
    """
    try:
        with open(path, newline="", encoding="utf-8") as lines:
            rows = [
                (int(row["label"]), float(row["probability"]), row["patient"])
                for row in csv.DictReader(lines)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: no table of one finding's scores ({error}): runs of several findings are "
            f"not pooled"
        ) from error
    truths, scores, patients = zip(*rows, strict=True)
    return np.array(truths, dtype=bool), np.array(scores), list(patients)


def as_markdown(table: dict[str, Any], *, title: str) -> str:
    """`results.md` of the sweep."""
    lines = [
        f"# {text_tables.as_markdown(title)}",
        "",
        f"{table['finding']} in {table['images']} images of {table['patients']} patients, each "
        f"tested once by a network that had not seen the patient; {table['positives']} are "
        f"positive. Interval: {table['interval']}. **Not for diagnosis.**",
        "",
        "| | AUROC | average precision |",
        "|---|---|---|",
        f"| pooled | {_cell(table, 'auroc')} | {_cell(table, 'average_precision')} |",
        "",
        "| fold | model, AUROC | metadata only, AUROC |",
        "|---|---|---|",
    ]
    for name, fold in table["folds"].items():
        lines.append(f"| {name} | {_number(fold['model'])} | {_number(fold[METADATA])} |")
    means = [_mean([fold[who] for fold in table["folds"].values()]) for who in ("model", METADATA)]
    lines.append(f"| mean | {means[0]} | {means[1]} |")
    return "\n".join(lines) + "\n"


def _cell(table: dict[str, Any], key: str) -> str:
    ends = table[f"{key}_interval"]
    return _number(table[key]) + (f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else "")


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _mean(values: Sequence[float | None]) -> str:
    defined = [value for value in values if value is not None]
    return f"{np.mean(defined):.3f} of {len(defined)}" if defined else "not defined"
