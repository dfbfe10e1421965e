"""Archives read once, from the first byte to the last, with nothing in them believed."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dlcourse.errors import InputError

MOST_HEADERS = 2**20  # bytes before a file: tarfile keeps them in memory, whatever size they claim


class Stream(Protocol):
    """Bytes to be read once, from the first to the last."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""
        ...


@contextmanager
def unpacked(archive: Stream) -> Iterator[tarfile.TarFile]:
    """A .tar.gz stream as a tar file to go through once.

    Raises:
        InputError: It is no such archive, damaged or cut short; also while it is gone through.
    """
    try:
        # tarfile's own "r|gz" takes an archive that is cut short for a complete one.
        content = _Metered(gzip.GzipFile(fileobj=archive))
        with _Tar.open(fileobj=content, mode="r|", meter=content) as tar:
            yield tar
    except (gzip.BadGzipFile, zlib.error, tarfile.TarError, EOFError) as error:
        raise InputError(f"not a complete .tar.gz archive: {error}") from error


class _Metered:
    """A stream that gives so much, and then an error, until more is granted."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self.left = stream, MOST_HEADERS

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise tarfile.ReadError(f"more than {MOST_HEADERS} bytes of headers")
        return data


class _Tar(tarfile.TarFile):
    """Reads as much as its files are long, and a little for their headers."""

    def __init__(self, *args: object, meter: _Metered, **options: object) -> None:
        self._meter = meter
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def next(self) -> tarfile.TarInfo | None:
        """The next file; every complaint about a header is a `ReadError`."""
        try:
            member = super().next()
        except InputError:  # of the stream
            raise
        except (ArithmeticError, LookupError, RecursionError, ValueError) as error:
            raise tarfile.ReadError(f"a damaged header: {error}") from error
        if member is not None:
            self._meter.left = MOST_HEADERS + max(0, member.size)
        return member
