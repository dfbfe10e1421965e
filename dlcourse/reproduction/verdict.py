"""What came of running a run again: a verdict, what went in and what came out, then and now."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.reproduction.differences import (
    DIFFERENT,
    IDENTICAL,
    Change,
    RunDifferences,
    most_different,
)
from dlcourse.reproduction.inputs import DIFFERS, SAME, Input
from dlcourse.text_tables import aligned

Row = tuple[str, str, str, str]
_WIDEST = 60  # characters of a cell
_FIRST_STEP, _METRICS = 1, 5  # numbers that are shown, besides the most different one
_CURVES = 20  # in the JSON


@dataclass(frozen=True)
class Reproduction:
    """A run that was run again, or was not, because it would have been another one.

    Attributes:
        run: The folder of the run.
        output: The folder of its reproduction.
        outcome: What differs; None when nothing was trained.
        seconds: Of training and testing, then and now.
    """

    run: Path
    output: Path
    inputs: list[Input]
    outcome: RunDifferences | None
    seconds: tuple[float | None, float | None]
    tolerance: float

    @property
    def verdict(self) -> str:
        """Identical, within tolerance, or different."""
        return DIFFERENT if self.outcome is None else self.outcome.verdict(self.tolerance)

    def sentence(self) -> str:
        """The verdict, and what it rests on."""
        differing = [row.name for row in self.inputs if row.state == DIFFERS]
        if self.outcome is None:
            reasons = " and ".join(row.name for row in deciding(self.inputs))
            return f"{DIFFERENT}: not the same {reasons}, so nothing was trained"
        if self.verdict == IDENTICAL:
            return f"{IDENTICAL}: weights, curves and results are the same, bit for bit"
        largest = _relative(self.outcome.largest)
        side = "above" if self.verdict == DIFFERENT else "within"
        cause = f"; what went in differs in: {', '.join(differing)}" if differing else ""
        return (
            f"{self.verdict}: curves and test metrics differ by up to {largest}, {side} the "
            f"tolerance of {self.tolerance:g}{cause}"
        )

    def as_text(self) -> str:
        """The verdict and the table, for a terminal."""
        rows = [(r.name, _cut(r.then), _cut(r.now), r.state) for r in self.inputs]
        if self.outcome is not None:
            rows += _outcome_rows(self.outcome)
            rows.append(("seconds", *(_number(value) for value in self.seconds), ""))
        return f"{self.sentence()}\n\n{aligned(('', 'then', 'now', ''), rows)}"

    def as_json(self) -> dict[str, Any]:
        """The same for programs; what is infinite is null."""
        return {
            "verdict": self.verdict,
            "sentence": self.sentence(),
            "tolerance": self.tolerance,
            "run": str(self.run),
            "output": str(self.output),
            "inputs": {
                row.name: {"state": row.state, "then": row.then, "now": row.now}
                for row in self.inputs
            },
            "outcome": None if self.outcome is None else _outcome_json(self.outcome),
            "seconds": {"then": self.seconds[0], "now": self.seconds[1]},
        }


def deciding(inputs: Sequence[Input]) -> list[Input]:
    """Those that make it another run."""
    return [row for row in inputs if row.decides and row.state == DIFFERS]


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _outcome_rows(outcome: RunDifferences) -> list[Row]:
    rows: list[Row] = []
    for part in outcome.weights:
        said = SAME
        if part.differing:
            said = f"{len(part.differing)} differ, by up to {part.largest:.1e}"
        rows.append((f"{part.checkpoint} weights", f"{part.tensors} tensors", "", said))
    for what, changes, shown in (
        ("curves", outcome.curves, _FIRST_STEP),
        ("test metrics", outcome.metrics, _METRICS),
    ):
        told = dict.fromkeys([*changes[:shown], *most_different(changes)[:1]])
        rows += [_change_row(change) for change in told] or [(what, "", "", SAME)]
    if elsewhere := outcome.elsewhere:
        rows.append((_cut(elsewhere[0]), f"and {len(elsewhere) - 1} more", "", DIFFERS))
    return rows


def _change_row(change: Change) -> Row:
    return (change.name, _number(change.then), _number(change.now), _relative(change.relative))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"


def _relative(value: float) -> str:
    return f"{value:.1e}" if math.isfinite(value) else "not comparable"


def _outcome_json(outcome: RunDifferences) -> dict[str, Any]:
    return {
        "largest_relative_difference": _finite(outcome.largest),
        "weights": {
            part.checkpoint: {
                "tensors": part.tensors,
                "differing": part.differing,
                "largest_difference": _finite(part.largest),
            }
            for part in outcome.weights
        },
        "curves_part_at_step": outcome.parted,
        "curves_differing": len(outcome.curves),
        "curves": [_change_json(change) for change in outcome.curves[:_CURVES]],
        "test_metrics": [_change_json(change) for change in outcome.metrics],
        "elsewhere_in_results": outcome.elsewhere,
    }


def _change_json(change: Change) -> dict[str, Any]:
    values = {"then": change.then, "now": change.now, "relative": change.relative}
    return {"name": change.name} | {key: _finite(value) for key, value in values.items()}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
