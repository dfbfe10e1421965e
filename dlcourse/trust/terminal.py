"""Texts of strangers on a terminal and in a log: shown there, and never obeyed."""

import logging
from contextlib import suppress
from typing import Any


def printable(text: str, *, keep: str = "") -> str:
    """A text in which whatever moves a cursor, or turns letters around, stands as its escape.

    Args:
        keep: Characters that stay, such as ends of lines, besides those that can be printed.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def one_line(text: object, *, most: int = 200) -> str:
    """A text on one line, its blanks single ones, and cut where it is long."""
    line = " ".join(printable(str(text)[: 4 * most], keep="\n\t\r\f\v").split())
    return line if len(line) <= most else f"{line[:most]}..."


def first_line(error: BaseException) -> str:
    """What an exception says, short; its kind when it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def keep_logs_printable() -> None:
    """From now on nothing that is logged in this process gives orders to a terminal."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, _Printable):
        logging.setLogRecordFactory(_Printable(factory))


class _Printable:
    """Makes records of a message alone: names of files are among its arguments."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory

    def __call__(self, *args: Any, **options: Any) -> logging.LogRecord:
        record = self._factory(*args, **options)
        with suppress(TypeError, ValueError):  # logging itself says whose mistake it is
            record.msg, record.args = printable(record.getMessage(), keep="\n\t"), None
        return record
