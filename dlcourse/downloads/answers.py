"""What a server sends: asked for safely, counted, bounded in size and in time."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from dlcourse.downloads.addresses import check_address
from dlcourse.errors import InputError

MOST = 5 * 1000**3  # bytes; the largest published file has 4.2 GB
TIMEOUT = 30.0  # seconds without a byte
PATIENCE, LEAST = 60.0, 10_000  # in so many seconds of waiting so many bytes have to come


class Body:
    """What a server sends, counted: tells an answer that is complete from one that broke off.

    Attributes:
        start: How many bytes of the file it leaves out; 0 where a server knows no ranges.
        total: Bytes of the whole file; None where the server does not tell.
        is_page: Whether it is HTML, as from a site that wants a log-in.
    """

    def __init__(self, answer: Any, progress: Callable[[int, int | None], Any]) -> None:
        part = re.match(r"bytes ([0-9]{1,18})-", answer.headers.get("Content-Range") or "")
        self.start = int(part[1]) if part and answer.status == 206 else 0
        self.total = self.start + answer.length if answer.length else None
        self.is_page = answer.headers.get_content_type() == "text/html"
        self._answer, self._progress, self._got = answer, progress, self.start
        self._waited, self._came = 0.0, 0
        if (self.total or 0) > MOST:
            raise InputError(f"too large: {self.total} bytes are offered, at most {MOST}")
        if self.start:
            progress(self.start, self.total)

    def read(self, size: int) -> bytes:
        """The next bytes, at most `size`; as a file. One that never ends, ends beyond `MOST`."""
        begun = time.monotonic()
        try:
            # Not `read`, which waits for all of them, however slowly they come.
            data = self._answer.read1(max(0, min(size, MOST + 1 - self._got)))
        except (OSError, HTTPException) as error:
            raise self._broken(reason_of(error)) from error
        if not data and self._got < (self.total or 0):
            raise self._broken("the server closed the connection")
        self._got += len(data)
        self._check_pace(len(data), time.monotonic() - begun)
        self._progress(len(data), self.total)
        return data

    def _check_pace(self, count: int, seconds: float) -> None:
        self._waited, self._came = self._waited + seconds, self._came + count
        if self._waited > PATIENCE:
            if self._came < LEAST:
                raise self._broken(f"{self._came} bytes in {PATIENCE:g} seconds")
            self._waited, self._came = 0.0, 0

    def _broken(self, reason: str) -> InputError:
        total = self.total or "an unknown number of"
        return InputError(f"interrupted: got {self._got} of {total} bytes ({reason})")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, though never from https to plain http."""

    def redirect_request(self, req: Any, fp: Any, *rest: Any) -> urllib.request.Request | None:
        fp.close()  # nobody else does when we refuse
        check_address(rest[-1], encrypted=req.type == "https")
        return super().redirect_request(req, fp, *rest)


@contextmanager
def opened(
    url: str, progress: Callable[[int, int | None], Any], *, start: int = 0
) -> Iterator[Body]:
    """What is at an address, from byte `start` on where the server can do that; see `Body.start`.

    Raises:
        InputError: The address is not safe or cannot be reached, or the server refuses.
    """
    with _answer(url, start) as answer:
        yield Body(answer, progress)


def _answer(url: str, start: int) -> Any:
    check_address(url)
    try:
        headers = {"Range": f"bytes={start}-"} if start else {}
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.build_opener(_CheckedRedirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == 416:  # the file has no more than we have, or less
            return _answer(url, 0)
        raise InputError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise InputError(f"cannot be reached ({reason_of(error)})") from error
    except InputError:
        raise
    except ValueError:  # its text may be that of a proxy, with the password
        raise InputError("cannot be reached (no valid address, or none in https_proxy)") from None


def reason_of(error: Exception) -> str:
    """The shortest that a person understands: "Connection refused" rather than two wrappings."""
    inner = getattr(error, "reason", None) or error
    return str(getattr(inner, "strerror", None) or inner).strip() or type(error).__name__
