"""The log of one run among many: whole in its own folder, only what matters on the screen."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FORMAT = "[%(asctime)s][%(name)s][%(levelname)s] - %(message)s"


@contextmanager
def logged_apart(path: str | Path) -> Iterator[None]:
    """Send what is logged to a file, at its end; elsewhere only warnings come through."""
    root = logging.getLogger()
    others = list(root.handlers)
    own = logging.FileHandler(path, encoding="utf-8")
    own.setFormatter(logging.Formatter(_FORMAT))
    for handler in others:
        handler.addFilter(_is_warning)
    root.addHandler(own)
    try:
        yield
    finally:
        root.removeHandler(own)
        own.close()
        for handler in others:
            handler.removeFilter(_is_warning)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
