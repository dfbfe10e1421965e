"""One process at a time makes a thing; the others wait, and then find it made."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds of waiting before it is said; who only asks holds it for a moment


@contextmanager
def alone(place: str | Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the right to make the file or folder `place`; a kill gives it back too.

    The lock, an empty file `.<name>.lock` beside the place, stays: to remove it lets two in.

    Raises:
        Timeout: Another process holds it, and we do not wait.
    """
    place = Path(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_lock_of(place))
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        if not wait:
            raise
        log.info("%s: another process is at it; waiting", place)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def is_held(place: str | Path) -> bool:
    """Whether a process is `alone` with a file or folder."""
    path = _lock_of(Path(place))
    try:
        with FileLock(path, timeout=0.0) if path.is_file() else nullcontext():
            return False
    except Timeout:
        return True
    except OSError:  # somebody else's, which we may only read
        return False


def _lock_of(place: Path) -> Path:
    return place.with_name(f".{place.name}.lock")
