"""Experiments run as the README says, and held to the numbers that they are expected to give.

runs/reproduced/<code>/<experiment>/   a sweep of one job, or of the folds: the same call goes on
"""

import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dlcourse.command_line.override_grammar import quoted_value
from dlcourse.errors import InputError
from dlcourse.files import write_text
from dlcourse.reproduction.expectations import (
    CHEAP,
    DIFFERENT,
    DOWNLOAD,
    MINUTES,
    Figure,
    agreement,
    chosen,
    expected_numbers,
    minutes_text,
)
from dlcourse.reproduction.results_tables import Command, command, table_rows, with_numbers
from dlcourse.runs import DONE
from dlcourse.sweep_folder import Sweep, open_sweep, summary
from dlcourse.sweep_names import slug
from dlcourse.text_tables import aligned

log = logging.getLogger(__name__)

EXPERIMENT = "experiment="
_UNFINISHED = 1  # the status of a sweep of which a job failed; its folder says which
RowOf = Callable[[Mapping[str, Any]], dict[str, Figure]]


@dataclass(frozen=True)
class Check:
    """A command of the README that was run, and what came of it.

    Attributes:
        row: What was measured, by the README's columns; empty where it failed.
        expected: What should have been; empty for a command that is no experiment's own.
        error: What became of its runs, where not all are done.
    """

    command: Command
    expected: Mapping[str, float]
    row: Mapping[str, Figure] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing is different from what was expected."""
        return not self.error and DIFFERENT not in [told for *_, told in self.told()]

    def cells(self) -> dict[str, str]:
        """The cells of its row in the README."""
        figures = {name: figure.text() for name, figure in self.row.items()}
        return figures | {MINUTES: minutes_text(self.seconds)}

    def told(self) -> list[tuple[str, str, str, str]]:
        """For each expected number its name, what was measured, itself, whether they agree."""
        told = (MINUTES, DOWNLOAD)
        wanted = {name: number for name, number in self.expected.items() if name not in told}
        measured = {name: self.row.get(name, Figure(None)) for name in wanted if self.row}
        return [
            (name, figure.text(), f"{wanted[name]:.3f}", agreement(figure, wanted[name]))
            for name, figure in measured.items()
        ]


def commands(names: Sequence[str], conf: Path, readme: str) -> dict[Command, dict[str, float]]:
    """The commands that are meant by names, with what they should give.

    Args:
        names: Of experiments, or "cheap" or "all".
        conf: The folder of the configs.
        readme: Its text; a row that varies an experiment which is named is run too, for "cheap"
            alone not.

    Raises:
        InputError: An experiment has no expected numbers.
    """
    expected = expected_numbers(conf)
    meant = chosen(names, expected)
    found = {command(f"{EXPERIMENT}{name}"): expected[name] for name in meant}
    varied = set(chosen([name for name in names if name != CHEAP], expected))
    for row in table_rows(readme):
        if _experiment(row.command) in varied:
            found.setdefault(row.command, {})
    return found


def _experiment(options: Command) -> str:
    return next((o.removeprefix(EXPERIMENT) for o in options if o.startswith(EXPERIMENT)), "")


def run_command(options: Command, folder: Path, *, overrides: Sequence[str] = ()) -> Sweep:
    """Run a command of the README as a sweep below a folder; what is done is kept.

    Args:
        overrides: Options besides, which are no part of the row: where data lie.

    Raises:
        InputError: It could not even begin, or what is done was begun with another config.
    """
    rest = [o for o in [*options, *overrides] if not o.startswith(EXPERIMENT)]
    place = folder / "-".join([_experiment(options), *([slug(*rest)] if rest else [])])
    line = [*options, *overrides]
    log.info("python scripts/train.py %s: in %s", shlex.join(line), place)
    script = Path(__file__).resolve().parents[2] / "scripts" / "train.py"
    typed = [sys.executable, str(script), "-m", *line]
    typed += [f"hydra.sweep.dir={quoted_value(str(place))}"]
    with subprocess.Popen(typed, stdout=subprocess.DEVNULL) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # it got the signal too, and saves
            raise
    if process.returncode not in (0, _UNFINISHED):
        said = f"ended with status {process.returncode}, and said why above"
        raise InputError(f"python scripts/train.py {shlex.join(line)}: {said}")
    return open_sweep(place)


def checked(sweep: Sweep, check: Check, row_of: RowOf) -> Check:
    """The check with what its sweep gave."""
    jobs = sweep.jobs
    if any(job.state != DONE for job in jobs):
        return replace(check, error=summary(jobs))
    pooled = sweep.folder / "results.json"
    folder = sweep.folder if pooled.is_file() else jobs[0].run.folder
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    seconds = sum((job.run.outcome or {}).get("seconds", 0.0) for job in jobs)
    return replace(check, row=row_of(results), seconds=seconds)


def checks_text(checks: Sequence[Check]) -> str:
    """For a terminal: every number beside the expected one."""
    rows = []
    for check in checks:
        name = shlex.join(check.command)
        if check.error:
            rows.append((name, "", check.error, "", "not done"))
        shown = check.told() or [(n, f.text(), "", "") for n, f in check.row.items()]
        rows += [(name, *told) for told in shown]
        wanted = f"{check.expected[MINUTES]:g}" if MINUTES in check.expected else ""
        rows += [(name, MINUTES, minutes_text(check.seconds), wanted, "")] if check.row else []
    return aligned(("", "", "measured", "expected", ""), rows)


def write_rows(path: Path, checks: Sequence[Check]) -> None:
    """Fill the tables of a Markdown file in again, with what was measured now."""
    text = path.read_text(encoding="utf-8")
    write_text(path, with_numbers(text, {c.command: c.cells() for c in checks if c.row}))


def rows_text(readme: str, checks: Sequence[Check]) -> str:
    """The README's rows of these checks, in Markdown."""
    cells = {check.command: check.cells() for check in checks if check.row}
    rows = [row for row in table_rows(readme) if row.command in cells]
    return "\n".join(row.filled(cells[row.command]) for row in rows)
