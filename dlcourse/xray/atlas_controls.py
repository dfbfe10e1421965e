"""The controls of the failure atlas: a form whose state `atlas_script` reads."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from dlcourse.pages import element, escape
from dlcourse.xray.atlas_records import OUTCOMES, Record, same_finding

VIEWS = ("PA", "AP", "unknown")
ORDERS = {"wrong": "Most wrong first", "down": "Score, high to low", "up": "Score, low to high",
          "file": "File name"}  # fmt: skip
NAMES = {"TP": "✔ TP, found", "FP": "▲ FP, false alarm", "FN": "▽ FN, missed", "TN": "○ TN, none",
         "-": "? Unknown"}  # fmt: skip
MOST_VALUES = 14  # a note of more values is a number or a name and makes no groups
OPACITY = 65  # percent

# What images have in common: "drain", "yes".
Group = tuple[str, str]


def groups_of(records: Sequence[Record], finding: str) -> list[Group]:
    """Every group that holds some of the images and not all; numbers and names make none."""
    counts = Counter(group for record in records for group in _own_groups(record, finding))
    values = Counter(name for name, _ in counts)
    return [
        group
        for group, count in sorted(counts.items())
        if count < len(records) and values[group[0]] <= MOST_VALUES
    ]


def numbered(record: Record, groups: Sequence[Group], finding: str) -> str:
    """The places of an image's groups among all, with spaces between."""
    own = set(_own_groups(record, finding))
    return " ".join(str(i) for i, group in enumerate(groups) if group in own)


def controls(records: Sequence[Record], maps: Mapping[str, str], groups: Sequence[Group]) -> str:
    """The form; hidden until the script shows it.

    Args:
        maps: What can be laid over the images, by name.
        groups: For the filter, from `groups_of`.
    """
    parts = [
        _outcomes(records), _views(records), _scores(records), _groups(records, groups),
        _orders(), _maps(maps), _looks(), element("button", "Reset", type="reset"),
    ]  # fmt: skip
    return element("form", *parts, id="controls", hidden=True, autocomplete="off")


def _own_groups(record: Record, finding: str) -> list[Group]:
    study = record.entry.study
    own = [(name, value) for name, value in study.notes.items() if value]
    own += [("sex", study.sex)] if study.sex else []
    own += [("also labelled", name) for name in study.findings if not same_finding(name, finding)]
    for name, said in study.adjudicated.items():
        if same_finding(name, finding):
            own.append(("panel says", "yes" if said else "no"))
    return own


def _fieldset(legend: str, *inner: str) -> str:
    return element("fieldset", element("legend", escape(legend)), *inner) + "\n"


def _choice(kind: str, name: str, value: str, text: str, *, checked: bool) -> str:
    box = element("input", type=kind, name=name, value=value, checked=checked)
    return element("label", box, escape(text))


def _outcomes(records: Sequence[Record]) -> str:
    counts = Counter(record.outcome for record in records)
    boxes = [
        _choice("checkbox", "outcome", o, f"{NAMES[o]} ({counts[o]})", checked=True)
        for o in OUTCOMES
    ]
    return _fieldset("Outcome", *boxes)


def _views(records: Sequence[Record]) -> str:
    views = [record.entry.study.view for record in records]
    counts = Counter(view if view in VIEWS else VIEWS[-1] for view in views)
    boxes = [_choice("checkbox", "view", v, f"{v} ({counts[v]})", checked=True) for v in VIEWS]
    return _fieldset("View", *boxes)


def _scores(records: Sequence[Record]) -> str:
    """Two sliders that reach just beyond the scores there are, in some dozens of steps or more."""
    scores = [float(record.entry.probability) for record in records]
    span = max(scores) - min(scores)
    decimals = 2 if span >= 0.2 else 3 if span >= 0.02 else 4
    step = 10.0**-decimals
    low = f"{math.floor(min(scores) / step) * step:.{decimals}f}"
    high = f"{math.ceil(max(scores) / step) * step:.{decimals}f}"
    sliders = [
        _slider(name, text, value, low=low, high=high, step=f"{step:g}")
        for name, text, value in (("low", "from", low), ("high", "to", high))
    ]
    return _fieldset("Score", *sliders)


def _slider(name: str, text: str, value: str, *, low: str, high: str, step: str) -> str:
    limits = {"min": low, "max": high, "step": step, "value": value}
    slider = element("input", type="range", id=f"{name}-slider", name=name, **limits)
    shown = element("output", escape(value), for_=f"{name}-slider", aria_live="off")
    return element("label", escape(text), slider, shown)


def _groups(records: Sequence[Record], groups: Sequence[Group]) -> str:
    if not groups:
        return ""
    options: dict[str, list[str]] = {}
    for place, (name, value) in enumerate(groups):
        option = element("option", escape(f"{name}: {value}"), value=place)
        options.setdefault(name, []).append(option)
    lists = [element("optgroup", *inner, label=name) for name, inner in options.items()]
    anything = element("option", "all", value="")
    select = element("select", anything, *lists, name="group", aria_label="Group")
    return _fieldset("Group", select)


def _orders() -> str:
    return _fieldset(
        "Order",
        *(_choice("radio", "sort", k, text, checked=k == "wrong") for k, text in ORDERS.items()),
    )


def _maps(maps: Mapping[str, str]) -> str:
    choices = dict(maps)
    if {"class0", "class1"} == maps.keys() - {"evidence"}:
        choices |= {"predicted": "Class that was predicted", "other": "The other class"}
    return _fieldset(
        "Map",
        *(_choice("radio", "map", k, text, checked=k == "evidence") for k, text in choices.items()),
    )


def _looks() -> str:
    opacity = _slider("opacity", "opacity", str(OPACITY), low="0", high="100", step="1")
    marks = _choice(
        "checkbox", "marks", "yes", "Boxes, outlines and + at the evidence's maximum", checked=True
    )
    return _fieldset("Picture", opacity, marks)
