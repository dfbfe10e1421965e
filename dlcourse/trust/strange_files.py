"""Strangers' files, taken with care: no pipes, no giants, bounded memory."""

import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dlcourse.errors import InputError


def file_fault(path: str | Path, *, most: int) -> str:
    """Why a path is not to be opened, as for a pipe, which would never end; empty if it may be.

    Args:
        most: Bytes that are read.
    """
    try:
        state = Path(path).stat()
    except (OSError, ValueError) as error:  # the latter for a name with a zero byte
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISDIR(state.st_mode):
        return "cannot be read (Is a directory)"
    if not stat.S_ISREG(state.st_mode):
        return "cannot be read (a pipe or a device, no file)"
    if state.st_size > most:
        return f"has {state.st_size:,} bytes; at most {most:,} are allowed"
    return ""


def content_of(path: str | Path, *, most: int) -> bytes:
    """What a file holds.

    Raises:
        InputError: It cannot be read, or `file_fault` has a reason why not to.
    """
    if fault := file_fault(path, most=most):
        raise InputError(f"{path}: {fault}")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


@contextmanager
def memory_limit(megabytes: int) -> Iterator[None]:
    """Let the block allocate so much more memory; beyond it is a `MemoryError`. (Linux alone.)"""
    if sys.platform != "linux":
        yield
        return
    import resource  # there is none on Windows

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    limits = [size + megabytes * 2**20, before, hard]
    limit = min(value for value in limits if value != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))
