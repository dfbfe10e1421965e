"""Diagrams against the numbers that are in them."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from dlcourse.comparison.page import charts
from dlcourse.comparison.page.curves import (
    averaged,
    draw_curves,
    embedded,
    learning_curves,
    thinned,
)
from dlcourse.comparison.page.effects import (
    cell_means,
    draw_differences,
    draw_effect,
    heat_map,
    strongest_two,
)
from dlcourse.comparison.page.factors import factors, legend
from dlcourse.comparison.page.overlays import draw_overlays
from dlcourse.comparison.wording import setting
from tests.comparison.made_up import compared, grid, run, sweep
from tests.test_pages import Reader

CURVE = {"x": [0.0, 0.4, 1.0], "y": [0.0, 0.9, 1.0], "xlabel": "fpr", "ylabel": "tpr"}


def points(path: str) -> np.ndarray:
    """The points of a path (P, 2), as shares of the plot: rightwards and upwards."""
    numbers = np.array(re.findall(r"[\d.-]+", re.sub("h0", "", path)), float).reshape(-1, 2)
    return np.stack([numbers[:, 0] / charts.WIDE, 1 - numbers[:, 1] / charts.HIGH], 1)


def paths(svg: str, kind: str) -> list[str]:
    """What the elements of a class draw."""
    found = Reader(svg).named("path")
    return [p["d"] for p in found if kind in p["class"].split() and "dots" not in p["class"]]


def test_ticks_are_few_round_and_within_the_axis() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        low = rng.normal() * 10 ** rng.uniform(-4, 4)
        axis = charts.axis([low, low + 10 ** rng.uniform(-4, 4)], "")
        ticks = axis.ticks
        assert 2 <= len(ticks) <= 6
        assert all(axis.low - 1e-9 <= tick <= axis.high + 1e-9 for tick in ticks)
        step = np.diff(ticks).mean()
        digits = step / 10.0 ** np.floor(np.log10(step) + 1e-9)
        assert np.isclose(digits, [1, 2, 5]).any()
        assert np.allclose(np.array(ticks) / step, np.round(np.array(ticks) / step))


@pytest.mark.parametrize("values", [[3.0], [0.0], [-2.0, -2.0]])
def test_an_axis_of_one_value_has_it_in_the_middle(values: list[float]) -> None:
    assert charts.axis(values, "").at(values[0]) == pytest.approx(0.5)


def test_a_line_is_where_its_numbers_are() -> None:
    rng = np.random.default_rng(1)
    xs, ys = np.sort(rng.uniform(0, 50, 30)), rng.normal(size=30)
    x, y = charts.axis(xs, "", margin=0.0), charts.axis(ys, "")
    (drawn,) = paths(charts.line(x, y, xs, ys), "line")
    read = points(drawn)
    assert np.allclose(read[:, 0] * (x.high - x.low) + x.low, xs, atol=50 / charts.WIDE)
    assert np.allclose(read[:, 1] * (y.high - y.low) + y.low, ys, atol=6 / charts.HIGH)


def test_28_values_have_28_looks() -> None:
    assert len({charts.look(number) for number in range(28)}) == 28


def test_means_and_ranges_are_those_of_the_seeds() -> None:
    rng = np.random.default_rng(2)
    seeds = [dict(zip(range(1, 41), rng.normal(size=40), strict=True)) for _ in range(3)]
    curve = averaged(0, seeds)
    assert curve is not None
    for n, step in enumerate(range(1, 41)):
        values = [seed[step] for seed in seeds]
        assert curve.steps[n] == step
        assert curve.mean[n] == pytest.approx(sum(values) / 3)
        assert (curve.low[n], curve.high[n]) == (min(values), max(values))


def test_seeds_with_other_steps_are_joined_by_straight_lines_where_all_have_values() -> None:
    curve = averaged(0, [{0: 0.0, 10: 10.0, 20: 20.0}, {5: 1.0, 15: 3.0, 30: 9.0}])
    assert curve is not None
    assert curve.steps.tolist() == [5, 10, 15, 20]
    assert curve.mean == pytest.approx([3.0, 6.0, 9.0, (20 + 5) / 2])
    assert averaged(0, [{1: 1.0}, {2: 1.0}]) is None


def test_thinned_curves_keep_ends_and_extremes_and_invent_nothing() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(4, 1000)).cumsum(1)
    noise[2, 417], noise[0, 730] = 99.0, -99.0  # single spikes, which must not vanish
    curve = averaged(5, [dict(enumerate(own.tolist(), start=7)) for own in noise])
    assert curve is not None
    few = thinned(curve, points=200)
    assert len(few.steps) <= 200
    assert (few.steps[0], few.steps[-1], few.group) == (7, 1006, 5)
    assert (few.low.min(), few.high.max()) == (-99.0, 99.0)
    places = few.steps - 7
    for ours, all_of_it in ((few.mean, curve.mean), (few.low, curve.low), (few.high, curve.high)):
        assert (ours == all_of_it[places]).all()
    # Between the points that are kept the curve stays within what they show, stretch by stretch.
    for stretch in np.array_split(np.arange(1, 999), 99):
        kept = np.isin(stretch, places)
        assert curve.high[stretch].max() == curve.high[stretch][kept].max()
    assert thinned(few, points=200) is few


def test_curves_leave_out_failed_seeds_and_values_that_are_no_numbers() -> None:
    comparison = sweep(("focal",), seeds=2)
    good, bad = comparison.records
    bad = replace(bad, state="failed", metrics={}, curves={1: {"val/nll": 500.0}})
    good = replace(good, curves={**good.curves, 100: {"val/nll": float("nan")}})
    (curve,) = learning_curves(compared([good, bad], ["loss"]))["val/nll"]
    assert curve.high.max() < 10
    assert curve.steps[-1] == 60
    (curve,) = learning_curves(compared([bad], ["loss"]))["val/nll"]
    assert curve.mean.tolist() == [500.0]


def test_the_yardstick_comes_first_then_the_losses_and_what_was_tested_is_no_curve() -> None:
    records = [replace(r, curves={**r.curves, 60: {"test/nll": 1.0}}) for r in grid().records]
    names = list(learning_curves(compared(records, ["loss", "optimizer"])))
    assert names == ["val/nll", "val/loss", "train/loss", "val/top1", "train/rate"]


def test_a_chart_has_a_line_a_setting_and_a_band_where_seeds_differ() -> None:
    comparison = grid()
    by = factors(comparison)[0]
    curves = learning_curves(comparison)["val/nll"]
    svg = draw_curves("val/nll", curves, by, [setting(group) for group in comparison.groups])
    assert len(paths(svg, "line")) == len(paths(svg, "band")) == 6
    single = grid(seeds=1)
    curves = learning_curves(single)["val/nll"]
    assert not paths(draw_curves("val/nll", curves, by, ["a"] * 6), "band")


def test_colours_are_by_the_strongest_factor_first_and_each_run_has_its_own_value() -> None:
    comparison = grid()
    ranges = {
        e.option: max(s.mean for s in e.means.values()) - min(s.mean for s in e.means.values())
        for e in comparison.effects
    }
    by = factors(comparison)
    assert by[0].name == max(ranges, key=ranges.__getitem__)
    assert [factor.name for factor in by][-1] == "setting"
    for factor in by[:-1]:
        own = [group.options[factor.name] for group in comparison.groups]
        assert [factor.values[place] for place in factor.of] == own
    assert len(set(by[-1].of)) == len(comparison.groups)


def test_numbers_as_values_are_in_order_and_words_as_the_runs_come() -> None:
    runs = [run(i, s, {"lr": lr}) for i, lr in enumerate(("0.01", "1e-3", "1")) for s in range(2)]
    assert factors(compared(runs, ["lr"]))[0].values == ["1e-3", "0.01", "1"]
    runs = [run(9 - i, s, {"loss": v}) for i, v in enumerate("zax") for s in range(2)]
    assert factors(compared(runs, ["loss"]))[0].values == list("zax")


def test_embedded_numbers_are_read_back_whatever_settings_are_called() -> None:
    hostile = "</script><script>alert(1)</script><!--"
    comparison = sweep(("focal", hostile), seeds=2, steps=40)
    curves, by = learning_curves(comparison), factors(comparison)
    text = embedded(comparison, curves, by)
    assert text.count("</script") == 1
    assert "<!--" not in text
    data = json.loads(text[text.index(">") + 1 : text.rindex("<")])
    assert data["labels"] == [setting(group) for group in comparison.groups]
    assert any(hostile in label for label in data["labels"])
    for name, own in curves.items():
        for ours, read in zip(own, data["charts"][name], strict=True):
            assert read["m"] == pytest.approx(ours.mean, rel=1e-4)
            assert read["x"] == ours.steps.tolist()
    steps, seconds = data["seconds"][0]
    assert np.interp(20, steps, seconds) == pytest.approx(0.021 * 20 + 0.1, rel=1e-3)


def centres(svg: str, kind: str) -> list[float]:
    """Where the circles of a kind are, in percent."""
    return [float(c["cx"][:-1]) for c in Reader(svg).named("circle") if c["class"] == kind]


def test_discs_are_the_means_and_rings_what_is_behind_them() -> None:
    comparison = grid()
    (effect,) = [e for e in comparison.effects if e.option == "loss"]
    svg = draw_effect(effect, comparison)
    discs, rings = centres(svg, "disc"), centres(svg, "ring")
    assert len(rings) == len(comparison.groups)
    order = [effect.means[value].mean for value in ("cross_entropy", "focal", "label_smoothing")]
    slope, start = np.polyfit(order, discs, 1)  # one scale, and every disc on it
    assert np.allclose(np.array(order) * slope + start, discs, atol=0.02)
    means = sorted(group.spreads["nll"].mean for group in comparison.groups)
    assert np.allclose(np.array(means) * slope + start, sorted(rings), atol=0.02)


def test_rings_of_a_single_option_are_its_runs() -> None:
    comparison = sweep(seeds=3)
    svg = draw_effect(comparison.effects[0], comparison)
    assert (len(centres(svg, "disc")), len(centres(svg, "ring"))) == (4, 12)


def test_a_heat_map_averages_over_the_options_that_it_does_not_show() -> None:
    runs = [
        run(i + 2 * j + 5 * k, seed, {"a": str(i), "b": str(j), "c": str(k)})
        for i in range(2) for j in range(2) for k in range(3) for seed in range(2)
    ]  # fmt: skip
    comparison = compared(runs, ["a", "b", "c"])
    assert strongest_two(comparison) == ["c", "b"]
    values = cell_means("c", "b", comparison)
    for (c, b), value in values.items():
        own = [r.metrics["nll"] for r in runs if (r.options["c"], r.options["b"]) == (c, b)]
        assert value == pytest.approx(sum(own) / len(own))
    cells = Reader(heat_map("c", "b", comparison)).named("td")
    shares = [float(re.search(r"(\d+)%", cell["style"])[1]) for cell in cells]
    in_order = [values[str(c), str(b)] for c in range(3) for b in range(2)]
    assert np.argmax(shares) == np.argmin(in_order)  # the lowest NLL has the most colour
    assert np.argmin(shares) == np.argmax(in_order)


def test_a_pair_of_values_that_was_not_run_is_an_empty_cell() -> None:
    runs = [run(0, s, {"a": a, "b": b}) for a, b in ("00", "01", "10") for s in range(2)]
    text = html.unescape(heat_map("a", "b", compared(runs, ["a", "b"])))
    assert text.count(">–<") == 1


def test_intervals_are_drawn_on_the_scale_of_their_means() -> None:
    comparison = sweep()
    svg = draw_differences(comparison)
    spans = [s for s in Reader(svg).named("line") if s["class"] == "span"]
    marks = {s["x1"] for s in Reader(svg).named("line") if s["class"] == "mark"}
    (zero,) = marks
    slope = (centres(svg, "disc")[0] - float(zero[:-1])) / comparison.differences[0].mean
    for found, drawn in zip(comparison.differences, spans, strict=True):
        ends = [float(drawn[end][:-1]) for end in ("x1", "x2")]
        assert found.interval is not None
        assert np.allclose((np.array(ends) - float(zero[:-1])) / slope, found.interval, atol=2e-3)


def test_a_difference_of_one_pair_is_a_ring_without_an_interval() -> None:
    comparison = sweep(("a", "b"), seeds=2)
    (found,) = comparison.differences
    svg = draw_differences(replace(comparison, differences=[replace(found, interval=None, n=1)]))
    assert len(centres(svg, "ring")) == 1
    assert not [s for s in Reader(svg).named("line") if s["class"] == "span"]


def test_overlays_have_a_line_a_run_in_the_colour_of_its_group() -> None:
    comparison = sweep(("a", "b"), seeds=2)
    records = [replace(r, overlays={"ROC": CURVE}) for r in comparison.records]
    comparison = compared(records, ["loss"])
    (by,) = factors(comparison)
    svg = draw_overlays("ROC", comparison, by)
    lines = [p for p in Reader(svg).named("path") if p["class"].startswith("line")]
    lines = [p for p in lines if "dots" not in p["class"]]
    assert len(lines) == 4
    for drawn in lines:
        assert charts.look(by.of[int(drawn["data-group"])]) in drawn["class"]
        assert np.allclose(
            points(drawn["d"]) * 1.04 - 0.02, list(zip(CURVE["x"], CURVE["y"], strict=True)),
            atol=2e-3,
        )  # fmt: skip
    assert "guide" not in svg


def test_the_diagonal_is_where_x_is_y() -> None:
    records = [
        replace(r, overlays={"calibration": {**CURVE, "guide": "diagonal"}})
        for r in sweep(("a",), seeds=1).records
    ]
    comparison = compared(records, ["loss"])
    svg = draw_overlays("calibration", comparison, factors(comparison)[0])
    (drawn,) = paths(svg, "guide")
    assert np.allclose(*points(drawn).T, atol=1e-3)


@pytest.mark.parametrize(
    "broken",
    [None, {}, {"x": [1.0], "y": []}, {"x": [], "y": []}, {"x": [float("nan")], "y": [0.0]},
     {"x": ["a"], "y": [0.0]}, {"x": 1, "y": 1}],
)  # fmt: skip
def test_a_broken_overlay_costs_its_own_line_only(broken: object) -> None:
    first, second = sweep(("a",), seeds=2).records
    records = [replace(first, overlays={"ROC": broken}), replace(second, overlays={"ROC": CURVE})]
    comparison = compared(records, ["loss"])
    by = factors(comparison)[0]
    assert len(paths(draw_overlays("ROC", comparison, by), "line")) == 1
    comparison = compared([records[0]], ["loss"])
    assert draw_overlays("ROC", comparison, by) == ""


def test_texts_in_diagrams_are_escaped() -> None:
    hostile = '"><script>alert(1)</script>'
    comparison = sweep((hostile, "b"), seeds=2)
    by = factors(comparison)[0]
    curves = learning_curves(comparison)["val/nll"]
    for text in (
        legend(by),
        draw_curves(hostile, curves, by, [hostile, hostile]),
        draw_effect(comparison.effects[0], comparison),
        draw_differences(comparison),
    ):
        assert "<script" not in text
        Reader(text)
