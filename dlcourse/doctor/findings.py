"""What somebody is told about a machine: lines with a state, and what to do about it."""

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

OK, NOTE, PROBLEM = "ok", "note", "problem"
WIDTH = 100
_COLOURS = {OK: "32", NOTE: "33", PROBLEM: "31"}  # green, yellow, red


@dataclass(frozen=True)
class Finding:
    """A line of the report."""

    state: str
    name: str
    found: str
    advice: str = ""


def exit_code(findings: Sequence[Finding]) -> int:
    """1 when something would stop training."""
    return int(any(finding.state == PROBLEM for finding in findings))


def as_text(findings: Sequence[Finding], *, colours: bool) -> str:
    """Aligned lines, the advice below, and a verdict."""
    width = max(len(finding.name) for finding in findings) + 2
    lines = []
    for finding in findings:
        state = f"{finding.state:<9}"
        state = f"\x1b[{_COLOURS[finding.state]}m{state}\x1b[0m" if colours else state
        first, *more = [
            line
            for text in (finding.found, finding.advice)
            for line in textwrap.wrap(text, WIDTH - 9 - width, break_on_hyphens=False)
        ]
        lines.append(f"{state}{finding.name:<{width}}{first}")
        lines += [f"{'':<{9 + width}}{line}" for line in more]
    problems = sum(finding.state == PROBLEM for finding in findings)
    verdict = f"{problems} to put right first" if problems else "ready to train"
    return "\n".join([*lines, "", verdict])


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for programs."""
    return {"ready": not exit_code(findings), "findings": [asdict(one) for one in findings]}
