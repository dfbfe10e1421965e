"""A search as a picture: what every trial reached, and which options mattered."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlcourse.files import written_whole
from dlcourse.runs import DONE, PRUNED
from dlcourse.search.study import shown_state

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

_BLUE, _ORANGE = "#0072B2", "#D55E00"  # Okabe and Ito's colour-blind safe palette


def draw_history(
    trials: "Sequence[FrozenTrial]",
    importances: Mapping[str, float],
    path: str | Path,
    *,
    label: str,
) -> None:
    """Values against trials, with the best so far; importances beside it if there are any.

    Args:
        trials: Of which at least one is done.
        importances: Shares by option.
        path: Where the PNG goes.
        label: Name of the value.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 2 if importances else 1
    figure = Figure(figsize=(5.2 * panels, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    _history(figure.add_subplot(1, panels, 1), trials, label)
    if importances:
        _bars(figure.add_subplot(1, panels, 2), importances)
    with written_whole(path) as partial:
        figure.savefig(partial, dpi=110)


def _history(axes: "Axes", trials: "Sequence[FrozenTrial]", label: str) -> None:
    numbers, values = _values(trials, DONE)
    best = np.minimum.accumulate(values)
    axes.step([*numbers, len(trials) - 1], [*best, best[-1]], where="post", color="0.3", lw=1)
    # A trial that diverged must not squeeze the others: it is an arrow at the upper edge.
    middle = np.median(values)
    top = float(middle + 3 * (middle - best[-1])) if middle > best[-1] else float(values.max())
    styles = {DONE: {"color": _BLUE}, PRUNED: {"color": _ORANGE, "mfc": "none"}}
    names = {DONE: "done", PRUNED: "pruned, at its last step"}
    for state, style in styles.items():
        numbers, values = _values(trials, state)
        inside = values <= top
        if inside.any():
            axes.plot(numbers[inside], values[inside], "o", ms=5, label=names[state], **style)
        if not inside.all():
            beyond = f"{names[state]}, above {top:.3g}"
            at_edge = np.full((~inside).sum(), top)
            axes.plot(numbers[~inside], at_edge, "^", ms=5, label=beyond, **style)
    axes.set_ylim(top=top + 0.06 * (top - best[-1]) if top > best[-1] else None)
    axes.set(xlabel="trial", ylabel=label, title="the line: best so far")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)


def _values(trials: "Sequence[FrozenTrial]", state: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and values of the trials that ended in a state, with a finite value."""
    found = [
        (t.number, t.value)
        for t in trials
        if shown_state(t.state) == state and t.value is not None and math.isfinite(t.value)
    ]
    numbers, values = np.array(found, dtype=float).reshape(-1, 2).T
    return numbers, values


def _bars(axes: "Axes", importances: Mapping[str, float]) -> None:
    names = sorted(importances, key=lambda name: importances[name])
    axes.barh(names, [importances[name] for name in names], color=_BLUE)
    axes.set(xlim=(0, 1), xlabel="share", title="importance (PED-ANOVA)")
