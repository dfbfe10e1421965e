"""A card of the failure atlas: one radiograph, its map, and what is known of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dlcourse import pages
from dlcourse.pages import element, escape
from dlcourse.xray.atlas_controls import VIEWS, Group, numbered
from dlcourse.xray.atlas_records import Record, same_finding
from dlcourse.xray.studies import Box

# Symbols besides words: none of it is told by colour alone.
WORDS = {
    "TP": "✔ True positive", "FP": "▲ False positive", "FN": "▽ False negative (missed)",
    "TN": "○ True negative", "-": "? Unknown",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Atlas:
    """What all images of a page share.

    Attributes:
        classes: Names of the C classes.
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


def card(record: Record, atlas: Atlas, groups: Sequence[Group], *, wrong: int, place: int) -> str:
    """One article; what the script filters and sorts by stands in its data attributes.

    Args:
        wrong: The place among all, the most wrong first.
        place: The place among all by file name.
    """
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
    other = {plain(b.finding) for b in study.boxes if not same_finding(b.finding, finding)}
    if other:
        facts["Dashed box"] = ", ".join(sorted(other))
    return facts | _map_facts(record, atlas)


def _map_facts(record: Record, atlas: Atlas) -> dict[str, str]:
    where = {None: "", True: ", inside the mark", False: ", outside the mark"}[record.inside]
    mean = float(record.evidence.mean())
    if atlas.bias is None:
        total = f"mean of the map {mean:+.3g}"
    else:
        total = f"{mean + atlas.bias:+.3g} = bias {atlas.bias:+.3g}, mean of the map {mean:+.3g}"
    return {"Log-odds": total, "Maximum": f"{record.peak:+.3g}{where}"}
