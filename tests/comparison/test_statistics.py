"""Means, intervals and verdicts against numbers worked out by hand or by scipy."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from dlcourse.comparison import student
from dlcourse.comparison.comparable import shared_baselines, what_differs
from dlcourse.comparison.comparing import compare
from dlcourse.comparison.records import Record
from dlcourse.comparison.statistics import (
    choose_yardstick,
    differences_to_best,
    group_records,
    main_effects,
)
from dlcourse.comparison.verdict import verdict
from tests.comparison.run_folders import leave_grid, leave_run, leave_sweep


def record(setting: str, seed: int, value: float | None = None, **more: Any) -> Record:
    """A finished run of a setting of option `a`; more options are `b`, `fold`."""
    metric = more.pop("metric", "nll")
    options = {"a": setting, "seed": str(seed)}
    options |= {k: str(more.pop(k)) for k in ("b", "split.fold", "loss") if k in more}
    metrics = {} if value is None else {metric: value}
    state = {"state": "done", "folder": Path("run"), "name": "", "metrics": metrics}
    return Record(**(state | {"options": options} | more))


def settings(values: dict[str, list[float]], **more: Any) -> list[Record]:
    """A run for every value, whose seeds are 0, 1, 2, ..."""
    return [record(a, i, value, **more) for a, own in values.items() for i, value in enumerate(own)]


def judged(records: list[Record], varying: tuple[str, ...] = ("a",)) -> str:
    yardstick = choose_yardstick(records)
    groups = group_records(records, varying, yardstick=yardstick)
    return verdict(groups, differences_to_best(groups, yardstick), yardstick)


def compared(records: list[Record]) -> tuple:
    yardstick = choose_yardstick(records)
    groups = group_records(records, ["a"], yardstick=yardstick)
    return groups, differences_to_best(groups, yardstick)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 8, 9, 29, 30, 200])
def test_students_t_is_scipys(df: int) -> None:
    for t in (0.0, 0.3, -1.0, 2.2, 7.5, 120.0):
        ours = student.central_probability(t, df)
        assert ours == pytest.approx(1 - 2 * stats.t.sf(abs(t), df), abs=1e-13)
    for level in (0.5, 0.9, 0.95, 0.999):
        assert student.quantile(level, df) == pytest.approx(
            stats.t.ppf(0.5 + level / 2, df), rel=1e-9
        )


def test_quantiles_are_those_of_the_printed_table() -> None:
    table = {1: 12.706, 2: 4.303, 4: 2.776, 10: 2.228}
    assert {df: round(student.quantile(0.95, df), 3) for df in table} == table


def test_paired_intervals_and_p_values_are_scipys() -> None:
    rng = np.random.default_rng(3)
    for size in (2, 3, 7):
        ours, theirs = rng.normal(size=(2, size))
        test = stats.ttest_rel(ours, theirs)
        values = list(ours - theirs)
        assert student.two_sided_p(values) == pytest.approx(test.pvalue)
        assert student.mean_interval(values) == pytest.approx(tuple(test.confidence_interval()))


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0], [0.0, 0.0], [0.3 - 0.2, 0.2 - 0.1]])
def test_values_that_do_not_vary_tell_nothing_of_chance(values: list[float]) -> None:
    assert student.mean_interval(values) is None
    assert student.two_sided_p(values) is None


def test_the_same_difference_in_every_seed_is_no_certainty() -> None:
    # As on a small test split, where a metric has few values.
    records = settings({"x": [1.5, 2.5], "y": [1.25, 2.25]})
    _, (difference,) = compared(records)
    assert (difference.mean, difference.interval, difference.p) == (0.25, None, None)
    text = judged(records)
    assert text.startswith("No difference is established: y has the lowest NLL")
    assert "x is 0.25" in text
    assert "apart in every seed" in text


def test_holm_by_hand() -> None:
    # 4 tests: 0.01 * 4, 0.02 * 3, then 0.03 * 2 and 0.04 * 1, of which none may be lower.
    assert student.holm([0.04, 0.01, None, 0.03, 0.02]) == pytest.approx(
        [0.06, 0.04, None, 0.06, 0.06], nan_ok=True
    )
    assert student.holm([0.6, 0.7]) == [1.0, 1.0]
    assert student.holm([0.2]) == [0.2]
    assert student.holm([]) == []


def test_means_deviations_and_differences_by_hand() -> None:
    groups, differences = compared(settings({"x": [2.0, 4.0, 9.0], "y": [1.0, 2.0, 6.0]}))
    assert [group.label for group in groups] == ["y", "x"]
    spread = groups[1].spreads["nll"]
    assert (spread.mean, spread.n) == (5.0, 3)
    assert spread.sd == pytest.approx(13**0.5)  # (9 + 1 + 16) / 2
    (difference,) = differences  # 1, 2, 3: mean 2, standard error 1 / sqrt 3, t of 2 df 4.302653
    assert (difference.group, difference.reference, difference.n) == ("x", "y", 3)
    assert difference.mean == 2.0
    half = 4.302653 / 3**0.5
    assert difference.interval == pytest.approx((2 - half, 2 + half), abs=1e-6)
    assert difference.p == pytest.approx(stats.ttest_1samp([1, 2, 3], 0).pvalue)


def test_differences_are_paired_by_seed_whatever_the_order() -> None:
    records = settings({"x": [10.0, 20.0, 30.0], "y": [11.0, 21.0, 31.1]})
    random.Random(0).shuffle(records)
    _, (difference,) = compared(records)
    assert difference.mean == pytest.approx(3.1 / 3)
    assert difference.interval is not None
    assert difference.interval[0] > 0.85, "what the seeds share is no uncertainty"


def test_only_shared_seeds_are_paired() -> None:
    _, (difference,) = compared(settings({"x": [1.0, 1.0], "y": [2.0, 4.0, 100.0]}))
    assert (difference.mean, difference.n) == (2.0, 2)


def test_p_values_are_adjusted_for_all_settings() -> None:
    values = {"x": [1.0, 1.0, 1.0], "y": [2.0, 2.1, 2.2], "z": [2.0, 3.0, 4.5]}
    _, differences = compared(settings(values))
    raw = {name: stats.ttest_1samp(np.array(values[name]) - 1, 0).pvalue for name in "yz"}
    assert raw["y"] < raw["z"]
    adjusted = {difference.group: difference.p for difference in differences}
    assert adjusted == pytest.approx({"y": 2 * raw["y"], "z": max(2 * raw["y"], raw["z"])})


def test_failed_and_missing_runs_count_in_no_mean() -> None:
    records = settings({"x": [1.0, 3.0]})
    records += [record("x", 2, 999.0, state="failed"), record("x", 3, state="missing", folder=None)]
    (group,) = compared(records)[0]
    assert (group.spreads["nll"].mean, group.spreads["nll"].n) == (2.0, 2)
    assert len(group.records) == 4


def test_the_same_seed_twice_is_no_second_seed() -> None:
    groups, _ = compared([record("x", 0, 1.0), record("x", 0, 3.0), record("x", 1, 4.0)])
    assert (groups[0].spreads["nll"].mean, groups[0].spreads["nll"].n) == (3.0, 2)


def test_auroc_is_the_yardstick_where_there_is_one_and_higher_is_better() -> None:
    records = [record("x", 0, metrics={"nll": 0.1, "auroc": 0.7})]
    yardstick = choose_yardstick(records)
    assert (yardstick.metric, yardstick.lower_is_better) == ("auroc", False)
    assert choose_yardstick(settings({"x": [1.0]})).metric == "nll"
    assert choose_yardstick([]).metric == "nll"
    mixed = [*records, record("y", 0, 1.0)]
    assert choose_yardstick(mixed).metric == "nll", "all of them have it"
    groups, _ = compared(settings({"x": [0.6, 0.7], "y": [0.8, 0.9]}, metric="auroc"))
    assert [group.label for group in groups] == ["y", "x"]


def test_a_main_effect_is_the_mean_over_the_other_options_and_its_spread_that_of_seeds() -> None:
    cells = {("p", "u"): [1.0, 2.0], ("p", "v"): [3.0, 6.0], ("q", "u"): [5, 5], ("q", "v"): [7, 7]}
    records = [
        record(a, seed, float(value), b=b)
        for (a, b), values in cells.items()
        for seed, value in enumerate(values)
    ]
    yardstick = choose_yardstick(records)
    groups = group_records(records, ["a", "b"], yardstick=yardstick)
    first, second = main_effects(groups, ["a", "b"], yardstick=yardstick)
    assert (first.option, first.balanced, second.balanced) == ("a", True, True)
    assert (first.means["p"].mean, first.means["p"].n) == (3.0, 2)
    assert first.means["p"].sd == pytest.approx(2**0.5)  # of the seeds' means 2 and 4
    assert (first.means["q"].mean, first.means["q"].sd) == (6.0, 0.0)
    assert {value: spread.mean for value, spread in second.means.items()} == {"u": 3.25, "v": 5.75}


@pytest.mark.parametrize("lost", range(8))
def test_an_effect_that_lacks_a_run_is_flagged_as_unbalanced(lost: int) -> None:
    records = [
        record(a, seed, 1.0, b=b) for a in ("p", "q") for b in ("u", "v") for seed in range(2)
    ]
    del records[lost]
    yardstick = choose_yardstick(records)
    groups = group_records(records, ["a", "b"], yardstick=yardstick)
    effects = main_effects(groups, ["a", "b"], yardstick=yardstick)
    assert [effect.balanced for effect in effects] == [False, False]


def test_the_verdict_names_the_best_and_by_how_much_it_is_better() -> None:
    values = {"focal": [0.904, 0.912, 0.920], "adam": [0.924, 0.933, 0.942]}
    assert judged(settings(values)) == (
        "focal has the lowest NLL: 0.912 (sd 0.008, 3 seeds); "
        "adam is 0.021 worse (95 % 0.019 to 0.023)."
    )


def test_for_auroc_worse_is_lower() -> None:
    values = {"x": [0.80, 0.82, 0.84], "y": [0.90, 0.92, 0.941]}
    text = judged(settings(values, metric="auroc"))
    assert text == (
        "y has the highest AUROC: 0.920 (sd 0.021, 3 seeds); x is 0.100 worse (95 % 0.099 to "
        "0.102)."
    )


def test_no_difference_is_established_when_the_interval_includes_0() -> None:
    text = judged(settings({"x": [1.0, 2.0, 3.0], "y": [1.5, 1.9, 3.5]}))
    assert text.startswith("No difference is established: x has the lowest NLL, 2.000")
    assert "y is 0.300 worse (95 % " in text
    assert text.endswith(", which includes 0).")


def test_an_interval_by_itself_does_not_establish_what_the_adjusted_p_does_not() -> None:
    values = {"x": [1.0, 1.0, 1.0]}
    values |= {f"w{i}": [1.2, 1.3, 1.42 + i / 100] for i in range(6)}
    records = settings(values)
    nearest = compared(records)[1][0]
    assert nearest.interval is not None
    assert nearest.interval[0] > 0
    text = judged(records)
    assert text.startswith("No difference is established: x has the lowest NLL")
    assert f"p = {nearest.p:.2f}, adjusted for all settings" in text


def test_one_seed_each_is_never_a_ranking() -> None:
    records = settings({"x": [5.0], "y": [1.0]})
    groups, differences = compared(records)
    assert judged(records) == "One seed each: no ranking; run again with seed=0,1,2."
    assert differences == []
    assert [group.label for group in groups] == ["x", "y"], "in the order of the sweep"


def test_a_setting_with_one_seed_does_not_win() -> None:
    records = settings({"lucky": [0.1], "x": [2.0, 2.11], "y": [1.0, 1.1]})
    groups, _ = compared(records)
    assert [group.label for group in groups] == ["y", "x", "lucky"]
    assert judged(records).startswith("y has the lowest NLL")
    assert judged(settings({"lucky": [0.1], "x": [2.0, 2.1]})).startswith(
        "No ranking: only x has more than one seed"
    )


def test_settings_without_shared_seeds_are_not_told_apart() -> None:
    records = settings({"x": [1.0, 1.1]}) + [record("y", seed, 9.0) for seed in (7, 8)]
    assert "shares fewer than two seeds with y" in judged(records)


def test_a_mean_over_other_seeds_that_the_shared_ones_contradict_is_no_ranking() -> None:
    records = settings({"x": [5.0, 5.0, 0.0, 0.0], "y": [4.0, 4.1]})
    text = judged(records)
    assert text.startswith("No difference is established: x has the lowest NLL, 2.500")
    assert "y is 0.950 better (95 % " in text


def test_the_settings_behind_the_second_are_named_or_counted() -> None:
    values = {"x": [1.0, 1.0, 1.0], "y": [2.0, 2.1, 2.2], "z": [3.0, 3.1, 3.2]}
    assert judged(settings(values)).endswith(" Worse than it beyond the seeds' variation: z.")
    far = {name: [3.0, 3.1, 3.2] for name in ("z", "u", "v", "w")} | {"t": [2.5, 3.0, 9.0]}
    assert judged(settings(values | far)).endswith("variation: 4 of the other 5.")
    near = {"x": [1.0, 1.1, 1.2], "y": [1.0, 1.2, 1.3], "z": [1.3, 1.0, 1.4], "u": [1, 2, 3]}
    assert judged(settings(near)).endswith(" None of the other 2 is told apart from it.")


def test_a_sweep_of_seeds_alone_says_how_much_is_chance() -> None:
    text = judged(settings({"x": [1.0, 1.2]}), ())
    assert text == "all runs: NLL 1.100 (sd 0.141, 2 seeds)."
    assert "1.000 from one seed" in judged(settings({"x": [1.0]}), ())


def test_nothing_is_said_of_runs_that_are_not_done() -> None:
    records = [record("x", 0, state="failed"), record("y", 0, state="missing", folder=None)]
    assert judged(records) == "No run has test results yet: 1 failed, 1 missing."


def test_the_verdict_says_when_a_trivial_baseline_is_better() -> None:
    low, high = {"bigram": {"nll": 0.5}, "unigram": {"nll": 0.6}}, {"bigram": {"nll": 1.05}}
    values = {"x": [1.0, 1.1], "y": [2.0, 2.1]}
    assert judged(settings(values, baselines=low)).endswith(
        " No setting beats the trivial baseline 'bigram' (NLL 0.500)."
    )
    assert "baseline" not in judged(settings(values, baselines={"bigram": {"nll": 1.2}}))
    assert "'bigram' (NLL 1.050)" in judged(settings(values, baselines=high)), "1.05 is no better"
    better, worse = {"a": {"nll": 0.9}, "b": {"nll": 5.0}}, {"a": {"nll": 5.0}, "b": {"nll": 1.5}}
    mixed = settings({"x": [1.0, 1.1]}, baselines=better)
    assert "baseline" not in judged(mixed + settings({"y": [2.0, 2.1]}, baselines=worse))


def test_without_any_real_difference_few_verdicts_claim_one() -> None:
    rng = random.Random(1)
    claimed = 0
    for _ in range(300):
        values = {f"s{i}": [rng.gauss(1, 0.1) for _ in range(3)] for i in range(3)}
        claimed += not judged(settings(values)).startswith("No difference")
    assert claimed / 300 <= 0.05


def test_folds_are_paired_within_seed_and_fold_and_make_no_setting() -> None:
    records = [
        record(a, seed, value + 10 * fold + seed + (a == "y") * 0.01 * fold, **{"split.fold": fold})
        for a, value in (("x", 1.0), ("y", 2.0))
        for fold in range(3)
        for seed in range(2)
    ]
    _, (difference,) = compared(records)
    assert (difference.mean, difference.n) == (pytest.approx(1.01), 6)
    # Differences 1, 1.01, 1.02, twice each; the t of 5 degrees of freedom is 2.5706.
    half = 2.5706 * math.sqrt(4 * 0.01**2 / 5) / math.sqrt(6)
    assert difference.interval == pytest.approx((1.01 - half, 1.01 + half), abs=1e-5)
    assert "6 runs" in judged(records)
    assert "3 folds" in judged([r for r in records if r.options["seed"] == "0"])


def test_baselines_are_means_over_folds_each_counted_once() -> None:
    records = [
        record("x", seed, 1.0, baselines={"b": {"nll": nll}}, **{"split.fold": fold})
        for fold, seed, nll in ((0, 0, 1.0), (0, 1, 1.0), (0, 2, 1.0), (1, 0, 3.0))
    ]
    assert shared_baselines(records) == {"b": {"nll": 2.0}}
    assert what_differs(records) == []


def test_other_units_data_or_counts_are_reasons_not_to_compare() -> None:
    def reasons(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
        return what_differs([record("x", 0, 1.0, **first), record("y", 0, 1.0, **second)])

    assert reasons({"tested": {"unit": "a"}}, {"tested": {"unit": "b"}}) == [
        "unit is not the same for all (a; b)"
    ]
    assert reasons({"tested": {"frames": "7"}}, {"tested": {"frames": "8"}})
    low, high = {"baselines": {"b": {"nll": 1.0}}}, {"baselines": {"b": {"nll": 1.1}}}
    assert reasons(low, high) == ["trivial baselines score differently on their data (b)"]
    assert reasons(low, {"baselines": {"b": {"nll": 1.0 + 1e-9}, "more": {"nll": 5.0}}}) == []


def test_runs_in_other_units_are_not_ranked_and_the_notes_say_so(tmp_path: Path) -> None:
    jobs = {}
    for encoding, unit in (("a", "nats per 16th"), ("b", "nats per beat")):
        for seed in (0, 1):
            name, overrides = f"{encoding}{seed}", [f"net.hidden={encoding}", f"seed={seed}"]
            jobs[name] = overrides
            leave_run(tmp_path / name, *overrides, nll=1.0 + seed, unit=unit)
    comparison = compare([leave_sweep(tmp_path, jobs, swept=["net.hidden", "seed"])])
    assert comparison.verdict.startswith("No ranking: these runs are not to be compared")
    assert "nats per 16th; nats per beat" in comparison.verdict
    assert (comparison.differences, comparison.effects, comparison.baselines) == ([], [], {})
    assert any(note.startswith("Rows are not to be compared") for note in comparison.notes)


def test_the_notes_of_a_sweep_over_losses(tmp_path: Path) -> None:
    values = {("loss=focal",): [1.0, 1.1], ("loss=cross_entropy",): [2.0, 2.2]}
    folder = leave_grid(tmp_path / "sweep", values)
    leave_run(folder / "extra", "loss=focal", "seed=9", state="failed", error="nan")
    plan = {"extra": ["loss=focal", "seed=9"], "gone": ["loss=focal", "seed=8"]}
    jobs = {f"loss-{o[0][5:]}_seed-{s}": [*o, f"seed={s}"] for o in values for s in (0, 1)}
    leave_sweep(folder, jobs | plan, swept=["loss", "seed"])
    comparison = compare([folder])
    text = "\n".join(comparison.notes)
    assert "training and validation losses have scales of their own" in text
    assert "Left out of all means: 1 failed and 1 missing, of 6 runs." in text
    assert "picked by the numbers of the test split" in text
    assert "seeds or folds" not in text, "those that are done have the same seeds"
    assert comparison.unit == "NLL on the test split in nats per 16th, lower is better"
    assert comparison.baselines == {"bigram": {"nll": 3.0, "top1": 0.25}}
    assert [len(group.records) for group in comparison.groups] == [4, 2]


def test_a_ranking_says_how_uncertain_the_test_split_itself_is(tmp_path: Path) -> None:
    values = {("optimizer=sgd",): [1.0, 1.2], ("optimizer=adam",): [2.0, 2.1]}
    sweep = leave_grid(tmp_path / "sweep", values)
    for path in sweep.glob("*/results.json"):
        table = json.loads(path.read_text())
        nll = table["test"]["model"]["nll"]
        table["test"]["model"]["nll_interval"] = [nll - 0.5, nll + 0.5]
        path.write_text(json.dumps(table))
    (note,) = [note for note in compare([sweep]).notes if "on one test split" in note]
    assert "NLL 0.500 to 1.500" in note, "of the best setting's first run"
    one_seed = [path for path in sweep.iterdir() if path.name.endswith("seed-0")]
    assert not any("on one test split" in note for note in compare(one_seed).notes)


def test_notes_name_unequal_seeds_repeated_runs_and_values_without_a_number(tmp_path: Path) -> None:
    for name, *overrides in (
        ("a", "optimizer=sgd", "seed=0"),
        ("b", "optimizer=sgd", "seed=1"),
        ("c", "optimizer=sgd", "seed=1"),
        ("d", "optimizer=adam", "seed=0"),
    ):
        leave_run(tmp_path / name, *overrides, nll=1.0)
    leave_run(tmp_path / "e", "optimizer=adam", "seed=2")
    (tmp_path / "a" / "times.csv").write_text("x")
    text = "\n".join(compare([tmp_path]).notes)
    assert "Not all settings have the same seeds" in text
    assert "Some runs repeat a setting and its seed (1 run)" in text
    assert "Done, but without a finite NLL on the test split: e." in text
    assert "not ranked: adam." in text
    assert "losses" not in text
