"""The process in which one student's folder is checked; what it finds goes out as one JSON line.

It gets a folder that is its own, with the student's files in `handed_in/`, and nothing else.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

HANDED_IN = "handed_in"
_LONGEST = 600  # characters of a finding
_MOST = 20  # findings of an exercise


def main() -> None:
    """Check `handed_in/` of the folder that is the first argument, seconds being the second."""
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    answer = os.dup(1)  # nobody inherits it; prints go nowhere
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    from dlcourse.exercises.confinement import adopt_orphans, confine, end_children

    confined = confine(folder)
    adopt_orphans()
    from dlcourse.exercises.checking import check_folder

    try:
        outcomes = [as_record(o) for o in check_folder(folder / HANDED_IN, seconds=seconds)]
        told = {"outcomes": outcomes, "confined": confined}
    finally:
        end_children()
    with os.fdopen(answer, "w") as out:
        json.dump(told, out)


def as_record(outcome: Any) -> dict[str, Any]:
    """An outcome as JSON: no more of what a student's code has said than fits on a line."""
    findings = [
        {"ok": bool(f.ok), "text": " ".join(str(f.text).split())[:_LONGEST]}
        for f in outcome.findings[:_MOST]
    ]
    name = getattr(outcome.exercise, "name", outcome.exercise)
    return {"exercise": name, "state": outcome.state, "findings": findings}
