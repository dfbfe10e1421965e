"""Addresses of files on the web: which are safe to ask, and how one is shown."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from dlcourse.errors import InputError

LOCAL = {("http", host) for host in ("localhost", "127.0.0.1", "::1")}
_LOGIN = re.compile(r"(?<=://)[^\s/?#]*@")


def check_address(url: str, *, encrypted: bool = False) -> None:
    """Refuse what could be read or changed on its way, or would tell a password.

    Args:
        encrypted: Whether it follows from an encrypted answer, which may not lead to a plain one.

    Raises:
        InputError: It is no https, nor plain http on this machine; it holds a name or a password,
            which nobody would send and every message and run folder would repeat; it is none.
    """
    try:
        parts = urlsplit(url)
        place = (parts.scheme, parts.hostname)
    except ValueError:
        raise InputError("refused: no address") from None
    if parts.username is not None:
        raise InputError("refused: an address with a name or password in it: give it without")
    if parts.scheme != "https" and (encrypted or place not in LOCAL):
        raise InputError("refused: only https is safe, plain http on this machine alone")


def refuse_logins(options: Iterable[str]) -> None:
    """Refuse what a run folder, a log or a page would repeat.

    Args:
        options: As they were typed: `data.source.url=https://...`.

    Raises:
        InputError: One holds an address with a name or a password.
    """
    for option in options:
        if _LOGIN.search(option):
            raise InputError(
                f"{without_login(option)}: an address with a name or a password in it, which would "
                f"be kept in the run folder: give it without"
            )


def without_login(text: str) -> str:
    """A text with the names and passwords left out of the addresses in it."""
    return _LOGIN.sub("***@", text)
