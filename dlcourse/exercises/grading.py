"""The teaching assistant's view: every student's folder is checked, and a table tells of all.

    python scripts/exercises.py grade <folder of folders> --out grades.csv --jobs 4

grades.csv      a row a student: how many exercises are right, the state of each, what to look at
grades/*.json   a student's findings with the hash of what was graded: who has changed nothing is
                not graded again, as long as the checks are the same
grades/*.md     the same for the student to read

Nobody's files are run where they lie. Source alone is copied to a folder of its own and checked by
a process of its own, with none of our environment; on Linux it can write nowhere else, read no
other student's files, connect to nothing and signal nobody (see `confinement`).
"""

import argparse
import csv
import io
import json
import logging
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dlcourse.errors import InputError
from dlcourse.exercises.grading_process import NotGraded, check_apart
from dlcourse.exercises.student_process import NOT_BEGUN, RIGHT, SECONDS
from dlcourse.exercises.submissions import Submission, read_submission
from dlcourse.files import write_json, write_text
from dlcourse.progress import progress_bar
from dlcourse.trust.terminal import printable

log = logging.getLogger(__name__)

# What a spreadsheet takes for a formula when a cell begins with it; the last four are wide ones.
FORMULA = tuple("=+-@＝＋－＠")

NOT_GRADED = "not graded"
# Of a submission and the seconds for an exercise: records of outcomes.
Check = Callable[..., list[dict[str, Any]]]


@dataclass(frozen=True)
class Grade:
    """What became of a student's folder.

    Attributes:
        student: The folder's name.
        hash: Of what was graded; empty when it could not be, so that it is tried again.
        outcomes: Of each exercise its name, state and findings.
        notes: What a teaching assistant should look at.
    """

    student: str
    hash: str
    outcomes: list[dict[str, Any]]
    notes: list[str]

    def state(self, exercise: str) -> str:
        """Of one exercise."""
        states = {outcome["exercise"]: outcome["state"] for outcome in self.outcomes}
        return states.get(exercise, NOT_GRADED)

    @property
    def right(self) -> int:
        """How many exercises are."""
        return sum(outcome["state"] == RIGHT for outcome in self.outcomes)


def grade_folders(
    folder: str | Path,
    out: str | Path,
    *,
    jobs: int | None = None,
    seconds: float = SECONDS,
    files: Mapping[str, Sequence[str]] | None = None,
    check: Check = check_apart,
) -> list[Grade]:
    """Grade every folder in a folder, and write the table and the students' pages.

    Args:
        out: The .csv; the pages go to a folder of its name beside it.
        jobs: Students at once; as many as there are processors when None.
        seconds: For an exercise.
        files: The names of the exercises by the labs' file; those of the catalogue when None.
        check: Runs the exercises of a submission.

    Raises:
        InputError: No such folder, or no folders in it; a table of another kind.
    """
    folder, out = Path(folder), Path(out)
    files = _catalogue() if files is None else files
    if out.suffix != ".csv":
        raise InputError(f"--out {out}: a table, whose name ends in .csv")
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs {jobs}: at least 1")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; it holds a folder for each student")
    pages = out.with_suffix("")
    students = [p for p in sorted(folder.iterdir()) if _is_students(p, pages)]
    if not students:
        raise InputError(f"{folder}: no folders in it; it holds a folder for each student")

    def grade(path: Path) -> Grade:
        submission = read_submission(path, wanted=tuple(files))
        return _graded(submission, _page(pages, path), files, seconds=seconds, check=check)

    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        waiting = {pool.submit(grade, path): path for path in students}
        try:
            done = {
                waiting[future]: future.result()
                for future in progress_bar(as_completed(waiting), "grading", total=len(students))
            }
        except BaseException:  # Ctrl-C: those that wait are not begun
            pool.shutdown(cancel_futures=True)
            raise
    grades = [done[path] for path in students]
    write_text(out, table(grades, [name for names in files.values() for name in names]))
    return grades


