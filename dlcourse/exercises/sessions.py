"""A process that leads a session of its own, and its end."""

import os
import signal
import subprocess
from contextlib import suppress


def end_session(child: subprocess.Popen) -> None:
    """End a process and whatever it has started in its session; close the pipe from it."""
    with suppress(ProcessLookupError, PermissionError):  # it has ended; macOS says the latter
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
