"""The chapters about graphs: of an expression, of the perceptron, and compiled ones."""

import logging

import torch
from torch import Tensor, nn

from dlcourse.basics.chapters import Chapter, Options, drawn, heading, text, that_ran
from dlcourse.basics.compiling import Case, Comparison, comparisons, timed
from dlcourse.basics.graphs import Recorder, captured, diagram_of, node_values, short
from dlcourse.basics.models import Expression, Perceptron
from dlcourse.pages import alert, code, table
from dlcourse.progress import progress_bar

log = logging.getLogger(__name__)

COLOURS = (
    "Blue: fed in. Orange: learned. Grey, dashed: constants. White: operations. Green: the output."
)
MANY = 2**20


def expression(options: Options) -> Chapter:
    """e = (a + b)(b - 1) at (2, 4)."""
    elements, value = _graph(
        Expression(), (torch.tensor(2.0), torch.tensor(4.0)), "expression", options
    )
    intro = text(
        "A program of tensors is a graph: operations are nodes, and values flow along the arrows.",
        "torch.export follows stand-ins through the Python code and writes the graph down;",
        "nothing is computed yet. Then a = 2 and b = 4 are fed in, and node after node runs.",
    )
    ran = that_ran(Expression, captured, Recorder)
    return Chapter(
        "1. A computation graph: e = (a + b)(b − 1)", [intro, ran, *elements], {"e": value.item()}
    )


def perceptron(options: Options) -> Chapter:
    """sigmoid(W x + b) with W = 1, b = 0 at x = (0.25, 0.15)."""
    elements, value = _graph(Perceptron(), (torch.tensor([0.25, 0.15]),), "perceptron", options)
    intro = text(
        "One unit of a network, sigmoid(W x + b), is such a graph as well. Its weights are inputs",
        "of the graph, too: training changes them, and the graph stays. Here W = (1, 1) and b = 0.",
    )
    return Chapter(
        "2. A perceptron: sigmoid(W x + b)",
        [intro, that_ran(Perceptron, node_values), *elements],
        {"perceptron": value.item()},
    )


def _graph(
    model: nn.Module, inputs: tuple[Tensor, ...], name: str, options: Options
) -> tuple[list[str], Tensor]:
    """The graph as a picture, as text and as a table; and what the whole gives, run as one."""
    program = captured(model, *inputs)
    values = node_values(program, *inputs)
    with torch.no_grad():
        whole, eager = program.module()(*inputs), model(*inputs)
    rows = [
        (
            node.name,
            node.op,
            str(node.target).removeprefix("aten."),
            short(_single(values[node.name])),
        )
        for node in program.graph.nodes
    ]
    picture = drawn(
        diagram_of(program, values), f"{name}.svg", f"Graph of the {name} with its values",
        folder=options.folder, caption=COLOURS,
    )  # fmt: skip
    elements = [
        picture,
        heading("The same graph, printed"),
        code(str(program.graph).strip(), label="Graph"),
        table(["node", "what it is", "operation", "value"], rows, caption="Run node by node"),
        text(f"The captured graph gives {whole.item():.8g}, eager mode {eager.item():.8g}."),
    ]
    return elements, whole


def _single(value: Tensor | tuple[Tensor, ...]) -> Tensor:
    return value[0] if isinstance(value, tuple) else value


def compiling(options: Options) -> Chapter:
    """Eager mode against torch.compile."""
    intro = text(
        "Eager mode runs every operation as Python reaches it. torch.compile captures the graph at",
        "the first call, writes a program for it (for a processor in C++) and calls that from then",
        "on. The first call pays for that (the very first also loads the compiler), here without",
        "the cache on disk that torch otherwise keeps. Small tensors gain nothing as a rule, since",
        "checking that the program still fits takes longer than the work; large ones do, since one",
        "pass through memory replaces three.",
    )
    ran = that_ran(timed)
    title = "3. Eager mode and torch.compile"
    if options.backend is None:
        return Chapter(title, [intro, text("Left out: backend=null.")])
    generator = torch.Generator().manual_seed(options.seed)
    numbers = [torch.rand(MANY, generator=generator) for _ in range(2)]
    cases = [
        Case("e of two numbers", Expression(), (torch.tensor(2.0), torch.tensor(4.0))),
        Case("perceptron of one input", Perceptron(), (torch.tensor([0.25, 0.15]),)),
        Case(f"e of {MANY:,} pairs", Expression(), tuple(numbers)),
    ]
    if options.backend == "inductor":
        log.info(
            "torch.compile writes and compiles C++: some ten seconds, slower machines a minute"
        )
    bar = progress_bar(cases, "compiling")
    found = comparisons(bar, backend=options.backend, seconds=options.seconds)
    failures = [alert(line) for one in found for line in one.failures]
    if failures and found[-1].compiled:
        failures.append(text(f"Shown is backend {found[-1].backend}, which writes no C++."))
    header = ["case", "mode", "first call, ms", "later calls, ms", "largest difference"]
    rows = [row for one in found for row in _rows(one)]
    values = {one.case.name: one.difference for one in found if one.compiled}
    return Chapter(title, [intro, ran, *failures, table(header, rows)], {"differences": values})


def _rows(one: Comparison) -> list[tuple[object, ...]]:
    """A line for each mode; the eager value is what the other is held against."""
    modes = [("eager", one.eager, "-")]
    if one.compiled:
        modes.append((f"torch.compile, {one.backend}", one.compiled, f"{one.difference:.2g}"))
    return [
        (one.case.name, mode, _milliseconds(time.first), _milliseconds(time.steady), difference)
        for mode, time, difference in modes
    ]


def _milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
