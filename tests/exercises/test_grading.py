"""A teaching assistant's table: nobody is graded twice, and nobody reaches beyond their folder."""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dlcourse.errors import InputError
from dlcourse.exercises import submissions
from dlcourse.exercises.confinement import landlock_version
from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.grading import add_grade, grade_command, grade_folders
from dlcourse.exercises.grading_child import as_record
from dlcourse.exercises.grading_process import NotGraded, check_apart
from dlcourse.exercises.submissions import MOST_BYTES, Submission, read_submission

ROOT = Path(__file__).resolve().parents[2]
FILES = {"lab1.py": ["a", "b"], "lab2.py": ["c"]}
WANTED = tuple(FILES)


class Checker:
    """Stands for the checks: everything is right but "b", and who was looked at is noted."""

    def __init__(self, *, broken: Sequence[str] = ()) -> None:
        self.seen: list[str] = []
        self.broken = broken

    def __call__(
        self, submission: Submission, *, seconds: float, exercises: int
    ) -> list[dict[str, Any]]:
        self.seen.append(submission.name)
        assert exercises == 3
        if submission.name in self.broken:
            raise NotGraded("it was ended")
        bad = [{"ok": False, "text": "Is <b> [odd](x)?"}]
        return [
            {"exercise": n, "state": "wrong" if n == "b" else "right", "findings": bad * (n == "b")}
            for n in "abc"
        ]


def students(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "lab1.py").write_text(f"# {name}\n")
    return folder


