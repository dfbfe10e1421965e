"""Collatz: the lab's sequence, and what every way to capture its graph makes of it."""

import pytest
import torch

from dlcourse.basics.dynamic import Attempt, Collatz, CollatzLoop, attempt, attempts, path
from dlcourse.basics.dynamic_chapter import WHY, verdict

TRUTH = {12: 9, 7: 16}


@pytest.fixture(scope="module")
def found() -> dict[str, Attempt]:
    return {one.way: one for one in attempts(12, 7)}


def test_from_12_it_is_the_lab_s_sequence() -> None:
    assert path(12) == [12, 6, 3, 10, 5, 16, 8, 4, 2, 1]


def test_models_count_the_steps_of_plain_integers() -> None:
    for start in (1, 2, 7, 27):
        n, steps = start, 0
        while n != 1:
            n, steps = n // 2 if n % 2 == 0 else 3 * n + 1, steps + 1
        assert len(path(start)) - 1 == int(Collatz()(torch.tensor(start))) == steps


@pytest.mark.parametrize("way", ["eager mode", "torch.compile", "torch.export of while_loop"])
def test_ways_that_keep_the_choice_are_right(found: dict[str, Attempt], way: str) -> None:
    assert found[way].answers == TRUTH
    assert verdict(found[way], TRUTH) == "right"


@pytest.mark.parametrize(
    "way", ["torch.fx.symbolic_trace", "torch.export", "torch.compile(fullgraph=True)"]
)
def test_ways_that_want_one_graph_refuse_in_one_line(found: dict[str, Attempt], way: str) -> None:
    assert found[way].answers == {}
    assert verdict(found[way], TRUTH).startswith("refused: ")
    assert "\n" not in found[way].error


def test_recording_one_run_is_wrong_for_another_number(found: dict[str, Attempt]) -> None:
    recorded = found["torch.jit.trace"]
    if recorded.error:
        pytest.skip("this torch has no jit.trace any more")
    assert recorded.answers == {12: 9, 7: 9}
    assert verdict(recorded, TRUTH) == "wrong for 7"
    assert recorded.graph.count("torch.add(") == 9


def test_the_graphs_that_are_shown_hold_what_is_said_of_them(found: dict[str, Attempt]) -> None:
    assert "while_loop" in found["torch.export of while_loop"].graph
    assert "call_function" in found["torch.compile"].graph
    assert set(found) == set(WHY)


def test_attempts_leave_no_output_behind(capfd: pytest.CaptureFixture[str]) -> None:
    attempts(6, 3)
    assert capfd.readouterr() == ("", "")


def test_an_attempt_that_fails_later_keeps_what_it_answered() -> None:
    def answer(n: torch.Tensor) -> torch.Tensor:
        if n == 7:
            raise RuntimeError("first\nsecond")
        return n

    one = attempt("odd", lambda: (answer, ""), (12, 7))
    assert one == Attempt("odd", {12: 12}, "RuntimeError: first")


def test_the_loop_answers_far_from_where_it_was_captured() -> None:
    program = torch.export.export(CollatzLoop(), (torch.tensor(12),))
    assert int(program.module()(torch.tensor(27))) == 111
