"""The failure atlas as HTML: a card an image, beside the controls that filter and colour them.

Without JavaScript everything is there, the most wrong first, with the map of the evidence.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlcourse import pages
from dlcourse.pages import element, escape
from dlcourse.xray.atlas_controls import VIEWS, Group, controls, groups_of, numbered
from dlcourse.xray.atlas_records import OUTCOMES, Record, same_finding
from dlcourse.xray.atlas_script import SCRIPT, STYLE
from dlcourse.xray.studies import Box

# Symbols besides words: none of it is told by colour alone.
WORDS = {
    "TP": "✔ True positive", "FP": "▲ False positive", "FN": "▽ False negative (missed)",
    "TN": "○ True negative", "-": "? Unknown",
}  # fmt: skip
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
     "it gets right: a drain, a letter on the film, the border or the belly are no pneumothorax. "
     "Where a box or an outline is drawn, the card says whether the maximum is inside.",
     (("hits, the surest first", "outcome=TP&sort=down"),
      ("no finding, the surest first", "outcome=TN&sort=up"))),
    ("What simple change would help?", "Pick a group (a note, a view) and compare the counts of "
     "its outcomes with those of the others. Many close misses ask for another threshold; a group "
     "that fails as a whole, for data or augmentation; maps on a drain, for examples without.",
     (("close calls: the lowest scores of all hits", "outcome=TP&sort=up"),)),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Atlas:
    """What all images of a page share.

    Attributes:
        classes: Names of the C classes.
        index: Which of them is the finding.
        limit: The contribution to the log-odds that has the full colour.
        class_limit: The same for the contributions to the logits of the classes.
        bias: Of the log-odds; None where it is not known.
        colours: (2 s + 1, 4) uint8 RGBA of the overlays.
        size: Pixels of an image on the page.
    """

    title: str
    finding: str
    threshold: float
    classes: tuple[str, ...]
    index: int
    limit: float
    class_limit: float
    facts: Mapping[str, object]
    command: str
    size: int
    colours: np.ndarray
    bias: float | None = None

    @property
    def maps(self) -> dict[str, str]:
        """What the pictures show, by the end of their names."""
        names = {"evidence": f"Evidence for {plain(self.finding)}"}
        if len(self.classes) > 1:
            names |= {f"class{i}": f"Class “{plain(c)}”" for i, c in enumerate(self.classes)}
        return names


def plain(finding: str) -> str:
    """The finding as a word in a sentence."""
    return finding.replace("_", " ").lower()


def atlas_page(records: Sequence[Record], atlas: Atlas) -> str:
    """The whole document; pictures are expected beside it under the stems of the records."""
    records = sorted(records, key=lambda record: -record.wrongness)
    places = {file: i for i, file in enumerate(sorted({r.entry.study.file for r in records}))}
    groups = groups_of(records, atlas.finding)
    cards = [
        _card(record, atlas, groups, wrong=wrong, place=places[record.entry.study.file])
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
        f'<div class="scale"><p>{escape(title)}: {escape(unit)}; more has the same colour</p>'
        + element("span", ink, class_="bar", role="img", aria_label=says)
        + f'<p class="ticks">{ticks}</p></div>\n'
    )


def _card(record: Record, atlas: Atlas, groups: Sequence[Group], *, wrong: int, place: int) -> str:
    entry, study = record.entry, record.entry.study
    word = element("p", element("span", f"{entry.probability:.3f}", class_="score"),
                   escape(WORDS[record.outcome]), class_="outcome")  # fmt: skip
    predicted = int(entry.probability >= atlas.threshold)
    return element(
        "article", f"<h3>{escape(study.file)}</h3>\n", word, _figure(record, atlas),
        pages.facts(_card_facts(record, atlas)), _links(record, atlas), class_="card",
        data_file=study.file, data_outcome=record.outcome, data_score=f"{entry.probability:.9g}",
        data_view=study.view if study.view in VIEWS else VIEWS[-1], data_wrong=wrong,
        data_place=place, data_groups=numbered(record, groups, atlas.finding),
        data_predicted=f"class{predicted}", data_other=f"class{1 - predicted}",
    ) + "\n"  # fmt: skip


def _picture(record: Record, name: str) -> str:
    return pages.url(f"{record.stem}-{name}.png")


def _figure(record: Record, atlas: Atlas) -> str:
    file, names = record.entry.study.file, atlas.maps
    high, wide = record.entry.image.shape
    size = {"width": wide, "height": high, "loading": "lazy"}
    radiograph = element("img", src=_picture(record, "image"), alt=f"Radiograph {file}", **size)
    maps = {f"data_{key}": _picture(record, key) for key in names}
    says = f"{names['evidence']}, laid over {file}"
    over = element("img", class_="overlay", src=maps["data_evidence"], alt=says, **size, **maps)
    mask = ""
    if record.mask is not None:
        source = _picture(record, "mask")
        mask = element("img", class_="marks", src=source, alt="Outline of the mask", **size)
    stack = element("div", radiograph, over, mask, _marks(record, atlas), class_="stack")
    return element("figure", stack, element("figcaption", escape(names["evidence"]))) + "\n"


def _marks(record: Record, atlas: Atlas) -> str:
    """Boxes and the cross at the maximum, in fractions of the image."""
    boxes = record.entry.study.boxes
    shapes = [_rectangle(box, own=same_finding(box.finding, atlas.finding)) for box in boxes]
    if record.x is not None and record.y is not None:
        cross = (
            f"M{record.x - 0.025:.4f} {record.y:.4f}h.05M{record.x:.4f} {record.y - 0.025:.4f}v.05"
        )
        shapes.append(element("path", d=cross, class_="peak"))
    says = f"{len(boxes)} boxes and the maximum of the evidence"
    view = {"viewBox": "0 0 1 1", "preserveAspectRatio": "none"}
    return element("svg", *shapes, class_="marks", role="img", aria_label=says, **view)


def _rectangle(box: Box, *, own: bool) -> str:
    title = element("title", escape(plain(box.finding)))
    place = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
    fractions = {name: f"{value:.5g}" for name, value in place.items()}
    return element("rect", title, class_=None if own else "other", **fractions)


def _links(record: Record, atlas: Atlas) -> str:
    names = ["image", *atlas.maps, *(["mask"] if record.mask is not None else [])]
    links = [element("a", escape(atlas.maps.get(n, n)), href=_picture(record, n)) for n in names]
    return element("p", "Files: ", *links, class_="files")


def _card_facts(record: Record, atlas: Atlas) -> dict[str, object]:
    entry, study, finding = record.entry, record.entry.study, plain(atlas.finding)
    label = {1: finding, 0: f"no {finding}", None: "unknown"}[entry.label]
    others = sorted(plain(f) for f in study.findings if not same_finding(f, atlas.finding))
    who = [f"patient {study.patient}" if study.patient else "", study.view, study.sex]
    who.append("" if study.age is None else f"{study.age} years")
    who.append("" if study.follow_up is None else f"follow-up {study.follow_up}")
    facts: dict[str, object] = {
        "Score": f"{entry.probability:.4g}, threshold {atlas.threshold:.4g}",
        "Label": label + (f"; also {', '.join(others)}" if others else ""),
    }
    panel = [said for name, said in study.adjudicated.items() if same_finding(name, finding)]
    if panel:
        facts["Panel says"] = finding if panel[0] else f"no {finding}"
    facts["Patient"] = ", ".join(filter(None, who)) or "unknown"
    notes = "; ".join(f"{name}: {value}" for name, value in study.notes.items() if value)
    if notes:
        facts["Notes"] = notes
    return facts | _map_facts(record, atlas)


def _map_facts(record: Record, atlas: Atlas) -> dict[str, str]:
    where = {None: "", True: ", inside the mark", False: ", outside the mark"}[record.inside]
    mean = float(record.evidence.mean())
    if atlas.bias is None:
        total = f"mean of the map {mean:+.3g}"
    else:
        total = f"{mean + atlas.bias:+.3g} = bias {atlas.bias:+.3g}, mean of the map {mean:+.3g}"
    return {"Log-odds": total, "Maximum": f"{record.peak:+.3g}{where}"}
