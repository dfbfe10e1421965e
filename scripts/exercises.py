"""The labs' exercises: skeletons to fill in, and a checker that says what is wrong.

python scripts/exercises.py new my_lab                       a folder of skeletons and its README
python scripts/exercises.py check my_lab                     how far you are, and what to look at
python scripts/exercises.py check my_lab --only sample_note  one exercise
python scripts/exercises.py grade handed_in --out grades.csv every student's folder in a folder

Exit codes: 0; 1 when `check` finds an exercise that is not right; 2 for a mistake in the command.
"""

import argparse
from pathlib import Path

from dlcourse.cli import run_script
from dlcourse.exercises.grading import add_grade, grade_command
from dlcourse.exercises.student_process import SECONDS


def main() -> int:
    """Run a subcommand; returns the exit code."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    commands = parser.add_subparsers(required=True, metavar="command")
    new = commands.add_parser("new", help="write skeletons into a folder")
    new.add_argument("folder", type=Path)
    new.set_defaults(run=_new)
    check = commands.add_parser("check", help="check a folder's functions")
    check.add_argument("folder", type=Path)
    check.add_argument("--only", nargs="+", default=(), metavar="name", help="these exercises")
    seconds = "for each; default: %(default)g"
    check.add_argument("--seconds", type=float, default=SECONDS, help=seconds)
    check.set_defaults(run=_check)
    add_grade(commands).set_defaults(run=_grade)
    options = parser.parse_args()
    return options.run(options)


def _new(options: argparse.Namespace) -> int:
    from dlcourse.exercises.folder import new_folder

    print("\n".join(map(str, new_folder(options.folder))))
    return 0


def _check(options: argparse.Namespace) -> int:
    from dlcourse.exercises.checking import RIGHT, check_folder
    from dlcourse.exercises.feedback import feedback

    outcomes = check_folder(options.folder, only=options.only, seconds=options.seconds)
    print(feedback(outcomes))
    return 0 if all(outcome.state == RIGHT for outcome in outcomes) else 1


def _grade(options: argparse.Namespace) -> int:
    print(grade_command(options))
    return 0


if __name__ == "__main__":
    run_script(main)
