"""Collatz: a model whose graph depends on its input, and what each way to capture it does."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx, nn

from dlcourse.basics.failures import first_line, quiet

Answer = Callable[[Tensor], Tensor]


def collatz_step(n: Tensor) -> Tensor:
    """Half of an even number, 3 n + 1 of an odd one."""
    return n // 2 if n % 2 == 0 else 3 * n + 1


class Collatz(nn.Module):
    """How many steps lead from n to 1; Python decides anew in every one of them."""

    def forward(self, n: Tensor) -> Tensor:
        """The number of steps, a scalar, of a positive whole number."""
        steps = torch.zeros_like(n)
        while n != 1:
            n = collatz_step(n)
            steps = steps + 1
        return steps


class CollatzLoop(nn.Module):
    """The same with the loop and the choice as operations, which a graph can hold."""

    def forward(self, n: Tensor) -> Tensor:
        """As `Collatz`."""
        # torch.while_loop, which the oldest supported torch does not have under this name.
        from torch._higher_order_ops.while_loop import while_loop

        def goes_on(n: Tensor, steps: Tensor) -> Tensor:
            return n != 1

        def body(n: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
            return torch.where(n % 2 == 0, n // 2, 3 * n + 1), steps + 1

        return while_loop(goes_on, body, (n, torch.zeros_like(n)))[1]


def path(start: int) -> list[int]:
    """All numbers from the start to 1.

    Source: Lab 1, part 1 (dynamic models), which starts at 12.
    """
    n, numbers = torch.tensor(start), [start]
    while n != 1:
        n = collatz_step(n)
        numbers.append(int(n))
    return numbers


@dataclass(frozen=True)
class Attempt:
    """What one way made of the model.

    Attributes:
        answers: Steps by start, as far as it answered.
        error: The first line of what it refused with, or "".
        graph: What it captured, as text, or "".
    """

    way: str
    answers: dict[int, int] = field(default_factory=dict)
    error: str = ""
    graph: str = ""


def attempt(way: str, make: Callable[[], tuple[Answer, str]], starts: tuple[int, ...]) -> Attempt:
    """Capture and answer, as far as that goes."""
    answers: dict[int, int] = {}
    try:
        with quiet():
            answer, graph = make()
            for start in starts:
                answers[start] = int(answer(torch.tensor(start)))
    except Exception as error:  # that is what is told
        return Attempt(way, answers, first_line(error))
    return Attempt(way, answers, graph=graph)


def traced() -> tuple[Answer, str]:
    """`torch.fx.symbolic_trace`: follows a stand-in that has no value."""
    module = fx.symbolic_trace(Collatz())
    return module, module.code


def recorded(start: int) -> tuple[Answer, str]:
    """`torch.jit.trace`: writes down the operations of one run."""
    module = torch.jit.trace(Collatz(), (torch.tensor(start),))
    return module, module.code


def exported(start: int, model: nn.Module) -> tuple[Answer, str]:
    """`torch.export`: one whole graph for every input, or nothing."""
    program = torch.export.export(model, (torch.tensor(start),))
    parts = [program.graph_module, *program.graph_module.children()]
    return program.module(), "\n\n".join(part.code.strip() for part in parts)


def compiled_whole() -> tuple[Answer, str]:
    """`torch.compile(fullgraph=True)`: one whole graph, or nothing."""
    torch.compiler.reset()
    return torch.compile(Collatz(), backend="eager", fullgraph=True), ""


def compiled() -> tuple[Answer, list[fx.GraphModule]]:
    """`torch.compile`: pieces without a choice as graphs, Python between them.

    Returns:
        The model, and a list that its calls fill with the graphs that were captured.
    """
    graphs: list[fx.GraphModule] = []

    def keep(module: fx.GraphModule, inputs: list[Tensor]) -> Answer:
        graphs.append(module)
        return module.forward

    torch.compiler.reset()
    return torch.compile(Collatz(), backend=keep), graphs


def attempts(start: int = 12, other: int = 7) -> list[Attempt]:
    """Every way with two starts: the one it is captured with, and another."""
    starts = (start, other)
    found = [
        attempt("eager mode", lambda: (Collatz(), ""), starts),
        attempt("torch.fx.symbolic_trace", traced, starts),
        attempt("torch.jit.trace", lambda: recorded(start), starts),
        attempt("torch.export", lambda: exported(start, Collatz()), starts),
        attempt("torch.compile(fullgraph=True)", compiled_whole, starts),
    ]
    graphs: list[fx.GraphModule] = []

    def pieces() -> tuple[Answer, str]:
        answer, captured = compiled()
        answer(torch.tensor(start))
        graphs.extend(captured)
        return answer, "\n\n".join(str(module.graph) for module in captured)

    found.append(attempt("torch.compile", pieces, starts))
    found.append(
        attempt("torch.export of while_loop", lambda: exported(start, CollatzLoop()), starts)
    )
    return found
