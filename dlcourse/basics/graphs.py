"""A model as a graph: captured by torch.export, run node by node, and made into a diagram."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from dlcourse.basics.diagrams import CONSTANT, INPUT, OPERATION, OUTPUT, PARAMETER, Box, Diagram


def captured(model: nn.Module, *inputs: Tensor) -> ExportedProgram:
    """The graph of a model, recorded by following stand-ins of these inputs through it.

    Source: Lab 1, part 1 (the computation graph), there in TensorFlow's graph mode.
    """
    return torch.export.export(model, inputs)


class Recorder(fx.Interpreter):
    """Runs a graph one node after the other and keeps what every node has made."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.values: dict[str, Any] = {}

    def run_node(self, node: fx.Node) -> Any:
        """The node's value, noted under its name."""
        self.values[node.name] = super().run_node(node)
        return self.values[node.name]


def node_values(program: ExportedProgram, *inputs: Tensor) -> dict[str, Any]:
    """What every node of the graph is for these inputs, by the node's name.

    A captured graph holds no weights: they are fed in like the inputs, before them.
    """
    weights = program.graph_signature.inputs_to_parameters
    recorder = Recorder(program.graph_module)
    with torch.no_grad():
        recorder.run(*(program.state_dict[name] for name in weights.values()), *inputs)
    return recorder.values


def diagram_of(program: ExportedProgram, values: dict[str, Any]) -> Diagram:
    """The graph with the values of one run in its boxes; constants have boxes of their own."""
    weights = program.graph_signature.inputs_to_parameters
    boxes, arrows = [], []
    for node in program.graph.nodes:
        if node.op == "placeholder":
            kind = PARAMETER if node.name in weights else INPUT
            name = weights.get(node.name, node.name)
        else:
            kind = OUTPUT if node.op == "output" else OPERATION
            name = node.name
        value = values[node.name]
        shown = value[0] if isinstance(value, (tuple, list)) else value
        boxes.append(Box(node.name, (name, short(shown)), kind))
        arrows += [(parent.name, node.name) for parent in node.all_input_nodes]
        if kind == OPERATION:
            for number, constant in enumerate(a for a in node.args if isinstance(a, (int, float))):
                key = f"{node.name}:{number}"
                boxes.append(Box(key, (str(constant),), CONSTANT))
                arrows.append((key, node.name))
    return Diagram(tuple(boxes), tuple(arrows))


def short(value: Tensor | float, *, most: int = 4) -> str:
    """A tensor in few characters: its numbers, or its shape where there are many."""
    if not isinstance(value, Tensor):
        return f"{value:.6g}"
    if value.numel() > most:
        return f"shape {tuple(value.shape)}"
    numbers = [f"{number:.6g}" for number in value.detach().flatten().tolist()]
    return numbers[0] if value.ndim == 0 else f"[{', '.join(numbers)}]"
