"""A call in a process of its own that may use so much memory and so much time."""

import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dlcourse.errors import InputError


def refused(call: Callable[..., Any], *arguments: Any, megabytes: int, seconds: int) -> str | None:
    """The message of the `InputError` that a call ends in; None when it returns.

    Args:
        megabytes: Of memory, beyond what this process has.
        seconds: Of processor time, and of waiting.

    Raises:
        AssertionError: It raised something else, ran out of memory, crashed or did not end.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_limited, args=(theirs, megabytes, seconds, call, arguments))
    child.start()
    theirs.close()
    try:
        ended = ours.poll(4 * seconds)  # others may be at work on the machine
        told = ours.recv() if ended else f"still at work after {4 * seconds} s"
    except EOFError:
        child.join()
        told = f"died: exit status {child.exitcode}"
    finally:
        child.kill()
        child.join()
    assert isinstance(told, tuple), told
    return told[0]


def _limited(
    pipe: Connection, megabytes: int, seconds: int, call: Callable[..., Any], arguments: tuple
) -> None:
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = size + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    try:
        call(*arguments)
        pipe.send((None,))
    except InputError as error:
        pipe.send((str(error),))
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {error}")
