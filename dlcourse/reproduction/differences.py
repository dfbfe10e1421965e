"""Two runs of the same config, number by number: whether they are one, and where they part."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.metrics_file import METRICS_FILE, read_metrics
from dlcourse.runs import BEST, LAST, Run
from dlcourse.trust.checkpoints import read_checkpoint

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"
_NO_NUMBER = ("epoch",)  # of the curves: it follows from the step


@dataclass(frozen=True)
class Change:
    """A number that is not what it was; None where it is absent.

    Attributes:
        relative: The difference over the larger of the two magnitudes; infinite where one of them
            is absent or no number.
    """

    name: str
    then: float | None
    now: float | None

    @property
    def relative(self) -> float:
        """See above."""
        return relative_difference(self.then, self.now)


@dataclass(frozen=True)
class WeightsChange:
    """Tensors of one checkpoint that are not what they were.

    Attributes:
        largest: Difference of two weights; infinite where the tensors are not of one network.
    """

    checkpoint: str
    tensors: int
    differing: list[str]
    largest: float


@dataclass(frozen=True)
class RunDifferences:
    """All that two finished runs say differently.

    Attributes:
        weights: A row for each of the checkpoints.
        curves: Numbers of `metrics.csv`, in the order of their steps.
        parted: The first step at which the curves differ; None where they never do.
        metrics: The test metrics, in the order of the table.
        elsewhere: What else of `results.json` differs; what a later version adds to it does not.
    """

    weights: list[WeightsChange]
    curves: list[Change]
    parted: int | None
    metrics: list[Change]
    elsewhere: list[str]

    @property
    def largest(self) -> float:
        """The largest relative difference of curves and test metrics."""
        return max((change.relative for change in [*self.curves, *self.metrics]), default=0.0)

    def verdict(self, tolerance: float) -> str:
        """Identical bit for bit, within the tolerance, or different."""
        same_weights = not any(row.differing for row in self.weights)
        if same_weights and not (self.curves or self.metrics or self.elsewhere):
            return IDENTICAL
        return WITHIN if self.largest <= tolerance else DIFFERENT


def relative_difference(then: float | None, now: float | None) -> float:
    """|then - now| over the larger magnitude, 0 for equals; infinite where one is no number."""
    if then == now:
        return 0.0
    if then is None or now is None:
        return math.inf
    if math.isnan(then) or math.isnan(now):
        return 0.0 if math.isnan(then) and math.isnan(now) else math.inf
    difference = abs(then - now) / max(abs(then), abs(now))
    return math.inf if math.isnan(difference) else difference  # one of them is infinite


def run_differences(then: Run, now: Run) -> RunDifferences:
    """Compare the weights, the curves and the results of two runs that are done."""
    curves = curve_changes(*(read_metrics(run.folder / METRICS_FILE) for run in (then, now)))
    before, after = then.results or {}, now.results or {}
    metrics = changes(test_metrics(before), test_metrics(after))
    return RunDifferences(
        weights=[weights_change(then, now, which) for which in (BEST, LAST)],
        curves=[change for _, change in curves],
        parted=curves[0][0] if curves else None,
        metrics=metrics,
        elsewhere=_unlike_leaves(before, after, skip={f"test/{c.name}" for c in metrics}),
    )


def curve_changes(
    then: Mapping[int, Mapping[str, float]], now: Mapping[int, Mapping[str, float]]
) -> list[tuple[int, Change]]:
    """The numbers of two `metrics.csv` that differ, each with its step, in the steps' order."""
    return [
        (step, Change(f"{change.name} at step {step}", change.then, change.now))
        for step in sorted({*then, *now})
        for change in changes(then.get(step, {}), now.get(step, {}))
        if change.name not in _NO_NUMBER
    ]


def changes(then: Mapping[str, float | None], now: Mapping[str, float | None]) -> list[Change]:
    """The numbers that differ in as little as a bit, by name."""
    names = [*then, *(name for name in now if name not in then)]
    pairs = [Change(name, then.get(name), now.get(name)) for name in names]
    return [change for change in pairs if change.relative > 0.0]


def test_metrics(results: Mapping[str, Any]) -> dict[str, float | None]:
    """The numbers of every row of the table, `model/nll`; their intervals follow from them."""
    return {
        f"{row}/{metric}": value
        for row, metrics in results.get("test", {}).items()
        for metric, value in metrics.items()
        if value is None or isinstance(value, (int, float))
    }


test_metrics.__test__ = False  # pytest takes it for one of its own


def _unlike_leaves(then: Mapping[str, Any], now: Mapping[str, Any], *, skip: set[str]) -> list[str]:
    before, after = dict(_leaves(then)), dict(_leaves(now))
    unlike = [path for path, value in before.items() if path not in after or after[path] != value]
    return [path for path in unlike if path not in skip]


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(node, Mapping):
        yield path, node
        return
    for key, inner in node.items():
        yield from _leaves(inner, f"{path}/{key}" if path else str(key))


def weights_change(then: Run, now: Run, which: str) -> WeightsChange:
    """Which tensors of the two runs' checkpoints differ, bit for bit."""
    import torch

    before, after = (_weights(run.checkpoint(which)) for run in (then, now))
    names = [*before, *(name for name in after if name not in before)]
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    unlike = {
        name: (a, b)
        for name, (a, b) in pairs.items()
        if a is None or b is None or not torch.equal(a, b)
    }
    largest = max((_distance(a, b) for a, b in unlike.values()), default=0.0)
    return WeightsChange(which, len(names), list(unlike), largest)


def _weights(path: Path) -> Mapping[str, Any]:
    return read_checkpoint(path)["state_dict"]


def _distance(a: Any, b: Any) -> float:
    if a is None or b is None or a.shape != b.shape:
        return math.inf
    return float((a.double() - b.double()).abs().max())


def most_different(changes: Sequence[Change]) -> list[Change]:
    """The most different first; what is equally so keeps its order."""
    return sorted(changes, key=lambda change: -change.relative)
