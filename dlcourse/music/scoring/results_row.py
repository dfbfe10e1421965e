"""The README's row of a run of songs, or of the pooled folds of one."""

from collections.abc import Mapping
from typing import Any

from dlcourse.music.scoring.measures import MODEL
from dlcourse.music.scoring.results import measures_of, own_rival
from dlcourse.reproduction.expectations import Figure


def results_row(results: Mapping[str, Any]) -> dict[str, Figure]:
    """The model's NLL, and that of copying and of counting, from a `results.json`.

    Where several baselines copy or count, the best one of the model's own kind of likelihood is
    shown: "Markov chain of keys" beside a factorised model, "Markov chain of frames" beside a
    joint one.
    """
    rows, measures = results["test"], measures_of(results)
    return {
        "nll": Figure(rows[MODEL]["nll"], rows[MODEL]["nll_interval"]),
        "copying": Figure(rows[own_rival(results, measures.copying)]["nll"]),
        "counts": Figure(rows[own_rival(results, measures.counts)]["nll"]),
    }
