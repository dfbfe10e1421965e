"""Check a student's folder: every file in processes of its own, with limits on what they take."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dlcourse
from dlcourse.errors import InputError
from dlcourse.exercises.catalogue import files
from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.sessions import end_session
from dlcourse.exercises.student_process import CRASHED, NOT_BEGUN, RIGHT, SECONDS, WRONG

TOO_SLOW, TOO_MUCH_OUTPUT = "too slow", "too much output"
STATES = (RIGHT, WRONG, NOT_BEGUN, CRASHED, TOO_SLOW, TOO_MUCH_OUTPUT)
OUTPUT_LIMIT = 1 << 20  # bytes of an exercise
SHOWN_OUTPUT = 2000  # characters of it that are kept
START_SECONDS = 120.0  # for Python and torch, on a machine that is busy


@dataclass(frozen=True)
class Outcome:
    """What became of one exercise.

    Attributes:
        exercise: Which.
        state: One of `STATES`.
        findings: What was looked at, and what is wrong.
        output: The beginning of what the student's code printed.
    """

    exercise: Exercise
    state: str
    findings: tuple[Finding, ...]
    output: str = ""


def check_folder(
    folder: str | Path, *, only: Collection[str] = (), seconds: float = SECONDS
) -> list[Outcome]:
    """Judge the functions of a student's folder, in the order of the labs.

    The exercises of a file share one process until something ends it; the rest gets a new one.

    Args:
        folder: With lab1.py, lab2.py; one that is missing counts as not begun.
        only: Names of exercises; all when empty.
        seconds: For each exercise, and for reading the file.

    Raises:
        InputError: There is no such folder, or no such exercise.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; `exercises.py new {folder.name}` makes it")
    names = [exercise.name for exercises in files().values() for exercise in exercises]
    for name in only:
        if name not in names:
            raise InputError(f"no exercise is called {name}; there are {', '.join(names)}")
    outcomes: list[Outcome] = []
    for file, exercises in files().items():
        asked = [exercise for exercise in exercises if not only or exercise.name in only]
        outcomes += _check_file(folder / file, asked, seconds)
    return outcomes


def _check_file(file: Path, exercises: Sequence[Exercise], seconds: float) -> list[Outcome]:
    if not file.is_file():
        missing = Finding(False, f"There is no {file.name} in the folder.")
        return [Outcome(exercise, NOT_BEGUN, (missing,)) for exercise in exercises]
    outcomes: list[Outcome] = []
    while len(outcomes) < len(exercises):
        outcomes += _Watch(file, exercises[len(outcomes) :], seconds).run()
    return outcomes


@dataclass
class _Watch:
    """One process, from its start until it is done, ends early, or has to be ended."""

    file: Path
    exercises: Sequence[Exercise]
    seconds: float
    outcomes: list[Outcome] = field(default_factory=list)
    told: bytes = b""
    output: bytes = b""
    loaded: bool = False

    def run(self) -> list[Outcome]:
        """Outcomes, at least one."""
        read, write = os.pipe()
        names = [exercise.name for exercise in self.exercises]
        program = [sys.executable, "-m", "dlcourse.exercises.student_process"]
        self.child = subprocess.Popen(
            [*program, str(self.file), str(write), str(self.seconds), *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(write,),
            cwd=Path(dlcourse.__file__).parents[1],
            env=_environment(),
            start_new_session=True,
        )
        os.close(write)
        try:
            ended = self._listen(read)
        finally:
            end_session(self.child)
            os.close(read)
        if ended is not None:
            self._add(*ended)
        return self.outcomes

    def _listen(self, channel: int) -> tuple[str, str] | None:
        """Until all exercises are judged: None; else how one has ended the process, and why."""
        output = self.child.stdout.fileno()
        self.deadline = time.monotonic() + START_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while len(self.outcomes) < len(self.exercises):
                left = self.deadline - time.monotonic()
                ready = [key.fd for key, _ in selector.select(max(left, 0))]
                if not ready and left <= 0:
                    return self._too_slow()
                if output in ready:
                    text = os.read(output, 1 << 16)
                    self.output += text
                    if len(self.output) > OUTPUT_LIMIT:
                        return TOO_MUCH_OUTPUT, self._flooded()
                    if not text:
                        selector.unregister(output)  # closed by the student's code, or at the end
                elif channel in ready:
                    text = os.read(channel, 1 << 16)
                    if not text:
                        return CRASHED, self._died()
                    try:
                        self._hear(text)
                    except (ValueError, KeyError, TypeError, IndexError):
                        return CRASHED, f"{self._where} wrote into files that it had not opened."
        return None

    def _hear(self, text: bytes) -> None:
        """Take up what the process says; raises where the student's code has joined in."""
        *lines, self.told = (self.told + text).split(b"\n")
        for line in lines:
            event = json.loads(line)
            self.deadline = time.monotonic() + self.seconds
            self.loaded = self.loaded or event["event"] == "begins"
            if event["event"] == "ends":
                if event["name"] != self.exercises[len(self.outcomes)].name:
                    raise ValueError(event["name"])
                findings = tuple(Finding(bool(ok), str(said)) for ok, said in event["findings"])
                self._add(STATES[STATES.index(event["state"])], findings)

    def _add(self, state: str, findings: str | tuple[Finding, ...]) -> None:
        if isinstance(findings, str):
            findings = (Finding(False, findings),)
        shown = self.output[: 4 * SHOWN_OUTPUT].decode(errors="replace")[:SHOWN_OUTPUT]
        self.outcomes.append(Outcome(self.exercises[len(self.outcomes)], state, findings, shown))
        self.output = b""

    @property
    def _where(self) -> str:
        """What ran: the function, or the file itself while it was read."""
        return self.exercises[len(self.outcomes)].name if self.loaded else self.file.name

    def _too_slow(self) -> tuple[str, str]:
        return TOO_SLOW, (
            f"{self._where} was not done after {self.seconds:g} seconds and was stopped: is there "
            "a loop that never ends?"
        )

    def _flooded(self) -> str:
        return (
            f"{self._where} printed more than {OUTPUT_LIMIT >> 20} MiB and was stopped: is there a "
            "print in a loop?"
        )

    def _died(self) -> str:
        """Why a process that has closed its channel is no more."""
        try:
            code = self.child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return f"{self._where} closed the files that Python had open."
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        return f"{self._where} ended Python itself ({how}): os._exit, or too much memory?"


def _environment() -> dict[str, str]:
    """One thread, no GPU, no window: what the checks need, and no more."""
    own = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg"}
    return os.environ | own | {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