def _is_students(path: Path, pages: Path) -> bool:
    """Any folder or link that is not hidden, or written here."""
    if path.name.startswith((".", "__")) or path.resolve() == pages.resolve():
        return False
    return path.is_symlink() or path.is_dir()


def _catalogue() -> dict[str, list[str]]:
    from dlcourse.exercises.catalogue import files

    return {name: [exercise.name for exercise in listed] for name, listed in files().items()}


def _page(pages: Path, path: Path) -> Path:
    """Where a student's findings are; names of all kinds give names that every disk can hold."""
    return pages / f"{urllib.parse.quote(os.fsencode(path.name), safe=' ')}.json"


def _graded(
    submission: Submission, page: Path, files: Mapping[str, Sequence[str]], *,
    seconds: float, check: Check,
) -> Grade:  # fmt: skip
    """What was found earlier of the same files; else what is found now, which is kept."""
    hash, notes = f"{submission.hash()} {seconds:g}", list(submission.notes)
    kept = _kept(page)
    if kept is not None and kept.hash == hash:
        return kept
    names = [name for listed in files.values() for name in listed]
    if not set(files) & set(submission.files):
        notes.insert(0, f"no {' or '.join(files)}")
        outcomes = [{"exercise": name, "state": NOT_BEGUN, "findings": []} for name in names]
    else:
        try:
            outcomes = check(submission, seconds=seconds, exercises=len(names))
        except NotGraded as error:
            outcomes, hash = [], ""
            notes.insert(0, f"{NOT_GRADED}: {error}")
    grade = Grade(submission.name, hash, outcomes, notes)
    write_json(page, asdict(grade))
    write_text(page.with_suffix(".md"), feedback(grade))
    return grade


def _kept(page: Path) -> Grade | None:
    """What was found of a student's folder earlier; nothing when that is no longer readable."""
    try:
        return Grade(**json.loads(page.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def table(grades: Sequence[Grade], exercises: Sequence[str]) -> str:
    """A row a student, as CSV."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["student", "right", "of", *exercises, "notes"])
    for grade in grades:
        texts = [*(grade.state(name) for name in exercises), "; ".join(grade.notes)]
        numbers = [grade.right, len(exercises)]
        writer.writerow([_cell(grade.student), *numbers, *map(_cell, texts)])
    return rows.getvalue()


def _cell(text: str) -> str:
    """A text on one line that no spreadsheet computes: students choose the names of their files."""
    line = printable(text)
    return f"'{line}" if line.startswith(FORMULA) else line


def feedback(grade: Grade) -> str:
    """A student's findings as Markdown: what is right needs no words."""
    lines = [f"# {_literal(grade.student)}: {grade.right} of {len(grade.outcomes)} right", ""]
    for outcome in grade.outcomes:
        lines.append(_literal(f"- {outcome['exercise']}: {outcome['state']}"))
        lines += [f"  - {_literal(f['text'])}" for f in outcome["findings"] if not f["ok"]]
    lines += ["", *(f"Note: {_literal(note)}" for note in grade.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _literal(text: str) -> str:
    """Text without tags and links: names and messages are the student's, no page of ours."""
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace("[", "\\[")


def add_grade(subparsers: Any) -> argparse.ArgumentParser:
    """The subcommand of scripts/exercises.py, for `grade_command`."""
    parser = subparsers.add_parser("grade", help="a folder of students' folders, as a table")
    parser.add_argument("folder", type=Path, help="holds a folder for each student")
    parser.add_argument("--out", type=Path, required=True, help="the table, a .csv")
    parser.add_argument("--jobs", type=int, help="students at once; default: the processors")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for an exercise")
    return parser


def grade_command(options: argparse.Namespace) -> str:
    """Grade; returns what to print."""
    grades = grade_folders(options.folder, options.out, jobs=options.jobs, seconds=options.seconds)
    broken = sum(not grade.hash for grade in grades)
    again = f"; {broken} not graded, the same command tries them again" if broken else ""
    return f"graded: {len(grades)}{again}: {options.out}, {options.out.with_suffix('')}/"
