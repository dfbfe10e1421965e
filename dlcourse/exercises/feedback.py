"""What a student reads after a check: a table of all exercises, then what to look at."""

from collections.abc import Sequence

from dlcourse.exercises.checking import CRASHED, NOT_BEGUN, RIGHT, Outcome
from dlcourse.text_tables import aligned, one_line

MARKS = {RIGHT: "+", NOT_BEGUN: "."}  # all others: "!"


def feedback(outcomes: Sequence[Outcome]) -> str:
    """The progress table, and below it a paragraph for each exercise that is not right."""
    rows = [
        (MARKS.get(o.state, "!"), str(o.exercise.lab), o.exercise.name, o.exercise.title, o.state)
        for o in outcomes
    ]
    done = sum(outcome.state == RIGHT for outcome in outcomes)
    table = aligned(("", "lab", "exercise", "", "state"), rows)
    lines = [table, "", f"{done} of {len(outcomes)} right", *_paragraphs(outcomes)]
    return "\n".join(lines)


def _paragraphs(outcomes: Sequence[Outcome]) -> list[str]:
    lines: list[str] = []
    said: set[str] = set()
    for outcome in outcomes:
        wrong = [finding.text for finding in outcome.findings if not finding.ok]
        if outcome.state == CRASHED and said.issuperset(wrong):
            continue  # a file that cannot be read is told once
        said.update(wrong)
        printed = outcome.output.strip()
        if wrong or printed:
            lines += ["", f"{outcome.exercise.name}: {outcome.state}"]
        lines += [f"  + {one_line(f.text)}" for f in outcome.findings if f.ok and wrong]
        lines += [f"  ! {one_line(text)}" for text in wrong]
        lines += [f"  > {one_line(line)}" for line in printed.splitlines()[:10]]
    return lines
