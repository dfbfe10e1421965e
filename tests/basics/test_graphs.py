"""The captured graphs: the lab's values at every node, and what is not a property of the inputs."""

from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.export import ExportedProgram

from dlcourse.basics.diagrams import CONSTANT, INPUT, OUTPUT, PARAMETER
from dlcourse.basics.graphs import captured, diagram_of, node_values, short
from dlcourse.basics.models import Expression, Perceptron

NUMBERS = st.floats(-100, 100, width=32)


@cache
def captured_expression() -> ExportedProgram:
    """The captured expression; not made on import, for `tests/conftest.py` forks before it."""
    return captured(Expression(), torch.tensor(2.0), torch.tensor(4.0))


def test_the_expression_of_the_lab_is_18_and_so_is_its_captured_graph() -> None:
    inputs = torch.tensor(2.0), torch.tensor(4.0)
    values = node_values(captured_expression(), *inputs)
    assert {name: float(values[name]) for name in ("a", "b", "add", "sub", "mul")} == {
        "a": 2, "b": 4, "add": 6, "sub": 3, "mul": 18,
    }  # fmt: skip
    assert float(values["output"][0]) == float(captured_expression().module()(*inputs)) == 18


@given(NUMBERS, NUMBERS)
def test_a_graph_captured_at_one_place_holds_everywhere(a: float, b: float) -> None:
    (value,) = node_values(captured_expression(), torch.tensor(a), torch.tensor(b))["output"]
    assert float(value) == pytest.approx((a + b) * (b - 1), rel=1e-5, abs=1e-3)


def test_the_perceptron_of_the_lab_is_0_59868765() -> None:
    x = torch.tensor([0.25, 0.15])
    values = node_values(captured(Perceptron(), x), x)
    assert float(values["output"][0]) == pytest.approx(0.59868765, abs=1e-7)
    assert float(values["add"]) == pytest.approx(0.4)


def test_weights_are_fed_into_the_graph_so_that_training_changes_its_value() -> None:
    x = torch.tensor([0.25, 0.15])
    model = Perceptron()
    program = captured(model, x)
    with torch.no_grad():
        model.bias.fill_(-0.4)
    assert float(node_values(program, x)["output"][0]) == pytest.approx(0.5)


def test_a_batch_is_every_input_by_itself() -> None:
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(Perceptron()(x), torch.stack([Perceptron()(row) for row in x]))


def test_the_diagram_has_inputs_weights_constants_and_the_arrows_of_the_formula() -> None:
    values = node_values(captured_expression(), torch.tensor(2.0), torch.tensor(4.0))
    diagram = diagram_of(captured_expression(), values)
    kinds = {box.lines[0]: box.kind for box in diagram.boxes}
    assert {name for name, kind in kinds.items() if kind == INPUT} == {"a", "b"}
    assert kinds["1"] == CONSTANT
    assert kinds["output"] == OUTPUT
    names = {box.key: box.lines[0] for box in diagram.boxes}
    assert sorted((names[a], names[b]) for a, b in diagram.arrows) == [
        ("1", "sub"), ("a", "add"), ("add", "mul"), ("b", "add"), ("b", "sub"), ("mul", "output"),
        ("sub", "mul"),
    ]  # fmt: skip
    x = torch.tensor([0.25, 0.15])
    program = captured(Perceptron(), x)
    boxes = diagram_of(program, node_values(program, x)).boxes
    assert {box.lines for box in boxes if box.kind == PARAMETER} == {
        ("weight", "[1, 1]"), ("bias", "0"),
    }  # fmt: skip


class Half(nn.Module):
    """A constant on the left, which is an argument like any other."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x


def test_constants_are_drawn_wherever_they_stand() -> None:
    program = captured(Half(), torch.tensor(3.0))
    boxes = diagram_of(program, node_values(program, torch.tensor(3.0))).boxes
    assert [box.lines for box in boxes if box.kind == CONSTANT] == [("0.5",)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (torch.tensor(18.0), "18"),
        (torch.tensor([0.25, 0.15]), "[0.25, 0.15]"),
        (torch.zeros(1), "[0]"),
        (torch.zeros(3, 4), "shape (3, 4)"),
        (2, "2"),
    ],
)
def test_values_are_short(value: Tensor | float, text: str) -> None:
    assert short(value) == text
