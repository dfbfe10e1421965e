"""`report.html`: a comparison as one file that needs nothing beside it."""

from pathlib import Path

from dlcourse.comparison.page.factors import factors
from dlcourse.comparison.page.gallery import gallery
from dlcourse.comparison.page.runs import runs_section
from dlcourse.comparison.page.script import SCRIPT
from dlcourse.comparison.page.sections import (
    curves_section,
    differences_section,
    effects_section,
    overlays_section,
    settings_section,
    verdict_section,
)
from dlcourse.comparison.page.style import STYLE
from dlcourse.comparison.records import Comparison
from dlcourse.files import write_text
from dlcourse.pages import card, element, escape, page


def write_page(comparison: Comparison, path: str | Path) -> None:
    """Write the page: verdict, settings, curves, effects, differences, overlays, gallery, runs.

    Pictures and sounds are inside of it, made smaller; sections without contents are left out.
    """
    by = factors(comparison)
    sections = {
        "Verdict": verdict_section(comparison),
        "Settings": settings_section(comparison),
        "Learning curves": curves_section(comparison, by),
        "Main effects": effects_section(comparison),
        "Differences to the best": differences_section(comparison),
        "Overlays": overlays_section(comparison, by),
        "Gallery": gallery(comparison),
        "Runs": runs_section(comparison),
    }
    sections = {title: inner for title, inner in sections.items() if inner}
    links = [element("a", escape(t), href=f"#{_place(t)}") for t in sections]
    body = element("nav", *links, aria_label="Sections")
    body += "".join(
        element("section", card(title, inner), id=_place(title))
        for title, inner in sections.items()
    )
    write_text(path, page(comparison.title, body, style=STYLE, script=SCRIPT))


def _place(title: str) -> str:
    return title.lower().replace(" ", "-")
