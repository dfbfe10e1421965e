"""Who gets which trial: totals, kills and several workers, without training anything."""

from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.search.space import Space, read_space
from dlcourse.search.study import Plan, shown_state
from dlcourse.search.trial_queue import Claim, TrialQueue

pytest.importorskip("optuna")
SPACE = read_space({"x": "interval(-1,1)", "kind": "a,b,c", "n": "int(interval(1,9))"})


def plan(total: int, space: Space = SPACE, **pruner: int) -> Plan:
    return Plan(space, total, random=4, pruner=pruner or None)


def outcome(state: str, value: float | None = None, error: str | None = None) -> dict[str, Any]:
    return {"state": state, "value": value, "error": error, "seconds": 1.0}


def valley(claim: Claim) -> float:
    return claim.values["x"] ** 2 + (claim.values["kind"] == "a") + claim.values["n"]


def work(queue: TrialQueue, at_most: int = 100) -> list[int]:
    """Numbers of the trials that this worker got."""
    got = []
    while len(got) < at_most:
        with queue.next_claim() as claim:
            if claim is None:
                break
            got.append(claim.number)
            claim.tell(outcome("done", valley(claim)))
    return got


def drawn(queue: TrialQueue) -> list[dict[str, Any]]:
    return [t.params for t in queue.study.get_trials(deepcopy=False)]


def test_the_total_is_over_all_calls(tmp_path: Path) -> None:
    assert work(TrialQueue(tmp_path, plan(5))) == [0, 1, 2, 3, 4]
    assert work(TrialQueue(tmp_path, plan(5))) == []
    assert work(TrialQueue(tmp_path, plan(7))) == [5, 6]


def test_a_search_in_pieces_draws_what_one_in_a_piece_draws(tmp_path: Path) -> None:
    whole = TrialQueue(tmp_path / "whole", plan(12))
    work(whole)
    for at_most in (3, 1, 5, 9):
        work(TrialQueue(tmp_path / "pieces", plan(12)), at_most)
    assert drawn(TrialQueue(tmp_path / "pieces", plan(12))) == drawn(whole)
    other = TrialQueue(tmp_path / "other", Plan(SPACE, 12, seed=1, random=4))
    work(other)
    assert drawn(other) != drawn(whole)


def test_pruned_trials_count_and_failed_ones_do_not(tmp_path: Path) -> None:
    queue = TrialQueue(tmp_path, plan(3))
    ends = [
        outcome("failed", error="broken"),
        outcome("pruned", error="given up"),
        outcome("done", None),  # without a finite value it is worth nothing
        outcome("done", 1.0),
        outcome("done", 2.0),
    ]
    told = []
    for end in ends:
        with queue.next_claim() as claim:
            assert claim is not None
            claim.hopeless(1, 5.0)
            told.append((claim.tell(end), claim.error))
    assert [state for state, _ in told] == ["failed", "pruned", "failed", "done", "done"]
    assert [error for _, error in told][:3] == [
        "broken",
        "given up",
        "the monitored value is not finite",
    ]
    with queue.next_claim() as claim:
        assert claim is None
    assert queue.study.best_trial.number == 3


def test_a_trial_left_behind_goes_on_under_its_number(tmp_path: Path) -> None:
    queue = TrialQueue(tmp_path, plan(4))
    work(queue, 1)
    with queue.next_claim() as claim:  # left without a word, as a process that is killed
        assert claim is not None
        claim.hopeless(10, 3.0)
        before = claim.values
    with TrialQueue(tmp_path, plan(4)).next_claim() as again:
        assert again is not None
        assert (again.number, again.values) == (1, before)
        again.hopeless(10, 3.0)  # told before; no complaint
        again.hopeless(20, 2.0)
        again.tell(outcome("done", 2.0))
    trial = TrialQueue(tmp_path, plan(4)).study.trials[1]
    assert trial.intermediate_values == {10: 3.0, 20: 2.0}
    assert trial.value == 2.0


def test_a_trial_killed_while_it_was_drawn_is_given_up(tmp_path: Path) -> None:
    queue = TrialQueue(tmp_path, plan(2))
    queue.study.ask()
    assert work(queue) == [1, 2]
    assert shown_state(queue.study.trials[0].state) == "failed"


def test_a_live_workers_trial_is_left_alone_and_counts(tmp_path: Path) -> None:
    mine, theirs = TrialQueue(tmp_path, plan(3)), TrialQueue(tmp_path, plan(3))
    with theirs.next_claim() as held:
        assert held is not None
        assert work(mine) == [1, 2]
        held.tell(outcome("done", 1.0))
    assert work(mine) == []


def test_workers_share_the_total_and_nothing_else(tmp_path: Path) -> None:
    got: list[list[int]] = [[], [], []]

    def worker(place: int) -> None:
        got[place] = work(TrialQueue(tmp_path, plan(15)))

    threads = [Thread(target=worker, args=(place,)) for place in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for numbers in got for number in numbers) == list(range(15))
    values = [params["x"] for params in drawn(TrialQueue(tmp_path, plan(15)))]
    assert len(set(values)) == 15  # a seed shared by workers would draw the same twice


def test_the_median_rule_is_optunas_and_warm_up_is_in_steps(tmp_path: Path) -> None:
    curves = np.random.default_rng(0).normal(size=(12, 4)).cumsum(axis=1)
    queue = TrialQueue(tmp_path, plan(12, trials=3, steps=20))
    done: list[np.ndarray] = []
    for curve in curves:
        expected = None
        for place in range(4):
            if len(done) >= 3 and place * 10 + 10 >= 20 and expected is None:
                median = np.median([other[place] for other in done])
                expected = place if curve[: place + 1].min() > median else None
        with queue.next_claim() as claim:
            assert claim is not None
            stopped = None
            for place, value in enumerate(curve):
                if claim.hopeless(place * 10 + 10, float(value)):
                    stopped = place
                    break
            assert stopped == expected
            end = outcome("done", float(curve.min())) if stopped is None else outcome("pruned")
            claim.tell(end)
        if stopped is None:
            done.append(curve)
    assert 3 < len(done) < 12


def test_another_space_is_refused_with_what_differs(tmp_path: Path) -> None:
    TrialQueue(tmp_path, plan(3))
    other = read_space({"x": "interval(-1,2)", "kind": "a,b,c", "n": "int(interval(1,9))"})
    with pytest.raises(InputError, match=r"another space: x was .*1\.0.* and is now .*2\.0"):
        TrialQueue(tmp_path, plan(3, other))
