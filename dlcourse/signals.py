"""Ctrl-C and SIGTERM as an exception that ends a script in good order, wherever it is."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dlcourse.errors import Interrupted

_received: list[int] = []  # by the script under way


class Signalled(Interrupted):
    """By a signal, and nobody has said yet how to go on."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM raise, so that what is inside clears up and lets go of its locks.

    SIGTERM would end the process as it stands; a `KeyboardInterrupt` Lightning answers itself, and
    says nothing. A signal that somebody had ignored (nohup) stays so.

    Raises:
        Signalled: By either, in the main thread. Forked children just end.
    """
    ours = os.getpid()

    def stop(number: int, frame: Any) -> None:
        if os.getpid() != ours:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        _received.append(number)
        raise Signalled("stopped", 128 + number)

    _received.clear()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listening = {n: handler for n, handler in before.items() if handler != signal.SIG_IGN}
    for number in listening:
        signal.signal(number, stop)
    hook, sys.unraisablehook = sys.unraisablehook, _heeded
    try:
        with signals_heeded():
            yield
    finally:
        sys.unraisablehook = hook
        for number, handler in listening.items():
            signal.signal(number, handler)


@contextmanager
def signals_heeded() -> Iterator[None]:
    """Take any error that comes after a signal for the signal: libraries make errors of their own
    of what is raised while they draw or read.

    Raises:
        Signalled: Instead of that error.
    """
    try:
        yield
    except Exception as error:
        if _received:
            raise Signalled("stopped", 128 + _received[0]) from error
        raise


def _heeded(dropped: Any) -> None:
    """Send a signal again that came in a finalizer: Python drops what is raised there."""
    if isinstance(dropped.exc_value, Signalled):
        number = dropped.exc_value.exit_code - 128
        threading.Timer(0.01, signal.raise_signal, [number]).start()
    else:
        sys.__unraisablehook__(dropped)
