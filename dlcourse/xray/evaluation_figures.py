"""An evaluation as pictures: ROC curve, precision-recall curve, reliability diagram."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dlcourse.files import written_whole
from dlcourse.xray.operating import wilson

# Okabe and Ito's colour-blind safe palette.
_COLOURS = {"model": "#0072B2", "metadata only": "#D55E00"}
_MARKS = {
    "youden": ("o", 9, " (Youden)"),
    "sensitivity=0.90": ("s", 5, " (sensitivity .90)"),
    "0.5": ("^", 6, ""),
}  # marker, its size so that one within another is seen, what the legend adds
_GREY = "#666666"
ROC, PRECISION_RECALL, RELIABILITY = "roc.png", "precision_recall.png", "reliability.png"


def draw_figures(evaluation: dict[str, Any], folder: str | Path) -> list[Path]:
    """Draw what `evaluation.evaluate` says: `roc.png`, `precision_recall.png`, `reliability.png`.

    Returns:
        The files. Where the test has one class only, the first two say so instead of a curve.
    """
    folder = Path(folder)
    figures = {
        ROC: _roc(evaluation),
        PRECISION_RECALL: _precision_recall(evaluation),
        RELIABILITY: _reliability(evaluation),
    }
    for name, figure in figures.items():
        with written_whole(folder / name) as partial:
            figure.savefig(partial, dpi=130)
    return [folder / name for name in figures]


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _roc(e: dict[str, Any]) -> Figure:
    figure = _figure(4.8, 6.5)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":", label="chance 0.500")
    _draw_curves(axes, e, "roc", "auroc", ("fpr", "tpr"))
    for point in e["operating_points"]:
        if None in (point.get("specificity"), point.get("sensitivity")):
            continue
        marker, size, name = _MARKS[point["rule"]]
        axes.plot(
            [1 - point["specificity"]],
            [point["sensitivity"]],
            marker,
            markersize=size,
            color=_COLOURS["model"],
            markerfacecolor="white",
            clip_on=False,
            zorder=5,
            label=f"threshold {point['threshold']:.3g}{name}",
        )
    _finish(axes, e, "ROC", ("1 - specificity", "sensitivity"))
    return figure


def _precision_recall(e: dict[str, Any]) -> Figure:
    figure = _figure(4.8, 5.9)
    axes = figure.add_subplot()
    label = f"prevalence {e['prevalence']:.3f}"
    axes.axhline(e["prevalence"], color=_GREY, linestyle=":", label=label)
    keys = ("recall", "precision")
    _draw_curves(axes, e, "precision_recall", "average_precision", keys)
    _finish(axes, e, "precision and recall", ("recall", "precision"))
    return figure


def _draw_curves(
    axes: Axes, e: dict[str, Any], curve: str, area: str, keys: tuple[str, str]
) -> None:
    for name, colour in _COLOURS.items():
        if not e["curves"][name]:
            continue
        row, points = e["test"][name], e["curves"][name][curve]
        label = f"{name} {row[area]:.3f}"
        if row[f"{area}_interval"]:
            low, high = row[f"{area}_interval"]
            label += f" ({low:.3f} to {high:.3f})"
        # A curve of precision falls at once and not along the way between two points.
        style = "steps-pre" if curve == "precision_recall" else "default"
        axes.plot(points[keys[0]], points[keys[1]], color=colour, label=label, drawstyle=style)
    if e["reason"]:
        axes.text(0.5, 0.8, "one class only: no curve", ha="center", color=_GREY)


def _finish(axes: Axes, e: dict[str, Any], what: str, names: tuple[str, str]) -> None:
    axes.set(xlabel=names[0], ylabel=names[1], xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title(
        f"{e['finding']}: {what}\n{e['images']} images, {e['positives']} positive", fontsize=10
    )
    axes.grid(alpha=0.3)
    # Below, where it hides no part of a curve.
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.12), fontsize=8, frameon=False)


def _reliability(e: dict[str, Any]) -> Figure:
    figure = _figure(4.8, 6.8)
    axes, below = figure.subplots(2, 1, height_ratios=[4, 1])
    bins = e["calibration"]["bins"]
    rows = list(zip(bins["observed"], bins["counts"], strict=True))
    ends = [wilson(round(share * images), images) for share, images in rows]
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":", label="calibrated")
    label = f"model, ECE {e['calibration']['ece']:.3f}"
    colour = _COLOURS["model"]
    bars, named = list(zip(*ends, strict=True)), ["95 %"] + ["_"] * (len(ends) - 1)
    axes.plot([bins["mean"]] * 2, bars, color=colour, alpha=0.5, label=named)
    axes.plot(bins["mean"], bins["observed"], "o", ms=5, color=colour, label=label, clip_on=False)
    names = ("mean predicted probability", "share that is positive")
    _finish(axes, e, f"reliability, {e['calibration']['kind']} bins", names)
    # A rare finding has all its bins in a corner of the unit square.
    reach = min(1.0, 1.1 * max(bins["mean"] + [high for _, high in ends]))
    axes.set(aspect="auto", xlim=(0, reach), ylim=(0, reach))
    counts = e["calibration"]["histogram"]
    left = [place / len(counts) for place in range(len(counts))]
    below.bar(left, counts, width=1 / len(counts), align="edge", color=colour, edgecolor="white")
    if max(counts) > 50:
        below.set_yscale("symlog", linthresh=1)
    below.set(xlabel="predicted probability", ylabel="images", xlim=(0, 1), ylim=(0, None))
    below.grid(alpha=0.3)
    return figure
