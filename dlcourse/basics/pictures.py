"""The curves of part 1 as PNGs."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dlcourse.basics.fitting import Points, source
from dlcourse.basics.models import Perceptron
from dlcourse.files import written_whole

# Okabe and Ito's colour-blind safe palette.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#007A58", "#666666"


def draw_parabola(path: str | Path, *, at: float, value: float, slope: float) -> None:
    """x² + 3 and its tangent at a point."""
    figure, axes = _sheet()
    x = np.linspace(-1, 7, 200)
    axes.plot(x, x**2 + 3, color=BLUE, label="f(x) = x² + 3")
    label = f"tangent at {at:g}, slope {slope:g}"
    axes.plot(x, value + slope * (x - at), "--", color=ORANGE, label=label)
    axes.plot([at], [value], "o", color=ORANGE)
    axes.set(xlabel="x", ylim=(-5, 55))
    _finish(figure, path)


def draw_path(path: str | Path, numbers: list[int]) -> None:
    """The numbers of a Collatz sequence, each with its value."""
    figure, axes = _sheet()
    axes.plot(numbers, "o-", color=BLUE, label=f"from {numbers[0]}")
    for step, number in enumerate(numbers):
        valley = 0 < step < len(numbers) - 1 and number < min(numbers[step - 1], numbers[step + 1])
        place = (0, -15 if valley else 7)  # points; above a valley the line would run through
        axes.annotate(str(number), (step, number), place, textcoords="offset points", ha="center")
    axes.set(xlabel="step", ylabel="n", ylim=(0, 1.15 * max(numbers)), xticks=range(len(numbers)))
    _finish(figure, path)


def draw_losses(
    path: str | Path, losses: list[tuple[float, float]], *, guess: float, best: float
) -> None:
    """Loss over the steps beside the baseline and the best.

    Args:
        losses: In training and on other points, before every step.
        guess: The baseline's loss on the other points.
        best: The loss there of the perceptron that the classes come from.
    """
    figure, axes = _sheet()
    train, test = zip(*losses, strict=True)
    axes.plot(train, color=BLUE, label="training points")
    axes.plot(test, color=ORANGE, label="points never seen")
    axes.axhline(guess, color=GREY, linestyle=":", label="baseline: frequencies, never seen")
    axes.axhline(best, color=GREEN, linestyle="--", label="best possible, never seen")
    axes.set(xlabel="step", ylabel="loss, nats a point", ylim=(0, None))
    _finish(figure, path)


def draw_border(path: str | Path, model: Perceptron, points: Points) -> None:
    """Points of both classes, with the border between them that was learned and the true one."""
    figure, axes = _sheet()
    for value, colour, marker in ((0, ORANGE, "o"), (1, BLUE, "^")):
        x = points.x[points.y == value].numpy()
        axes.plot(x[:, 0], x[:, 1], marker, color=colour, ms=4, alpha=0.6, label=f"class {value}")
    axes.set(xlabel="x₁", ylabel="x₂", xlim=(-3.2, 3.2), ylim=(-3.2, 3.2))
    _border(axes, model, "-", "black", "learned border, p = 0.5")
    _border(axes, source(), "--", GREEN, "border of the source")
    _finish(figure, path)


@torch.no_grad()
def _border(axes: Axes, model: Perceptron, line: str, colour: str, label: str) -> None:
    """Where W x + b = 0, as a contour, which exists for every W."""
    grid = np.linspace(-3.2, 3.2, 80, dtype=np.float32)
    x = torch.from_numpy(np.stack(np.meshgrid(grid, grid), axis=-1))
    axes.contour(grid, grid, model(x).numpy(), levels=[0.5], colors=colour, linestyles=line)
    axes.plot([], [], line, color=colour, label=label)


def _sheet() -> tuple[Figure, Axes]:
    # Not pyplot: it keeps every figure in a global list.
    figure = Figure(figsize=(5.6, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _finish(figure: Figure, path: str | Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)
