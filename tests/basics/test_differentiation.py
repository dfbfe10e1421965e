"""Derivatives: the lab's values, functions whose derivatives are known, the graph of backward."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.basics.diagrams import PARAMETER
from dlcourse.basics.differentiation import backward_diagram, derivatives, differences, f
from dlcourse.basics.models import Expression


def test_the_lab_s_example_is_19_8_2() -> None:
    assert [value.item() for value in derivatives(f, 4.0)] == [19, 8, 2]


@given(st.floats(-10, 10))
def test_they_are_those_of_the_formula_and_of_differences(at: float) -> None:
    found = [value.item() for value in derivatives(f, at)]
    assert found == pytest.approx([at**2 + 3, 2 * at, 2], rel=1e-5, abs=1e-5)
    assert found == pytest.approx(differences(f, at), rel=1e-4, abs=1e-4)


def test_any_order_of_the_sine_comes_round() -> None:
    found = [value.item() for value in derivatives(torch.sin, 0.3, order=5)]
    s, c = math.sin(0.3), math.cos(0.3)
    assert found == pytest.approx([s, c, -s, -c, s, c], abs=1e-6)


def test_every_node_of_backward_shows_the_gradient_that_reaches_it() -> None:
    a, b = (torch.tensor(value, requires_grad=True) for value in (2.0, 4.0))
    diagram = backward_diagram(Expression()(a, b), {"a": a, "b": b})
    said = {box.lines for box in diagram.boxes}
    assert said == {
        ("backward()", "gradient 1"),
        ("MulBackward0", "gradient 1"),
        ("AddBackward0", "gradient 3"),
        ("SubBackward0", "gradient 6"),
        ("AccumulateGrad", "a.grad = 3"),
        ("AccumulateGrad", "b.grad = 9"),
    }
    assert (a.grad.item(), b.grad.item()) == (3, 9)
    kinds = [box.kind for box in diagram.boxes]
    assert kinds.count(PARAMETER) == 2
    by_line = {box.key: box.lines[1] for box in diagram.boxes}
    into_b = [by_line[start] for start, end in diagram.arrows if by_line[end] == "b.grad = 9"]
    assert sorted(into_b) == ["gradient 3", "gradient 6"]


def test_the_slope_has_a_graph_of_its_own_that_gives_the_second_derivative() -> None:
    x = torch.tensor(4.0, requires_grad=True)
    (slope,) = torch.autograd.grad(f(x), x, create_graph=True)
    assert "x.grad = 2" in {box.lines[1] for box in backward_diagram(slope, {"x": x}).boxes}


def test_a_value_that_is_used_twice_has_one_box() -> None:
    x = torch.tensor(3.0, requires_grad=True)
    diagram = backward_diagram(x * x, {"x": x})
    assert len(diagram.boxes) == 3
    assert "x.grad = 6" in {box.lines[1] for box in diagram.boxes}
