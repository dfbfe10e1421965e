"""One student's exercises, checked in a process and a folder that are nobody else's."""

import json
import logging
import os
import selectors
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from dlcourse.exercises import grading_child
from dlcourse.exercises.sessions import end_session
from dlcourse.exercises.submissions import Submission

log = logging.getLogger(__name__)

_ROOT = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.append({root!r}); from {module} import main; main()"
_MOST_BYTES = 4_000_000  # of what a child tells
_TO_START = 120.0  # seconds; torch, on a busy machine


class NotGraded(Exception):
    """The process that checks has ended without an answer."""


def check_apart(submission: Submission, *, seconds: float, exercises: int) -> list[dict[str, Any]]:
    """Records of a submission's outcomes.

    Args:
        seconds: For an exercise.
        exercises: How many there are.

    Raises:
        NotGraded: The process took too long, or was ended.
    """
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        submission.copy_to(folder / grading_child.HANDED_IN)
        (folder / "tmp").mkdir()
        answer = _answer(folder, seconds=seconds, limit=_TO_START + 2 * seconds * exercises)
    try:
        told = json.loads(answer)
        if not told["confined"]:
            _warn_once()
        return [_record(outcome) for outcome in told["outcomes"]]
    except (ValueError, KeyError, TypeError) as error:
        raise NotGraded("the process that checks was ended by what it checked") from error


def _answer(folder: Path, *, seconds: float, limit: float) -> bytes:
    """What the child says, if it ends in time."""
    code = _START.format(root=_ROOT, module=grading_child.__name__)
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", code, str(folder), str(seconds)],
        cwd=folder, env=_environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        return _read(child.stdout, until=time.monotonic() + limit)
    finally:
        end_session(child)


def _environment(folder: Path) -> dict[str, str]:
    """None of ours, which may hold keys; one thread, no accelerator, and homes in the folder."""
    home, tmp = str(folder), str(folder / "tmp")
    return {
        "PATH": os.defpath, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": tmp,
        "MPLCONFIGDIR": tmp, "TORCHINDUCTOR_CACHE_DIR": tmp, "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


def _read(stream: Any, *, until: float) -> bytes:
    """All that a pipe gives, as long as that is little and soon."""
    told = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while selector.select(max(0.0, until - time.monotonic())):
            part = os.read(stream.fileno(), 1 << 16)
            told += part
            if not part:
                return told
            if len(told) > _MOST_BYTES:
                raise NotGraded("the process that checks says too much")
    raise NotGraded("the process that checks took too long")


def _record(outcome: dict[str, Any]) -> dict[str, Any]:
    """An outcome, if it is one: only these keys, of these types."""
    findings = [{"ok": bool(f["ok"]), "text": str(f["text"])} for f in outcome["findings"]]
    state = {"exercise": str(outcome["exercise"]), "state": str(outcome["state"])}
    return {**state, "findings": findings}


@cache
def _warn_once() -> None:
    log.warning(
        "this system has no Landlock (Linux 5.13): students' code runs with your rights; grade in "
        "a container or as another user"
    )
