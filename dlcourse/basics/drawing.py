"""Diagrams as SVG.

Drawn here and not by Graphviz: its Python package only writes text for the program `dot`, which
pip does not install and a laptop seldom has. The graphs of part 1 have about ten boxes.
"""

from collections.abc import Iterable
from pathlib import Path

from dlcourse.basics.diagrams import (
    CONSTANT,
    INPUT,
    LINE,
    OPERATION,
    OUTPUT,
    PARAMETER,
    Box,
    Diagram,
)  # fmt: skip
from dlcourse.basics.layout import places
from dlcourse.files import write_text
from dlcourse.pages import element, escape

# Fill, border and dashes, after Okabe and Ito.
_LOOKS = {
    INPUT: ("#DCEBF7", "#0072B2", ""),
    PARAMETER: ("#FBE6D4", "#D55E00", ""),
    CONSTANT: ("#EEEEEE", "#666666", "4 3"),
    OPERATION: ("#FFFFFF", "#333333", ""),
    OUTPUT: ("#DDF1E6", "#007A58", ""),
}
_MARGIN = 12  # pixels


def svg(diagram: Diagram, *, title: str) -> str:
    """The picture as a text that is a file by itself.

    Args:
        title: What is in it, for readers who do not see it.
    """
    middle, paths = places(diagram)
    boxes = {box.key: box for box in diagram.boxes}
    left = min(middle[key][0] - box.size[0] / 2 for key, box in boxes.items()) - _MARGIN
    right = max(middle[key][0] + box.size[0] / 2 for key, box in boxes.items()) + _MARGIN
    bends = [middle[key][0] for key in middle if key not in boxes]
    left, right = min([left, *bends]), max([right, *bends])
    bottom = max(middle[key][1] + box.size[1] / 2 for key, box in boxes.items())
    width, height = right - left, bottom + 2 * _MARGIN
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8"'
    tip += ' orient="auto"><path d="M0 0L8 4L0 8z" fill="#333333"/></marker>'
    lines = [_arrow([(*middle[key], boxes.get(key)) for key in path]) for path in paths]
    return element(
        "svg", f"<title>{escape(title)}</title><defs>{tip}</defs>", *lines,
        *(_box(box, *middle[box.key]) for box in diagram.boxes),
        xmlns="http://www.w3.org/2000/svg", role="img", width=f"{width:.0f}",
        height=f"{height:.0f}", viewBox=f"{left:.0f} {-_MARGIN} {width:.0f} {height:.0f}",
    )  # fmt: skip


def write_svg(diagram: Diagram, path: str | Path, *, title: str) -> None:
    """Write the picture, whole or not at all."""
    write_text(path, svg(diagram, title=title) + "\n")


def _box(box: Box, x: float, y: float) -> str:
    (width, height), (fill, border, dashes) = box.size, _LOOKS[box.kind]
    frame = element(
        "rect", x=f"{x - width / 2:.1f}", y=f"{y - height / 2:.1f}", width=f"{width:.1f}",
        height=f"{height:.1f}", rx=8, fill=fill, stroke=border, stroke_width=1.6,
        stroke_dasharray=dashes or None,
    )  # fmt: skip
    first = y - LINE * (len(box.lines) - 1) / 2 + 5
    return frame + "".join(
        element(
            "text", escape(line), x=f"{x:.1f}", y=f"{first + number * LINE:.1f}", fill="#1b1d1f",
            text_anchor="middle", font_family="ui-monospace, Consolas, monospace", font_size=13,
            font_weight="bold" if number == 0 else None,
        )
        for number, line in enumerate(box.lines)
    )  # fmt: skip


def _arrow(points: Iterable[tuple[float, float, Box | None]]) -> str:
    """A line through the middles, from the lower edge of the first to the upper of the last."""
    (x, y, first), *between, (end, top, last) = points
    assert first is not None
    assert last is not None
    y, top = y + first.size[1] / 2, top - last.size[1] / 2
    drawn = f"M{x:.1f} {y:.1f}"
    for to_x, to_y in [(x, y) for x, y, _ in between] + [(end, top)]:
        half = (y + to_y) / 2
        drawn += f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
        x, y = to_x, to_y
    return element(
        "path", d=drawn, fill="none", stroke="#333333", stroke_width=1.4, marker_end="url(#tip)"
    )
