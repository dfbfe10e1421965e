"""The README's row of a run of songs, or of the pooled folds of one."""

from collections.abc import Mapping
from typing import Any

from dlcourse.music.results import MODEL
from dlcourse.reproduction.expectations import Figure


def results_row(results: Mapping[str, Any]) -> dict[str, Figure]:
    """The model's NLL, and that of copying and of counting, from a `results.json`."""
    rows = results["test"]
    return {
        "nll": Figure(rows[MODEL]["nll"], rows[MODEL]["nll_interval"]),
        "copying": Figure(rows["copy the last frame"]["nll"]),
        "counts": Figure(rows["interpolated counts"]["nll"]),
    }
