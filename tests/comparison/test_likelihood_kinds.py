"""A likelihood of each key and one of whole frames are never ranked against each other."""

from pathlib import Path

import pytest

from dlcourse.comparison.comparing import compare
from dlcourse.comparison.tables import group_table
from tests.comparison.run_folders import leave_results, leave_run, leave_sweep

COUNTS = {"chords": ("joint", 2.0), "keys": ("factorised", 4.0)}


def runs_of(folder: Path, kinds: dict[str, str], *, nll: float) -> Path:
    """A sweep of settings, two seeds of each, every run with the baselines of both kinds."""
    baselines = {name: {"kind": kind, "nll": value} for name, (kind, value) in COUNTS.items()}
    jobs = {}
    for option, kind in kinds.items():
        for seed in range(2):
            name = f"{option}-{seed}"
            jobs[name] = [f"loss={option}", f"seed={seed}"]
            row = {"kind": kind, "nll": nll + 0.01 * seed, "frames": 7}
            run = leave_run(folder / name, *jobs[name])
            leave_results(run, row, baselines=baselines, likelihood=kind)
    return leave_sweep(folder, jobs, swept=["loss", "seed"])


@pytest.mark.parametrize(
    ("kind", "nll", "beaten_by"),
    [
        ("joint", 1.5, None),
        ("joint", 3.0, "chords"),
        ("factorised", 3.0, None),
        ("factorised", 5.0, "keys"),
    ],
)
def test_the_verdict_knows_only_baselines_of_the_models_own_kind(
    tmp_path: Path, kind: str, nll: float, beaten_by: str | None
) -> None:
    comparison = compare([runs_of(tmp_path / "sweep", {"focal": kind}, nll=nll)])
    rivals = {name: {"nll": value} for name, (own, value) in COUNTS.items() if own == kind}
    assert comparison.baselines == rivals
    _, rows = group_table(comparison)
    assert [row[0] for row in rows[1:]] == [*rivals]
    if beaten_by is None:
        assert "trivial baseline" not in comparison.verdict
    else:
        assert f"No setting beats the trivial baseline '{beaten_by}'" in comparison.verdict


def test_models_of_different_kinds_have_no_ranking(tmp_path: Path) -> None:
    kinds = {"focal": "joint", "brier": "factorised"}
    comparison = compare([runs_of(tmp_path / "sweep", kinds, nll=1.5)])
    assert comparison.verdict.startswith("No ranking: these runs are not to be compared, because ")
    assert "likelihood is not the same for all (factorised; joint)" in comparison.verdict
    assert comparison.baselines == {}
