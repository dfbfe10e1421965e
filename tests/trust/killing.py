"""Real processes that run the scripts as a user does, and are killed by real signals.

Importing torch and Lightning takes seconds: one process does it, and every run is a fork of it.
"""

import json
import mmap
import os
import runpy
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")  # and "open" for writing
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Kill:
    """A signal, just before the so-manieth change of files, or after so many seconds."""

    number: int
    event: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Ended:
    """How a script ended, what it said, and how often it changed files of its folder.

    The status is 0, an exit code, or minus the signal that the process died of.
    """

    status: int
    out: str
    errors: str
    events: int
    seconds: float


class Zygote:
    """The process of which every script is a fork."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.trust.killing"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(
        self, folder: Path, *command: str, kill: Kill | None = None, **environment: str
    ) -> Ended:
        """Run a script with its options in a folder, to its end or until it is killed."""
        wish = {"folder": str(folder), "command": command, "environment": environment}
        wish["kill"] = asdict(kill or Kill(0))
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(wish) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


@contextmanager
def zygote() -> Iterator[Zygote]:
    """One, for as long as it is needed."""
    made = Zygote()
    try:
        yield made
    finally:
        made.process.communicate()


def _serve() -> None:
    """Fork a child for every line of standard input, and tell how it ended."""
    import dlcourse.explaining
    import dlcourse.music.callbacks
    import dlcourse.music.predictor
    import dlcourse.sweeps
    import dlcourse.training
    import dlcourse.xray.callbacks
    import dlcourse.xray.detector  # noqa: F401

    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_forked(json.loads(line)))) + "\n")
        sys.stdout.flush()


def _forked(wish: dict[str, Any]) -> Ended:
    begun, kill = time.monotonic(), Kill(**wish.pop("kill"))
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as errors,
        mmap.mmap(-1, 8) as counter,
    ):
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(out.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            _become(kill, counter, **wish)
        status = _waited_for(child, kill, begun)
        told = [file.seek(0) or file.read() for file in (out, errors)]
        (events,) = struct.unpack("q", counter)
    return Ended(status, *told, events, time.monotonic() - begun)


def _waited_for(child: int, kill: Kill, begun: float) -> int:
    while kill.seconds is not None and time.monotonic() < begun + kill.seconds:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    if kill.seconds is not None:
        os.kill(child, kill.number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(
    kill: Kill, counter: mmap.mmap, *, folder: str, command: list[str], environment: dict[str, str]
) -> None:
    """Run a script and exit as it does."""
    os.chdir(folder)
    os.environ.update(environment)
    tempfile.tempdir = None
    script = str(ROOT / "scripts" / command[0])
    sys.argv = [script, *command[1:]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.addaudithook(_Counting(folder + os.sep, kill, counter))
    code: Any = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        code = stop.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


class _Counting:
    """Counts changes of files below a folder, and kills its own process before one of them."""

    def __init__(self, folder: str, kill: Kill, counter: mmap.mmap) -> None:
        self.folder, self.kill, self.counter, self.events = folder, kill, counter, 0

    def __call__(self, event: str, arguments: tuple) -> None:
        if event not in CHANGES and not (event == "open" and arguments[2] & WRITES):
            return
        if not isinstance(arguments[0], (str, os.PathLike)):
            return
        if not os.path.abspath(os.fspath(arguments[0])).startswith(self.folder):
            return
        self.events += 1
        self.counter[:8] = struct.pack("q", self.events)
        if self.events == self.kill.event:
            os.kill(os.getpid(), self.kill.number)


if __name__ == "__main__":
    _serve()
