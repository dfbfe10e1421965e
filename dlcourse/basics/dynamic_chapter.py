"""The chapter about a model whose graph is different for every input."""

from dlcourse.basics import dynamic
from dlcourse.basics.chapters import Chapter, Options, heading, text, that_ran
from dlcourse.basics.pictures import draw_path
from dlcourse.pages import code, figure, table

START, OTHER = 12, 7
# How each way works, which explains what became of it.
WHY = {
    "eager mode": "Python decides in every step, with the number in its hands.",
    "torch.fx.symbolic_trace": (
        "It follows a stand-in without a value, which cannot say whether n is 1."
    ),
    "torch.jit.trace": (
        "It writes down what happened for 12 and repeats that for every number; choices leave no "
        "trace. A warning is all that tells. (It is deprecated.)"
    ),
    "torch.export": (
        "It wants one graph that holds for every n, and a Python while on values of a tensor has "
        "none."
    ),
    "torch.compile(fullgraph=True)": "It wants one graph as well.",
    "torch.compile": (
        "Where a choice stands in the way, it breaks the graph: pieces between choices are "
        "compiled, Python runs the choices. It is right, but little is won."
    ),
    "torch.export of while_loop": (
        "The loop and the choice are operations themselves, so that the graph holds them."
    ),
}


def dynamic_model(options: Options) -> Chapter:
    """Collatz from 12 in all ways."""
    numbers, found = dynamic.path(START), dynamic.attempts(START, OTHER)
    truth = {n: len(dynamic.path(n)) - 1 for n in (START, OTHER)}
    rows = [
        (
            one.way,
            *(str(one.answers.get(n, "-")) for n in (START, OTHER)),
            verdict(one, truth),
            WHY[one.way],
        )
        for one in found
    ]
    by_way = {one.way: one for one in found}
    draw_path(options.folder / "collatz.png", numbers)
    elements = [
        text(
            "Halve an even number, else take 3 n + 1, until 1 is reached: how long that takes",
            "depends on the number, so there is no one sequence of operations. From 12:",
            f"{', '.join(map(str, numbers))}; that is {len(numbers) - 1} steps.",
        ),
        that_ran(dynamic.collatz_step, dynamic.Collatz),
        figure("collatz.png", f"The numbers from {START} to 1, step by step"),
        heading("What becomes of it when the graph is captured"),
        table(["way", f"steps from {START}", f"from {OTHER}", "verdict", "why"], rows),
    ]
    elements += _graphs(by_way["torch.jit.trace"], "What torch.jit.trace wrote down")
    elements += _graphs(by_way["torch.compile"], "The pieces that torch.compile captured")
    elements += [heading("The loop as an operation"), that_ran(dynamic.CollatzLoop)]
    elements += _graphs(by_way["torch.export of while_loop"], "Its graph")
    values = {"collatz": numbers, "ways": {one.way: verdict(one, truth) for one in found}}
    return Chapter("5. A dynamic model: Collatz", elements, values)


def verdict(one: dynamic.Attempt, truth: dict[int, int]) -> str:
    """What became of an attempt: "right", for which starts it is wrong, or what it refused with."""
    if one.error:
        return f"refused: {one.error}"
    wrong = [str(n) for n, steps in truth.items() if one.answers[n] != steps]
    return f"wrong for {' and '.join(wrong)}" if wrong else "right"


def _graphs(one: dynamic.Attempt, title: str) -> list[str]:
    return [heading(title), code(one.graph.strip(), label=title)] if one.graph else []
