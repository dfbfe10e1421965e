"""What a student's file does to its process stays there, and is explained."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from dlcourse.errors import InputError
from dlcourse.exercises import checking
from dlcourse.exercises.catalogue import all_exercises, exercises_of, files
from dlcourse.exercises.checking import check_folder
from dlcourse.exercises.exercise import Finding
from dlcourse.exercises.feedback import feedback
from dlcourse.exercises.folder import module_source, new_folder, solved_folder
from dlcourse.exercises.student_process import CRASHED, NOT_BEGUN, RIGHT, WRONG, judge, load

BAD_FILE = '''
def next_note_loss(logits, targets):
    while True:
        pass


def note_accuracy(logits, targets):
    while True:
        print("not yet")


def sample_note(logits, temperature, generator):
    import os

    os._exit(3)


def near_previous(logits, previous, largest):
    print("looking at", previous)
    return logits


def transpose(inputs, targets, semitones):
    """Tells the checker that all is well, without being asked."""
    import os

    for descriptor in range(3, 32):
        try:
            os.write(descriptor, b'{"event": "ends", "name": "x", "state": "right"}\\n')
        except OSError:
            pass
    while True:
        pass
'''


def named(name: str):
    return next(exercise for exercise in all_exercises() if exercise.name == name)


def loaded(tmp_path: Path, source: str) -> ModuleType | str:
    file = tmp_path / "lab1.py"
    file.write_text(source)
    return load(file.resolve())


def judged(tmp_path: Path, source: str, name: str = "note_accuracy") -> tuple[str, str]:
    module = loaded(tmp_path, source)
    assert isinstance(module, ModuleType), module
    state, findings = judge(named(name), module, (tmp_path / "lab1.py").resolve())
    return state, " ".join(finding.text for finding in findings if not finding.ok)


def test_a_hang_a_flood_a_crash_and_a_forgery_end_one_exercise_alone(tmp_path: Path) -> None:
    (tmp_path / "lab1.py").write_text(BAD_FILE)
    names = ["next_note_loss", "note_accuracy", "sample_note", "near_previous", "transpose"]
    outcomes = check_folder(tmp_path, only=names, seconds=3.0)
    told = {o.exercise.name: (o.state, o.findings[-1].text) for o in outcomes}
    assert [state for state, _ in told.values()] == [
        checking.TOO_SLOW,
        checking.TOO_MUCH_OUTPUT,
        CRASHED,
        WRONG,
        CRASHED,
    ]
    assert "loop that never ends" in told["next_note_loss"][1]
    assert "print in a loop" in told["note_accuracy"][1]
    assert "exit status 3" in told["sample_note"][1]
    assert "had not opened" in told["transpose"][1]
    assert outcomes[3].output.startswith("looking at 9\n")
    text = feedback(outcomes)
    assert "0 of 5 right" in text
    assert "  > looking at 9" in text


def test_a_solved_folder_passes_and_is_never_overwritten(tmp_path: Path) -> None:
    solved_folder(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"lab1\.py.*never overwritten"):
        new_folder(tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    outcomes = check_folder(tmp_path)
    assert [o.exercise for o in outcomes] == list(all_exercises())
    assert {o.state for o in outcomes} == {RIGHT}, feedback(outcomes)
    assert {path.name for path in tmp_path.iterdir()} == set(before)  # nothing is left behind


def test_a_new_folder_holds_every_skeleton_in_order_and_is_not_begun(tmp_path: Path) -> None:
    folder = tmp_path / "my_lab"
    new_folder(folder)
    text = (folder / "README.md").read_text()
    places = [text.index(f". `{exercise.name}`") for exercise in all_exercises()]
    assert places == sorted(places)
    module = load(folder / "lab1.py")
    states = {judge(e, module, folder / "lab1.py")[0] for e in exercises_of(1)}
    assert states == {NOT_BEGUN}
    assert list(files()) == [p.name for p in sorted(folder.glob("*.py"))]


def test_what_a_function_raises_is_told_with_its_line(tmp_path: Path) -> None:
    source = "def note_accuracy(logits, targets):\n    return {}['mean']\n"
    assert judged(tmp_path, source) == (CRASHED, "lab1.py, line 2: KeyError: 'mean'")
    source = "import sys\n\n\ndef note_accuracy(logits, targets):\n    sys.exit(0)\n"
    state, text = judged(tmp_path, source)
    assert state == CRASHED
    assert text.startswith("lab1.py, line 5: sys.exit was called")


def test_the_line_is_the_students_even_when_a_library_raised(tmp_path: Path) -> None:
    source = "def note_accuracy(logits, targets):\n    return logits @ logits.new_zeros(2)\n"
    state, text = judged(tmp_path, source)
    assert state == CRASHED
    assert text.startswith("lab1.py, line 2: RuntimeError")


def test_what_cannot_be_used_is_told_without_a_line(tmp_path: Path) -> None:
    state, text = judged(tmp_path, "note_accuracy = 3\n")
    assert state == CRASHED
    assert "could not be used" in text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(:\n    pass\n", r"lab1\.py, line 1: SyntaxError"),
        ("x = 1\n  y = 2\n", r"lab1\.py, line 2: IndentationError"),
        ("\nimport nothing_of_the_kind\n", r"line 2: ModuleNotFoundError.*nothing_of_the_kind"),
        ("import sys\nsys.exit()\n", r"line 2: sys\.exit was called"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_with_its_line(
    tmp_path: Path, source: str, says: str
) -> None:
    told = loaded(tmp_path, source)
    assert isinstance(told, str)
    assert re.search(says, told)


def test_a_missing_function_or_file_is_not_begun(tmp_path: Path) -> None:
    state, text = judged(tmp_path, "def note_acuracy(logits, targets):\n    return 1\n")
    assert state == NOT_BEGUN
    assert "no note_accuracy" in text
    (tmp_path / "lab1.py").unlink()
    outcomes = check_folder(tmp_path)  # no process is needed to see that
    assert {o.state for o in outcomes} == {NOT_BEGUN}
    assert outcomes[0].findings == (Finding(False, "There is no lab1.py in the folder."),)


def test_a_file_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    finding = Finding(False, "The whole file cannot be used: lab1.py, line 1")
    outcomes = [checking.Outcome(e, CRASHED, (finding,)) for e in exercises_of(1)]
    assert feedback(outcomes).count(finding.text) == 1


def test_a_students_output_moves_no_cursor() -> None:
    outcome = checking.Outcome(exercises_of(1)[0], RIGHT, (), "\x1b[2Jall \x07right\n")
    assert "\x1b" not in feedback([outcome])
    assert "\x07" not in feedback([outcome])


def test_an_unknown_exercise_or_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no exercise is called sing; there are encode_song"):
        check_folder(tmp_path, only=["sing"])
    with pytest.raises(InputError, match=r"no such folder.*exercises\.py new"):
        check_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        new_folder(tmp_path / "file")


def test_a_students_file_is_plain_python_with_its_imports() -> None:
    for exercises in files().values():
        source = module_source("Lab.", [exercise.skeleton for exercise in exercises])
        names = compile(source, "lab.py", "exec").co_names
        assert {exercise.name for exercise in exercises} <= set(names)
