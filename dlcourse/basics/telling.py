"""Part 1 of the labs as one page: what scripts/basics.py calls."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from dlcourse.errors import InputError

if TYPE_CHECKING:
    from dlcourse.basics.chapters import Chapter, Options

log = logging.getLogger(__name__)

MOST_RATE = 1000  # far beyond what learns, and far below where weights are infinite
TITLE = "Part 1: graphs, gradients and a first training"
# Graphs keep their own size, and curves are readable on a phone without scrolling far.
STYLE = """
figure img { width: auto; max-width: 100%; min-width: 0; }
h3 { font-size: 1.05rem; margin: 1.25rem 0 0.5rem; }
figure img[src$=".png"] { min-width: min(100%, 30rem); }
td { min-width: 5rem; }
td:nth-child(5) { min-width: 15rem; }
"""


def tell(config: DictConfig) -> Path:
    """Run part 1 and write it down.

    Returns:
        The folder with index.html, its pictures, and values.json.

    Raises:
        InputError: Options that cannot be.
    """
    import torch

    from dlcourse.files import write_json, write_text
    from dlcourse.pages import card, code, page

    options = _options(config)
    torch.set_num_threads(config.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    chapters = _chapters(options)
    values = {name: value for chapter in chapters for name, value in chapter.values.items()}
    body = "".join(card(chapter.title, *chapter.elements) for chapter in chapters)
    body += f"<h2>The command that made this page</h2>\n{code(_command())}"
    write_text(options.folder / "index.html", page(TITLE, body, style=STYLE))
    write_json(options.folder / "values.json", values)
    log.info("e = %g, perceptron = %.8f", values["e"], values["perceptron"])
    log.info("f, f', f'' at 4: %g, %g, %g", *values["derivatives"])
    log.info("Collatz: %s", ", ".join(map(str, values["collatz"])))
    log.info("training: %.3f nats, baseline %.3f", values["after"][0], values["baseline"][0])
    log.info("the page: %s", options.folder / "index.html")
    return options.folder


def _chapters(options: "Options") -> "list[Chapter]":
    from dlcourse.basics.dynamic_chapter import dynamic_model
    from dlcourse.basics.gradient_chapters import differentiation, training
    from dlcourse.basics.graph_chapters import compiling, expression, perceptron

    makers: Sequence[Callable[[Options], Chapter]] = (
        expression, perceptron, compiling, differentiation, dynamic_model, training,
    )  # fmt: skip
    return [make(options) for make in makers]


def _options(config: DictConfig) -> "Options":
    """The config's values, checked.

    Raises:
        InputError: One cannot be.
    """
    from dlcourse.basics.chapters import Options
    from dlcourse.basics.compiling import BACKENDS

    for key, least in {"seed": 0, "points": 4, "steps": 1, "threads": 1}.items():
        if not _whole(config[key]) or config[key] < least:
            raise InputError(f"{key}={config[key]}: a whole number, at least {least}")
    rate = config.rate
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= MOST_RATE:
        raise InputError(f"rate={rate}: a number above 0, at most {MOST_RATE}; 1.0 is good")
    if config.backend is not None and config.backend not in BACKENDS:
        raise InputError(f"backend={config.backend}: choose one of {', '.join(BACKENDS)} or null")
    folder = config.output or f"runs/basics/{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    return Options(
        Path(folder), config.seed, config.points, config.steps, float(rate), config.backend
    )


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _command() -> str:
    """What was typed, to be typed again."""
    from hydra.core.hydra_config import HydraConfig

    typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return " ".join(["python scripts/basics.py", *typed])
