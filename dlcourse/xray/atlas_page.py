"""The failure atlas as HTML: a card an image, beside the controls that filter and colour them.

Without JavaScript everything is there, the most wrong first, with the map of the evidence.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from dlcourse import pages
from dlcourse.pages import element, escape
from dlcourse.xray.atlas_cards import Atlas, card, plain
from dlcourse.xray.atlas_controls import Group, controls, groups_of
from dlcourse.xray.atlas_records import OUTCOMES, Record
from dlcourse.xray.atlas_script import SCRIPT, STYLE

QUESTIONS = (
    ("Where does it fail, and are the failures reasonable?", "The most wrong come first. Read the "
     "radiograph with the opacity at 0 before you look at the map; compare views and the other "
     "findings of the label, and doubt the label too: it was mined from reports.",
     (("misses", "outcome=FN"), ("false alarms", "outcome=FP"), ("false alarms, AP",
                                                                 "outcome=FP&view=AP"))),
    ("What does it look at then?", "Of a miss, look at what spoke against the finding (blue), and "
     "at the map of the class that lost: a faint red patch in the right place is another failure "
     "than none.",
     (("misses, map of the other class", "outcome=FN&map=other"),
      ("false alarms, map of the predicted class", "outcome=FP&map=predicted"))),
    ("Does it look at places that make no sense?", "See where the maximum (+) lies in images that "
     "it gets right: a drain, a letter on the film, the border or the belly are not the finding. "
     "Where a box or an outline is drawn, the card says whether the maximum is inside.",
     (("hits, the surest first", "outcome=TP&sort=down"),
      ("no finding, the surest first", "outcome=TN&sort=up"))),
    ("What simple change would help?", "Pick a group (a note, a view) and compare the counts of "
     "its outcomes with those of the others. Many close misses ask for another threshold; a group "
     "that fails as a whole, for data or augmentation; maps on a drain, for examples without.",
     (("misses, the closest first", "outcome=FN&sort=down"),
      ("false alarms, the closest first", "outcome=FP&sort=up"))),
)  # fmt: skip


def atlas_page(records: Sequence[Record], atlas: Atlas) -> str:
    """The whole document; pictures are expected beside it under the stems of the records."""
    records = sorted(records, key=lambda record: -record.wrongness)
    places = {file: i for i, file in enumerate(sorted({r.entry.study.file for r in records}))}
    groups = groups_of(records, atlas.finding)
    cards = [
        card(record, atlas, groups, wrong=wrong, place=places[record.entry.study.file])
        for wrong, record in enumerate(records)
    ]
    names = {f"data_{key}": name for key, name in atlas.maps.items()}
    style = f"--size: {int(atlas.size)}px"
    listed = element("section", *cards, id="cards", aria_label="Radiographs", style=style, **names)
    panel = _panel(records, atlas, groups)
    top = element("div", _facts(records, atlas), _questions(), class_="top")
    body = top + element("div", panel, listed, class_="atlas")
    if atlas.command:
        body += f"\n<h2>The command that made this page</h2>\n{pages.code(atlas.command)}"
    notice = (
        f"Not for diagnosis. A teaching exercise on {plain(atlas.finding)}; a map shows what a "
        "network added up, right or wrong, not where a disease is."
    )
    return pages.page(atlas.title, body, notice=notice, style=STYLE, script=SCRIPT)


def _facts(records: Sequence[Record], atlas: Atlas) -> str:
    counts = Counter(record.outcome for record in records)
    outcomes = ", ".join(f"{counts[o]} {o if o != '-' else 'unknown'}" for o in OUTCOMES)
    own = {"Finding": plain(atlas.finding), "Threshold": f"{atlas.threshold:.4g}"}
    own |= {"Images": len(records), "Outcomes": outcomes}
    marked = [record.inside for record in records if record.inside is not None]
    if marked:
        own["Maximum in the mark"] = f"{sum(marked)} of {len(marked)} images with one"
    table = element("a", "predictions.csv", href="predictions.csv")
    return pages.card("This atlas", pages.facts({**own, **atlas.facts}), f"<p>{table}</p>\n")


def _questions() -> str:
    items = []
    for question, hint, presets in QUESTIONS:
        links = [
            element("a", escape(text), href=f"#{state}", class_="preset") for text, state in presets
        ]
        text = f"<strong>{escape(question)}</strong> {escape(hint)} Show: {'; '.join(links)}."
        items.append(f"<li>{text}</li>\n")
    return pages.card("Four questions of the lab", f"<ol>\n{''.join(items)}</ol>\n")


def _panel(records: Sequence[Record], atlas: Atlas, groups: Sequence[Group]) -> str:
    count = element(
        "span", f"{len(records)} of {len(records)} shown", id="count", role="status",
        aria_live="polite",
    )  # fmt: skip
    missing = "<noscript><p>Filters, orders and the choice of a map need JavaScript.</p></noscript>"
    bars = _bar("Evidence", "contribution to the log-odds", atlas.limit, atlas.colours)
    if len(atlas.classes) > 1:
        unit = "contribution to the logit of the class"
        bars += _bar("A class by itself", unit, atlas.class_limit, atlas.colours)
    inner = f"{bars}{missing}{controls(records, atlas.maps, groups)}"
    details = f"<details open><summary>Colours and controls</summary>{inner}</details>"
    return element("aside", count, details, class_="panel", aria_label="Colours and controls")


def _bar(title: str, unit: str, limit: float, colours: np.ndarray) -> str:
    """The scale of colours as it looks on dark and on bright parts of a radiograph."""
    stops = colours[np.linspace(0, len(colours) - 1, 15).round().astype(int)]
    steps = ", ".join(f"rgba({r}, {g}, {b}, {a / 255:.3f})" for r, g, b, a in stops.tolist())
    ink = element("i", style=f"background: linear-gradient(90deg, {steps})")
    words = (f"against −{limit:.3g}", "0", f"+{limit:.3g} for")
    ticks = "".join(f"<span>{word}</span>" for word in words)
    says = f"{title}: blue from {-limit:.3g}, against, by way of 0 to red, for, {limit:.3g}"
    return (
        f'<div class="scale"><p>{escape(f"{title}: {unit}; beyond the ends, the same colour")}</p>'
        + element("span", ink, class_="bar", role="img", aria_label=says)
        + f'<p class="ticks">{ticks}</p></div>\n'
    )
