"""Where the boxes of a diagram go: rows by the longest path, sorted by the barycentre heuristic.

Source: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system
structures, 1981.
"""

from itertools import pairwise
from statistics import fmean

from dlcourse.basics.diagrams import Arrow, Diagram

_GAP, _RISE = 26, 44  # pixels between boxes and between rows
_SWEEPS = 8


def rows(diagram: Diagram) -> dict[str, int]:
    """The row of every box: below all that lead to it, and sources right above where they go."""
    found: dict[str, int] = {}
    after: dict[str, list[str]] = {box.key: [] for box in diagram.boxes}
    before: dict[str, list[str]] = {box.key: [] for box in diagram.boxes}
    for start, end in diagram.arrows:
        after[start].append(end)
        before[end].append(start)

    def longest(key: str) -> int:
        if key not in found:
            found[key] = 1 + max(map(longest, before[key]), default=-1)
        return found[key]

    for key in after:
        longest(key)
    for key, starts in before.items():
        if not starts and after[key]:
            found[key] = min(found[end] for end in after[key]) - 1
    return found


def places(diagram: Diagram) -> tuple[dict[str, tuple[float, float]], list[list[str]]]:
    """Where boxes go, and by which points arrows lead there.

    Returns:
        The middle (x, y) of every box in pixels, and of every bend of an arrow that passes rows;
        for every arrow the keys of boxes and bends that it runs through.
    """
    row, paths, order = rows(diagram), [], {}
    for box in diagram.boxes:
        order.setdefault(row[box.key], []).append(box.key)
    for start, end in diagram.arrows:
        bends = [f"{start}>{end}@{level}" for level in range(row[start] + 1, row[end])]
        for level, bend in enumerate(bends, start=row[start] + 1):
            order[level].append(bend)
        paths.append([start, *bends, end])
    sizes = {box.key: box.size for box in diagram.boxes}
    steps = [step for path in paths for step in pairwise(path)]
    return _settled([order[level] for level in sorted(order)], steps, sizes), paths


def _settled(
    order: list[list[str]], steps: list[Arrow], sizes: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Rows sorted so that neighbours stand above each other; the fewest crossings win."""
    best = _middles(order, sizes)
    fewest = _crossings(order, steps, best)
    for sweep in range(_SWEEPS):
        middle = _middles(order, sizes)
        down = sweep % 2 == 0
        for level in order if down else reversed(order):
            pull = {}
            for key in level:
                near = [a if down else b for a, b in steps if key == (b if down else a)]
                pull[key] = fmean(middle[k][0] for k in near or [key])
            level.sort(key=pull.__getitem__)
            middle |= {key: (x, middle[key][1]) for key, x in _row(level, sizes).items()}
        if (crossings := _crossings(order, steps, middle)) < fewest:
            best, fewest = middle, crossings
    return best


def _middles(
    order: list[list[str]], sizes: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """Every row centred about 0."""
    found, top = {}, 0.0
    for level in order:
        height = max(sizes.get(key, (0, 0))[1] for key in level)
        found |= {key: (x, top + height / 2) for key, x in _row(level, sizes).items()}
        top += height + _RISE
    return found


def _row(level: list[str], sizes: dict[str, tuple[float, float]]) -> dict[str, float]:
    widths = [sizes.get(key, (_GAP, 0))[0] for key in level]
    left = -(sum(widths) + _GAP * (len(level) - 1)) / 2
    found = {}
    for key, width in zip(level, widths, strict=True):
        found[key] = left + width / 2
        left += width + _GAP
    return found


def _crossings(
    order: list[list[str]], steps: list[Arrow], middle: dict[str, tuple[float, float]]
) -> int:
    level = {key: number for number, keys in enumerate(order) for key in keys}
    ends = [(level[a], middle[a][0], middle[b][0]) for a, b in steps]
    return sum(
        one[0] == two[0] and (one[1] - two[1]) * (one[2] - two[2]) < 0
        for number, one in enumerate(ends)
        for two in ends[:number]
    )
