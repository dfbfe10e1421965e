"""Batches are functions of (seed, step) and of nothing else."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.data import BatchPlan, HeldOutBatches, StepBatches
from dlcourse.errors import InputError

sizes = st.tuples(st.integers(1, 60), st.integers(1, 70), st.integers(0, 9))


@given(sizes=sizes, steps=st.lists(st.integers(0, 50), min_size=1), weighted=st.booleans())
def test_the_batch_of_a_step_is_the_same_in_whatever_order_steps_are_asked_for(
    sizes: tuple[int, int, int], steps: list[int], weighted: bool
) -> None:
    size, batch_size, seed = sizes
    weights = np.arange(1.0, size + 1) if weighted else None
    plan = BatchPlan(size, batch_size, seed=seed, weights=weights)
    for step in steps:
        fresh = BatchPlan(size, batch_size, seed=seed, weights=weights)
        assert plan.indices(step).tolist() == fresh.indices(step).tolist()


@given(sizes=sizes)
def test_an_epoch_without_weights_is_a_permutation_cut_into_equal_batches(
    sizes: tuple[int, int, int],
) -> None:
    size, batch_size, seed = sizes
    plan = BatchPlan(size, batch_size, seed=seed)
    epochs = []
    for epoch in range(3):
        first = epoch * plan.steps_per_epoch
        batches = [plan.indices(first + i).tolist() for i in range(plan.steps_per_epoch)]
        assert {len(batch) for batch in batches} == {min(size, batch_size)}
        seen = [item for batch in batches for item in batch]
        assert len(set(seen)) == len(seen)
        assert set(seen) <= set(range(size))
        assert size - len(seen) < batch_size
        epochs.append(seen)
    if size > 20 and len(epochs[0]) > 10:
        assert epochs[0] != epochs[1] != epochs[2]


def test_every_item_comes_equally_often_over_many_epochs() -> None:
    """What is left over rests, another each time: 7 of 10 items an epoch."""
    plan = BatchPlan(10, 7, seed=3)
    counts = Counter(np.concatenate([plan.indices(step) for step in range(3000)]).tolist())
    assert counts.total() == 21_000
    assert all(abs(counts[item] - 2100) < 5 * np.sqrt(3000 * 0.7 * 0.3) for item in range(10))


def test_seeds_give_other_batches_and_0_is_a_seed() -> None:
    batches = [BatchPlan(100, 50, seed=seed).indices(0).tolist() for seed in (0, 0, 1)]
    assert batches[0] == batches[1] != batches[2]


def test_weights_are_relative_frequencies_and_0_is_never() -> None:
    weights = np.array([0.0, 1, 2, 0, 5, 2, 0])
    plan = BatchPlan(7, 7, seed=0, weights=weights)
    draws = np.concatenate([plan.indices(step) for step in range(4000)])
    counts = np.bincount(draws, minlength=7)
    expected = len(draws) * weights / 10
    assert counts[weights == 0].sum() == 0
    drawn = weights > 0
    chi2 = ((counts - expected)[drawn] ** 2 / expected[drawn]).sum()
    assert chi2 < 16.3  # 99.9 % of chi-square with 3 degrees of freedom
    assert plan.indices(0).tolist() != plan.indices(1).tolist()


@pytest.mark.parametrize(("size", "batch_size"), [(0, 4), (4, 0)])
def test_nothing_to_draw_is_an_error(size: int, batch_size: int) -> None:
    with pytest.raises(InputError, match=f"{size} training items in batches of {batch_size}"):
        BatchPlan(size, batch_size, seed=0)


@pytest.mark.parametrize("current", [0, 1, 4, 5, 6, 13])
def test_an_epoch_goes_on_from_the_current_step_to_its_end(current: int) -> None:
    plan = BatchPlan(11, 2, seed=0)
    batches = StepBatches(plan, lambda items: {"items": items}, current_step=lambda: current)
    last = (current // 5 + 1) * 5
    assert [batch["items"].tolist() for batch in batches] == [
        plan.indices(step).tolist() for step in range(current, last)
    ]
    assert (len(batches), batches.state_dict()) == (5, {})


@given(size=st.integers(1, 40), batch_size=st.integers(1, 45))
def test_held_out_items_come_once_each_in_order_every_time(size: int, batch_size: int) -> None:
    batches = HeldOutBatches(size, batch_size, lambda items: {"items": items})
    for _ in range(2):
        found = [batch["items"].tolist() for batch in batches]
        assert [item for batch in found for item in batch] == list(range(size))
        assert len(found) == len(batches)
        assert max(map(len, found)) <= batch_size