def graded(folder: Path, check: Any, *, jobs: int = 1) -> list[dict[str, str]]:
    grade_folders(folder, folder / "grades.csv", jobs=jobs, files=FILES, check=check)
    with open(folder / "grades.csv", newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("jobs", [1, 3])
def test_every_student_has_a_row_in_order_and_a_page(tmp_path: Path, jobs: int) -> None:
    students(tmp_path, "Öz", "bob", "ada", ".hidden")
    (tmp_path / "list.txt").write_text("no student")
    rows = graded(tmp_path, Checker(), jobs=jobs)
    assert [row["student"] for row in rows] == ["ada", "bob", "Öz"]
    assert list(rows[0].values()) == ["ada", "2", "3", "right", "wrong", "right", ""]
    page = (tmp_path / "grades" / "bob.md").read_text()
    assert page.startswith("# bob: 2 of 3 right\n")
    assert "- b: wrong\n  - Is &lt;b> \\[odd](x)?" in page


def test_only_what_has_changed_is_graded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, fourth = Checker(), Checker(), Checker(), Checker()
    rows = graded(students(tmp_path, "ada", "bob"), first)
    assert graded(tmp_path, second) == rows
    (tmp_path / "bob" / "lab1.py").write_text("# better\n")
    graded(students(tmp_path, "eve"), third)
    monkeypatch.setattr(submissions, "package_hash", lambda: "other checks")
    graded(tmp_path, fourth)
    seen = [checker.seen for checker in (first, second, third, fourth)]
    assert seen == [["ada", "bob"], [], ["bob", "eve"], ["ada", "bob", "eve"]]


def test_who_could_not_be_graded_is_tried_again_and_the_others_are_kept(tmp_path: Path) -> None:
    rows = graded(students(tmp_path, "ada", "bob"), Checker(broken=["bob"]))
    assert rows[1]["a"] == "not graded"
    assert rows[1]["notes"] == "not graded: it was ended"
    (tmp_path / "grades" / "ada.json").write_text("{")  # damaged: as if it were not there
    again = Checker()
    assert graded(tmp_path, again)[1]["a"] == "right"
    assert again.seen == ["ada", "bob"]


@pytest.mark.trust
def test_what_is_handed_in_oddly_is_told_and_never_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("print('another student')")
    folder = students(tmp_path, "eve") / "eve"
    (folder / "lab1.py").unlink()
    (folder / "lab1.py").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    (folder / "lab2.py").write_bytes(b"#" * (MOST_BYTES + 1))
    (folder / "notes.txt").write_text("no source")
    os.mkfifo(folder / "pipe.py")
    got = read_submission(folder, wanted=WANTED)
    assert got.files == {}
    assert got.notes == (
        "lab1.py: a symbolic link, which is not followed",
        f"lab2.py: {MOST_BYTES + 1:,} bytes, at most {MOST_BYTES:,}",
        "pipe.py: no regular file",
    )
    (tmp_path / "zed").symlink_to(folder)
    (tmp_path / "nul").mkdir()
    check = Checker()
    rows = graded(tmp_path, check)
    assert check.seen == []
    assert {row["a"] for row in rows} == {"not begun"}
    assert [row["notes"][:21] for row in rows] == ["no lab1.py or lab2.py"] * 3
    assert "symbolic link" in rows[2]["notes"]


def test_a_folder_within_the_folder_is_taken_and_other_modules_come_along(tmp_path: Path) -> None:
    inner = students(tmp_path / "ada", "handed in") / "handed in"
    (inner / "more").mkdir()
    (inner / "more" / "own.py").write_text("x = 1")
    (inner / "lab2.py").write_text("import numpy\nfrom dlcourse.xray import cam\n")
    got = read_submission(tmp_path / "ada", wanted=WANTED)
    assert set(got.files) == {"lab1.py", "lab2.py", "more/own.py"}
    assert got.notes == (
        "the files were in handed in/",
        "lab2.py, line 2: imports the package itself",
    )
    got.copy_to(tmp_path / "copy")
    assert (tmp_path / "copy" / "more" / "own.py").read_text() == "x = 1"


@pytest.mark.trust
def test_a_name_is_no_formula_and_no_path(tmp_path: Path) -> None:
    rows = graded(students(tmp_path, "=1+1", "a%2F..\n"), Checker())
    assert [row["student"] for row in rows] == ["'=1+1", "a%2F..\\n"]
    assert len(list((tmp_path / "grades").glob("*.json"))) == 2


def test_a_wrong_command_is_one_clear_line(tmp_path: Path) -> None:
    for folder, out, jobs, message in [
        (tmp_path / "none", "g.csv", 1, "no such folder"),
        (tmp_path, "g.csv", 1, "no folders in it"),
        (tmp_path, "g.xlsx", 1, r"ends in \.csv"),
        (tmp_path, "g.csv", 0, "at least 1"),
    ]:
        with pytest.raises(InputError, match=message):
            grade_folders(folder, tmp_path / out, jobs=jobs, files=FILES, check=Checker())


def test_the_command_parses_and_says_what_it_left(tmp_path: Path) -> None:
    (tmp_path / "nul").mkdir()
    parser = argparse.ArgumentParser()
    add_grade(parser.add_subparsers())
    table = tmp_path / "g.csv"
    said = grade_command(parser.parse_args(["grade", str(tmp_path), "--out", str(table)]))
    assert said == f"graded: 1: {table}, {tmp_path / 'g'}/"
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert row["of"] == str(len(row) - 4), "all exercises of the catalogue have a column"


def test_a_student_s_words_are_cut_to_a_line() -> None:
    class Outcome:
        exercise = Exercise("f", 1, "F", "", "", "", lambda student: [])
        state = "wrong"
        findings = (Finding(False, "word\n" * 1000),) * 50

    record = as_record(Outcome())
    assert record["exercise"] == "f"
    assert len(record["findings"]) == 20
    assert {len(finding["text"]) for finding in record["findings"]} == {600}
    json.dumps(record)


def running(argument: str) -> list[bytes]:
    """Command lines of processes with this argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it may end meanwhile
            found.append(path.read_bytes())
    return [line for line in found if argument.encode() in line.split(b"\0")]


# Everything is tried where it would do no harm if it worked.
INTRUDER = """
import os, socket, subprocess
def tried(work):
    try:
        work()
        return "done"
    except OSError as error:
        return type(error).__name__
other, new, grader = {other!r}, {new!r}, {grader}
said = [
    tried(lambda: open(other).read()),
    tried(lambda: open(other, "a")),
    tried(lambda: open(new, "w")),
    tried(lambda: os.remove(other)),
    tried(lambda: os.kill(grader, 0)),
    tried(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
    tried(lambda: open("own.txt", "w")),
    str(os.environ.get("DLCOURSE_SECRET")),
]
subprocess.Popen(["sleep", "61.7"], start_new_session=True)
raise RuntimeError(" ".join(said))
"""


@pytest.mark.trust
@pytest.mark.skipif(landlock_version() < 6, reason="no Landlock, or an old one")
def test_a_student_s_code_reaches_nothing_but_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLCOURSE_SECRET", "key")
    other = students(tmp_path, "ada") / "ada" / "lab1.py"
    source = INTRUDER.format(other=str(other), new=str(tmp_path / "new"), grader=os.getpid())
    outcomes = check_apart(Submission("eve", {"lab1.py": source.encode()}), seconds=20, exercises=1)
    (first, *_) = outcomes
    no = "PermissionError"
    assert first["state"] == "crashed"
    assert f"RuntimeError: {' '.join([no] * 6)} done None" in first["findings"][0]["text"]
    assert other.read_text() == "# ada\n"
    assert not running("61.7"), "what it left behind was ended"


@pytest.mark.trust
@pytest.mark.skipif(landlock_version() < 1, reason="no Landlock")
def test_other_processes_can_be_hidden_from_a_confined_one(tmp_path: Path) -> None:
    code = (
        f"import os, sys; sys.path.append({str(ROOT)!r})\n"
        "from pathlib import Path\n"
        "from dlcourse.exercises.confinement import confine, hide_processes\n"
        "assert confine(Path.cwd()) and hide_processes()\n"
        "open('mine', 'w').write(open('/proc/self/statm').read() + open('/proc/cpuinfo').read())\n"
        "open(f'/proc/{os.getppid()}/environ')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        cwd=tmp_path, env={"HOME": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr.endswith(f"Permission denied: '/proc/{os.getpid()}/environ'\n"), done.stderr
    assert (tmp_path / "mine").stat().st_size > 0
