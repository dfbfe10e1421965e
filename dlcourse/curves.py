"""Learning curves as a picture."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dlcourse.files import written_whole

Rows = dict[int, dict[str, float]]
_COLOURS = {"train": "#0072B2", "val": "#D55E00"}  # Okabe and Ito's colour-blind safe palette


def draw_curves(rows: Rows, path: str | Path) -> None:
    """One panel a quantity, training and validation in it, against optimizer steps.

    Args:
        rows: Values by step and name; the names are `train/<quantity>` or `val/<quantity>`.
        path: Where the PNG goes.
    """
    names = sorted({name for row in rows.values() for name in row if "/" in name})
    names = [name for name in names if name.split("/")[0] in _COLOURS]
    quantities = dict.fromkeys(name.split("/", 1)[1] for name in names)
    # What both splits have comes first, the loss before all; the learning rate comes last.
    shared = {q for q in quantities if {f"train/{q}", f"val/{q}"} <= set(names)}
    quantities = sorted(quantities, key=lambda q: (q == "rate", q not in shared, q != "loss", q))
    columns = min(3, max(1, len(quantities)))
    lines = -(-len(quantities) // columns) or 1
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for place, quantity in enumerate(quantities, start=1):
        axes = figure.add_subplot(lines, columns, place)
        for split, colour in _COLOURS.items():
            name = f"{split}/{quantity}"
            points = [(step, row[name]) for step, row in sorted(rows.items()) if name in row]
            if points:
                marker = "o" if split == "val" else None
                axes.plot(
                    *zip(*points, strict=True), color=colour, label=split, marker=marker, ms=3
                )
        axes.set(title=quantity, xlabel="optimizer step")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)
