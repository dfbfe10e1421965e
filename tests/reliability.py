"""How often each thing was tried that must never go wrong: counted by the tests, told as a table.

`pytest -m trust` runs a few hundred trials in a minute or two, `pytest -m trust --nightly` all.
"""

from collections.abc import Callable

import pytest

Trials = Callable[..., int]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="thousands of trials, not hundreds")


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Trials:
    """Say what is tried, get how often: `trials("mutated MIDI files", usual=300, nightly=10_000)`.

    It stands in the table once the test has passed; one test may try several things.
    """

    def number(what: str, *, usual: int, nightly: int) -> int:
        count = nightly if request.config.getoption("nightly") else usual
        request.node.user_properties.append(("tried", (what, count)))
        return count

    return number


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table: what was tried, how often, and how many of it failed."""
    rows: dict[str, list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in report.user_properties:
                if name == "tried":
                    row = rows.setdefault(value[0], [0, 0])
                    row[0] += value[1]
                    row[1] += outcome == "failed"
    if not rows:
        return
    terminalreporter.section("what was tried")
    for what, (count, failed) in sorted(rows.items()):
        terminalreporter.write_line(f"{count:>7,}  {what}{f': {failed} FAILED' if failed else ''}")
