"""Automatic differentiation: derivatives of any order, and the graph that makes them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dlcourse.basics.diagrams import OPERATION, OUTPUT, PARAMETER, Box, Diagram
from dlcourse.basics.graphs import short


def f(x: Tensor) -> Tensor:
    """x² + 3, the lab's example."""
    return x**2 + 3


def derivatives(function: Callable[[Tensor], Tensor], at: float, *, order: int = 2) -> list[Tensor]:
    """A function's value and its derivatives up to an order, at one point.

    `create_graph` makes a gradient a tensor with a graph of its own, so that it can be
    differentiated again.

    Source: Lab 1, part 1 (automatic differentiation): 19, 8 and 2 for x² + 3 at 4.
    """
    x = torch.tensor(at, requires_grad=True)
    found = [function(x)]
    for _ in range(order):
        (gradient,) = torch.autograd.grad(found[-1], x, create_graph=True)
        found.append(gradient)
    return found


def differences(
    function: Callable[[Tensor], Tensor], at: float, *, step: float = 1e-3
) -> list[float]:
    """The same value and two derivatives without autograd: central differences, in float64."""
    x = torch.tensor([at - step, at, at + step], dtype=torch.float64)
    low, middle, high = function(x).tolist()
    return [middle, (high - low) / (2 * step), (high - 2 * middle + low) / step**2]


def backward_diagram(result: Tensor, leaves: Mapping[str, Tensor]) -> Diagram:
    """The graph that `result.backward()` runs through, with the gradient that reaches each node.

    Afterwards the leaves have their gradients, and the graph is used up.

    Args:
        result: A scalar that was computed from the leaves.
        leaves: Tensors that require gradients, by what they are called in the diagram.
    """
    nodes = list(_below(result.grad_fn))
    names = {id(leaf): name for name, leaf in leaves.items()}
    arriving: dict[int, Tensor] = {}
    hooks = [node.register_prehook(_noting(arriving, number)) for number, node in enumerate(nodes)]
    result.backward()
    for hook in hooks:
        hook.remove()
    numbers = {node: str(number) for number, node in enumerate(nodes)}
    boxes = [Box("result", ("backward()", "gradient 1"), OUTPUT)]
    arrows = [("result", "0")]
    for number, node in enumerate(nodes):
        gradient = short(arriving[number])
        leaf = getattr(node, "variable", None)
        if leaf is None:
            boxes.append(Box(str(number), (node.name(), f"gradient {gradient}"), OPERATION))
        else:
            lines = ("AccumulateGrad", f"{names[id(leaf)]}.grad = {short(leaf.grad)}")
            boxes.append(Box(str(number), lines, PARAMETER))
        arrows += [(str(number), numbers[next_]) for next_ in _children(node)]
    return Diagram(tuple(boxes), tuple(dict.fromkeys(arrows)))


def _children(node: Any) -> list[Any]:
    return [child for child, _ in node.next_functions if child is not None]


def _below(root: Any) -> Iterator[Any]:
    """Every node of the backward graph once."""
    waiting, seen = [root], {root}
    while waiting:
        node = waiting.pop(0)
        yield node
        for child in _children(node):
            if child not in seen:
                seen.add(child)
                waiting.append(child)


def _noting(store: dict[int, Tensor], number: int) -> Callable[[tuple[Tensor, ...]], None]:
    def note(gradients: tuple[Tensor, ...]) -> None:
        store[number] = gradients[0].detach().clone()

    return note
