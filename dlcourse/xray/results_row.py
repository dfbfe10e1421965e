"""The README's row of a run of radiographs, or of the pooled folds of one."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from dlcourse.reproduction.expectations import Figure
from dlcourse.xray.evaluation import METADATA, MODEL


def results_row(results: Mapping[str, Any]) -> dict[str, Figure]:
    """The model's AUROC, that of metadata, and where the maps point, from a `results.json`.

    Folds have an AUROC of metadata each, of which this is the mean.
    """
    if "folds" in results:
        of_folds = [fold[METADATA] for fold in results["folds"].values()]
        defined = [value for value in of_folds if value is not None]
        metadata = fmean(defined) if defined else None
        return {
            "auroc": Figure(results["auroc"], results["auroc_interval"]),
            "metadata": Figure(metadata),
        }
    rows = results["test"]
    return {
        "auroc": Figure(rows[MODEL]["auroc"], rows[MODEL]["auroc_interval"]),
        "metadata": Figure(rows[METADATA]["auroc"]),
        **_pointing(results),
    }


def _pointing(results: Mapping[str, Any]) -> dict[str, Figure]:
    """The share of maps whose maximum lies in the finding, and that of the best guess."""
    scores = (results.get("localisation") or {}).get("scores", {}).get("pointing", {})
    if not scores.get("model"):
        return {}
    figures = {"pointing": Figure(scores["model"]["mean"], scores["model"]["interval"])}
    if scores["prior"]:
        figures["guess"] = Figure(scores["prior"]["mean"])
    return figures
