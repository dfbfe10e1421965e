"""A chapter of the page: what was done, by which code, with which values and pictures."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlcourse.basics.diagrams import Diagram
from dlcourse.basics.drawing import write_svg
from dlcourse.pages import code, element, escape, figure


@dataclass(frozen=True)
class Options:
    """What a run was asked for; see conf/basics.yaml."""

    folder: Path
    seed: int = 0
    points: int = 400
    steps: int = 200
    rate: float = 1.0
    backend: str | None = "inductor"
    seconds: float = 0.2


@dataclass(frozen=True)
class Chapter:
    """A heading, HTML below it, and the values by name that tests and readers look up."""

    title: str
    elements: list[str]
    values: dict[str, Any] = field(default_factory=dict)


def text(*sentences: str) -> str:
    """A paragraph of plain text."""
    return element("p", escape(" ".join(sentences))) + "\n"


def heading(title: str) -> str:
    """A heading within a chapter."""
    return element("h3", escape(title)) + "\n"


def that_ran(*objects: Callable[..., Any] | type) -> str:
    """The source of functions and classes, as it is in the package."""
    sources = [inspect.getsource(one).rstrip() for one in objects]
    return code("\n\n\n".join(sources), label="Code that ran")


def drawn(diagram: Diagram, file: str, title: str, *, folder: Path, caption: str = "") -> str:
    """A diagram, written beside the page."""
    write_svg(diagram, folder / file, title=title)
    return figure(file, title, caption=caption)
