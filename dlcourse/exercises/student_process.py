"""The process in which a student's file runs: it may crash, hang or talk, and nobody else minds.

`checking` starts it as `python -m dlcourse.exercises.student_process FILE CHANNEL SECONDS NAME...`
and reads a line of JSON from the descriptor CHANNEL for everything that happens.
"""

import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from dlcourse.exercises.exercise import Exercise, Finding

RIGHT, WRONG, NOT_BEGUN, CRASHED = "right", "wrong", "not begun", "crashed"
SECONDS = 20.0  # for an exercise, unless another limit is asked for
MEMORY = 4 << 30  # bytes beyond what torch itself takes
FILE_SIZE = 64 << 20  # bytes


def judge(exercise: Exercise, module: ModuleType, file: Path) -> tuple[str, list[Finding]]:
    """The state of one exercise of a student's module, and what the check has to say.

    Whatever the student's code raises, sys.exit among it, becomes a finding.
    """
    function = getattr(module, exercise.name, None)
    if function is None:
        text = f"{file.name} has no {exercise.name}: was it renamed or deleted?"
        return NOT_BEGUN, [Finding(False, text)]
    try:
        findings = exercise.check(function)
    except NotImplementedError:
        return NOT_BEGUN, []
    except BaseException as error:
        return CRASHED, [Finding(False, explained(error, file))]
    return (RIGHT if all(finding.ok for finding in findings) else WRONG), findings


def load(file: Path) -> ModuleType | str:
    """A student's file as a module; or why it cannot be read, one sentence."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        return f"The whole file cannot be used: {explained(error, file)}"
    return module


def explained(error: BaseException, file: Path) -> str:
    """What was raised, and in which line of the student's file."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file.name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    if isinstance(error, SystemExit):
        what = "sys.exit was called, which ends the whole program: return a value instead"
    elif isinstance(error, MemoryError):
        what = f"MemoryError: more than {MEMORY >> 30} GiB were asked for"
    else:
        said = " ".join(str(error).split())[:300]
        what = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if lines:
        return f"{file.name}, line {lines[-1]}: {what}"
    return f"What it returned could not be used ({what})"


def limit_resources(seconds: float) -> None:
    """From here on, bound CPU time (a process that nobody watches any more ends), memory, files."""
    try:
        import resource
    except ImportError:  # Windows has none of it; `checking` still ends what takes too long
        return
    cpu = int(time.process_time() + seconds) + 1
    limits = {resource.RLIMIT_CPU: cpu, resource.RLIMIT_FSIZE: FILE_SIZE}
    taken = Path("/proc/self/statm")
    if taken.exists():
        pages = int(taken.read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + MEMORY
    for which, wished in limits.items():
        most = resource.getrlimit(which)[1]
        value = wished if most == resource.RLIM_INFINITY else min(wished, most)
        resource.setrlimit(which, (value, value))


def main(arguments: list[str]) -> None:
    """Judge the named exercises of a file, one after the other."""
    from dlcourse.exercises.catalogue import LABS, exercises_of
    from dlcourse.exercises.confinement import hide_processes

    file, names = Path(arguments[0]), arguments[3:]
    lab = next(lab for lab in LABS if file.name == f"lab{lab}.py")
    channel = os.fdopen(int(arguments[1]), "w", encoding="utf-8")
    tell = _teller(channel)
    exercises = [exercise for exercise in exercises_of(lab) if exercise.name in names]
    sys.dont_write_bytecode = True
    os.chdir(file.parent)
    sys.path.insert(0, str(file.parent))
    limit_resources((len(exercises) + 2) * float(arguments[2]))
    hide_processes()
    tell(event="loading")
    module = load(file)
    for exercise in exercises:
        tell(event="begins", name=exercise.name)
        if isinstance(module, str):
            state, findings = CRASHED, [Finding(False, module)]
        else:
            state, findings = judge(exercise, module, file)
        said = [[finding.ok, finding.text] for finding in findings]
        tell(event="ends", name=exercise.name, state=state, findings=said)
    os._exit(0)  # whatever threads or exit handlers the student's code has left


def _teller(channel: Any) -> Callable[..., None]:
    def tell(**what: Any) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
        channel.write(json.dumps(what) + "\n")
        channel.flush()

    return tell


if __name__ == "__main__":
    main(sys.argv[1:])
