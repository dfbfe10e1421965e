"""Comparisons of runs that never were: numbers from a seed, curves that look like learning."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.comparison.comparable import shared_baselines
from dlcourse.comparison.notes import notes
from dlcourse.comparison.records import Comparison, Record
from dlcourse.comparison.statistics import (
    choose_yardstick,
    differences_to_best,
    group_records,
    main_effects,
)
from dlcourse.comparison.verdict import verdict

LOSSES = ("cross_entropy", "focal", "label_smoothing", "set_softmax")


def compared(
    records: Sequence[Record], varying: Sequence[str], *, folder: Path = Path("sweep")
) -> Comparison:
    """What is to be said of records, without any folder being read."""
    yardstick = choose_yardstick(records)
    groups = group_records(records, varying, yardstick=yardstick)
    differences = differences_to_best(groups, yardstick)
    return Comparison(
        title="a/sweep",
        folder=folder,
        records=list(records),
        varying=list(varying),
        yardstick=yardstick.metric,
        lower_is_better=yardstick.lower_is_better,
        unit=f"{yardstick.title} on the test split",
        groups=groups,
        baselines=shared_baselines(records),
        differences=differences,
        effects=main_effects(groups, varying, yardstick=yardstick),
        verdict=verdict(groups, differences, yardstick),
        notes=notes(records, groups, varying=varying, yardstick=yardstick, reasons=[]),
    )


def run(place: int, seed: int, options: dict[str, str], *, steps: int = 60, **more: Any) -> Record:
    """A finished run; `place` says how good its setting is, 0 is best."""
    rng = np.random.default_rng([place, seed])
    worth = 1.0 + 0.04 * place + 0.01 * rng.normal()
    name = "_".join([*(f"{k}-{v}" for k, v in options.items()), f"seed-{seed}"])
    known = {
        "name": name,
        "folder": Path("sweep") / name,
        "state": "done",
        "options": {**options, "seed": str(seed)},
        "metrics": {"nll": worth, "top1": 0.8 - 0.1 * worth},
        "baselines": {"bigram": {"nll": 1.6, "top1": 0.55}},
        "curves": curves(worth, steps, rng),
        "times": {step: 0.021 * step + 0.1 for step in range(1, steps + 1)},
        "seconds": 20.0 + seed,
        "command": f"python scripts/train.py seed={seed}",
        "provenance": {
            "git_revision": "84b8bbcf55d6487b3e96a135ba75e32725174f7c",
            "git_changes": [],
            "python": "3.11.7",
            "versions": {"torch": "2.14.1"},
        },
    }
    return Record(**(known | more))


def curves(worth: float, steps: int, rng: np.random.Generator) -> dict[int, dict[str, float]]:
    """Values by step: training at every one, validation at every fifth."""
    rows = {}
    for step in range(1, steps + 1):
        progress = math.exp(-6 * step / steps)
        rows[step] = {
            "train/loss": worth + 3 * progress + 0.1 * float(rng.normal()),
            "train/rate": 0.01 * (1 - step / steps),
        }
        if step % 5 == 0:
            value = worth + 3.2 * progress + 0.03 * float(rng.normal())
            rows[step] |= {"val/loss": value * 0.9, "val/nll": value, "val/top1": 0.8 - 0.1 * value}
    return rows


def sweep(losses: Sequence[str] = LOSSES, *, seeds: int = 4, steps: int = 60) -> Comparison:
    """A sweep of losses, with several seeds each."""
    runs = [
        run(place, seed, {"loss": loss}, steps=steps)
        for place, loss in enumerate(losses)
        for seed in range(seeds)
    ]
    return compared(runs, ["loss"])


def grid(*, seeds: int = 3, steps: int = 60) -> Comparison:
    """Losses by optimizers."""
    runs = [
        run(i + 3 * (j % 2), seed, {"loss": loss, "optimizer": optimizer}, steps=steps)
        for i, loss in enumerate(LOSSES[:3])
        for j, optimizer in enumerate(("adam", "sgd"))
        for seed in range(seeds)
    ]
    return compared(runs, ["loss", "optimizer"])
