"""A script of several scripts: each is a fork, all run at once, and what became of each is told.

It is run by the zygote of `killing`: `together(processes, folder, [command, ...])`.
"""

import json
import mmap
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from tests.trust.killing import Ended, Kill, Zygote, _become

SCRIPT = "../tests/trust/crowd.py"  # from scripts/, where a zygote looks for them
MOMENT = datetime(2020, 2, 29, 12, 30, 15, 123456)


def together(
    processes: Zygote,
    folder: Path,
    commands: Sequence[Sequence[str]],
    *,
    kills: Sequence[Kill] = (),
    frozen: bool = False,
) -> list[Ended]:
    """Run scripts in one folder at the same time.

    Args:
        kills: Of the first ones, if they get so far.
        frozen: Stop the clock that folders are named after.
    """
    wish = {"folder": str(folder), "commands": commands, "frozen": frozen}
    ended = processes.run(folder, SCRIPT, json.dumps(wish | {"kills": [asdict(k) for k in kills]}))
    assert ended.status == 0, ended.errors
    return [Ended(*one, events=0, seconds=0.0) for one in json.loads(ended.out)]


class Stopped(datetime):
    """A clock that does not go on."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return MOMENT


def _main(folder: str, commands: list[list[str]], kills: list[dict], frozen: bool) -> None:
    kills += [asdict(Kill(0))] * (len(commands) - len(kills))
    with ExitStack() as stack:
        files = [
            [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)] for _ in commands
        ]
        children = [
            _begun(folder, command, Kill(**kill), own, frozen)
            for command, kill, own in zip(commands, kills, files, strict=True)
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        told = [[file.seek(0) or file.read() for file in own] for own in files]
    sys.stdout.write(json.dumps([[code, *texts] for code, texts in zip(codes, told, strict=True)]))


def _begun(
    folder: str, command: list[str], kill: Kill, files: Sequence[IO[str]], frozen: bool
) -> int:
    child = os.fork()
    if child == 0:
        for number, file in enumerate(files, 1):
            os.dup2(file.fileno(), number)
        if frozen:
            import hydra.core.utils

            hydra.core.utils.datetime = Stopped
        _become(kill, mmap.mmap(-1, 8), folder=folder, command=command, environment={})
    return child


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
