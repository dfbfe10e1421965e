"""What a search may vary: Hydra's own reading of sweeps is the reference."""

import math

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.search.space import (
    Choice,
    Interval,
    read_space,
    varies,
)


def only(value: str) -> Choice | Interval:
    return read_space({"key": value})["key"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("choice(adam,adamw)", Choice(("adam", "adamw"))),
        ("adam,adamw", Choice(("adam", "adamw"))),
        ("choice([4,8],[8,16])", Choice(("[4,8]", "[8,16]"))),
        ("adam,sgd,adam", Choice(("adam", "sgd"))),
        ("interval(0.0, 0.6)", Interval(0.0, 0.6)),
        ("interval(1, 4)", Interval(1.0, 4.0)),
        ("int(interval(1, 4))", Interval(1, 4)),
        ("tag(int, interval(1, 4))", Interval(1, 4)),
        ("tag(log, interval(1e-4, 1e-1))", Interval(1e-4, 1e-1, log=True)),
        ("tag(log, int(interval(16, 256)))", Interval(16, 256, log=True)),
        ("tag(log, times, interval(0.1, 10))", Interval(0.1, 10.0, log=True, times=True)),
        ("range(1, 4)", Interval(1, 3, step=1)),
        ("range(4, 0, -2)", Interval(2, 4, step=2)),
        ("range(0.0, 1.0, 0.25)", Interval(0.0, 0.75, step=0.25)),
    ],
)
def test_a_sweep_is_read_as_a_dimension(text: str, expected: Choice | Interval) -> None:
    found = only(text)
    assert found == expected
    if isinstance(found, Interval):
        assert found.whole == isinstance(expected.low, int)


@given(st.integers(-9, 9), st.integers(1, 9), st.integers(1, 4))
def test_a_range_has_the_values_that_a_sweep_runs_over(start: int, length: int, step: int) -> None:
    text = f"range({start},{start + length},{step})"
    found = only(text)
    assert isinstance(found, Interval)
    values = range(int(found.low), int(found.high) + 1, int(found.step or 1))
    swept = OverridesParser.create().parse_override(f"key={text}").sweep_string_iterator()
    assert [found.text(value) for value in values] == list(swept)


@given(st.floats(min_value=1e-30, max_value=1e30))
def test_a_number_reaches_the_config_with_all_its_digits(value: float) -> None:
    typed = f"key={Interval(0.0, 1e30).text(value)}"
    assert OverridesParser.create().parse_override(typed).value() == value


@pytest.mark.parametrize(
    ("params", "typed", "said"),
    [
        ({"net.hidden": 64}, [], "net.hidden=64: a single value is nothing to search"),
        ({"net.hidden": "interval(4, 2)"}, [], "first end has to be smaller"),
        ({"lr": "tag(log, interval(0, 1))"}, [], "no logarithm of 0"),
        ({"lr": "tag(lgo, interval(1, 2))"}, [], "tag 'lgo' means nothing"),
        ({"lr": "tag(log, choice(1, 2))"}, [], "log belongs to an interval"),
        ({"net.layers": "range(3, 3)"}, [], "no value lies in it"),
        ({"lr": "interval(1, "}, [], "write a,b"),
        ({"lr": "interval(a, b)"}, [], "str is incompatible"),
        ({}, [], "nothing to search"),
        ({"lr": "1,2"}, ["lr=1"], "nothing to search"),
    ],
)
def test_a_wrong_dimension_is_one_clear_line(params: dict, typed: list[str], said: str) -> None:
    with pytest.raises(InputError) as error:
        read_space(params, typed)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_typed_adds_replaces_and_takes_out() -> None:
    params = {"optimizer": "adam,sgd", "net.hidden": "8,16", "net.dropout": "interval(0,1)"}
    typed = ["optimizer=adam", "net.hidden=choice(2,4)", "net.layers=1,2", "steps=10"]
    assert read_space(params, typed) == {
        "net.dropout": Interval(0.0, 1.0),
        "net.hidden": Choice(("2", "4")),
        "net.layers": Choice(("1", "2")),
    }
    assert list(read_space({**params, "optimizer": None})) == ["net.hidden", "net.dropout"]


def test_only_several_values_vary() -> None:
    texts = ["a=1,2", "a=interval(0,1)", "a='1,2'", "a=[1,2]", "~a", "a=interval(", "a=b"]
    assert [text for text in texts if varies(text)] == ["a=1,2", "a=interval(0,1)"]


def test_ends_that_are_not_finite_cannot_be_written() -> None:
    with pytest.raises(InputError):
        only("interval(0, nan)")
    assert math.isfinite(only("interval(0, 1e300)").high)
