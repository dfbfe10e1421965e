"""Two runs number by number: the verdict and the largest difference are what was put in."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.metrics_file import read_metrics, write_metrics
from dlcourse.reproduction.differences import (
    DIFFERENT,
    IDENTICAL,
    WITHIN,
    curve_changes,
    relative_difference,
    run_differences,
)
from dlcourse.runs import Run

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CURVES = {
    5: {"train/loss": 2.0, "epoch": 0.0},
    10: {"train/loss": 1.0, "val/nll": 1.5, "epoch": 0.0},
    15: {"train/loss": 0.5, "epoch": 1.0},
}
RESULTS = {
    "test": {"model": {"nll": 1.25, "nll_interval": [1.0, 1.5], "top1": 0.5, "change": None}},
    "unit": "nats",
    "by_file": {"a.mid": {"nll": 30.0}},
}


def made(folder: Path) -> Run:
    """The folder of a run that is done."""
    (folder / "checkpoints").mkdir(parents=True)
    weights = {"w": torch.tensor([1.0, 2.0, 4.0]), "b": torch.zeros(2)}
    for which in ("best", "last"):
        torch.save({"state_dict": weights}, folder / "checkpoints" / f"{which}.ckpt")
    write_metrics(folder / "metrics.csv", CURVES)
    (folder / "results.json").write_text(json.dumps(RESULTS))
    return Run(folder)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Run, Run]:
    """A run and its copy."""
    then = made(tmp_path / "then")
    shutil.copytree(then.folder, tmp_path / "now")
    return then, Run(tmp_path / "now")


def with_metric(run: Run, **values: float) -> None:
    path = run.folder / "results.json"
    results = json.loads(path.read_text())
    results["test"]["model"] |= values
    path.write_text(json.dumps(results))


@given(NUMBERS, NUMBERS)
def test_the_relative_difference_is_symmetric_and_zero_for_equals_alone(a: float, b: float) -> None:
    found = relative_difference(a, b)
    assert found == relative_difference(b, a)
    assert (found == 0.0) == (a == b)
    assert found <= 2.0 or math.isinf(found)
    assert relative_difference(a, None) == relative_difference(None, a) == math.inf


def test_no_number_equals_no_number_and_nothing_else() -> None:
    nan = math.nan
    assert relative_difference(nan, nan) == relative_difference(None, None) == 0.0
    assert relative_difference(nan, 1.0) == relative_difference(math.inf, 1.0) == math.inf


def test_a_copy_is_identical(pair: tuple[Run, Run]) -> None:
    found = run_differences(*pair)
    assert found.verdict(0.0) == IDENTICAL
    assert found.largest == 0.0
    assert found.parted is None


def test_one_bit_of_one_weight_is_no_longer_identical(pair: tuple[Run, Run]) -> None:
    path = pair[1].checkpoint("best")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["w"][2] = torch.nextafter(torch.tensor(4.0), torch.tensor(5.0))
    torch.save(checkpoint, path)
    found = run_differences(*pair)
    assert found.verdict(1e-4) == WITHIN
    best, last = found.weights
    assert (best.differing, last.differing) == (["w"], [])
    assert best.largest == pytest.approx(2**-21, rel=1e-6)


def test_weights_of_another_network_differ_beyond_measure(pair: tuple[Run, Run]) -> None:
    weights = {"w": torch.zeros(4), "c": torch.zeros(2)}
    torch.save({"state_dict": weights}, pair[1].checkpoint("last"))
    last = run_differences(*pair).weights[1]
    assert last.differing == ["w", "b", "c"]
    assert math.isinf(last.largest)


@pytest.mark.parametrize(("factor", "verdict"), [(1 + 5e-5, WITHIN), (1 + 2e-4, DIFFERENT)])
def test_a_metric_is_held_to_the_tolerance(
    pair: tuple[Run, Run], factor: float, verdict: str
) -> None:
    with_metric(pair[1], nll=1.25 * factor, top1=0.5 * (1 + 1e-6))
    found = run_differences(*pair)
    assert found.largest == pytest.approx((factor - 1) / factor, rel=1e-6)
    assert [change.name for change in found.metrics] == ["model/nll", "model/top1"]
    assert found.verdict(1e-4) == verdict
    assert found.elsewhere == []


def test_curves_part_at_their_first_different_step(pair: tuple[Run, Run]) -> None:
    path = pair[1].folder / "metrics.csv"
    rows = read_metrics(path)
    rows[10]["val/nll"] *= 1.01
    rows[15]["train/loss"] *= 1.1
    write_metrics(path, rows)
    found = run_differences(*pair)
    assert found.parted == 10
    assert found.curves[0].name == "val/nll at step 10"
    assert found.largest == pytest.approx(0.1 / 1.1)
    assert found.verdict(0.05) == DIFFERENT
    assert found.verdict(0.1) == WITHIN


def test_a_step_that_one_of_them_never_came_to_is_a_difference() -> None:
    shorter = {step: row for step, row in CURVES.items() if step < 15}
    (found,) = curve_changes(CURVES, shorter)
    assert found[0] == 15
    assert found[1].now is None
    assert curve_changes(CURVES, {s: row | {"epoch": 7.0} for s, row in CURVES.items()}) == []


def test_what_else_the_results_say_is_compared_and_what_is_new_in_them_is_not(
    pair: tuple[Run, Run],
) -> None:
    path = pair[1].folder / "results.json"
    path.write_text(json.dumps(RESULTS | {"calibration": {"ece": 0.1}}))
    assert run_differences(*pair).verdict(0.0) == IDENTICAL
    path.write_text(json.dumps(RESULTS | {"by_file": {"a.mid": {"nll": 31.0}}}))
    found = run_differences(*pair)
    assert found.elsewhere == ["by_file/a.mid/nll"]
    assert found.verdict(1e-4) == WITHIN
