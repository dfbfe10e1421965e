"""Copies across splits, against a comparison of every pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded
from dlcourse.music.matrices.copies import identity_of, leak_sentence, leaks, with_copies
from dlcourse.splits import SPLITS
from tests.matrix_files import random_rolls


def entry(file: str, split: str, frames: np.ndarray) -> Entry:
    encoded = Encoded(frames, np.zeros((len(frames), 3), int), 1, {}, "")
    return Entry(file, file, encoded=encoded, identity=identity_of(frames), split=split)


A, B, C, D = random_rolls(4, seed=3)


def with_other_bass(roll: np.ndarray) -> np.ndarray:
    """The same highest keys over another lowest one."""
    changed = roll.copy()
    changed[::2, 2] = 1
    changed[~roll.any(axis=1)] = 0
    return changed


def test_copies_are_listed_with_their_files_and_their_distance() -> None:
    entries = [
        entry("train/0", "train", A),
        entry("train/1", "train", B),
        entry("train/2", "train", B),
        entry("val/0", "val", np.roll(B, 5, axis=1)),
        entry("test/0", "test", A),
        entry("test/1", "test", np.roll(with_other_bass(C), 3, axis=1)),
        entry("train/3", "train", C),
        entry("test/2", "test", D),
    ]
    assert {e.file: e.also_in for e in with_copies(entries)} == {
        "train/0": "test/0",
        "train/1": "val/0 +5",
        "train/2": "val/0 +5",  # not each other: they are in one split
        "val/0": "train/1 -5; train/2 -5",
        "test/0": "train/0",
        "test/1": "train/3 (top line)",
        "train/3": "test/1 (top line)",
        "test/2": "",
    }
    assert leaks(entries) == {"content": 1, "top line": 1}
    assert leak_sentence(entries) == (
        "1 of 3 test pieces are in the training split too (0 of them in another key), 1 more have "
        "the top line of a training piece"
    )


def test_a_copy_counts_once_under_its_strictest_kind() -> None:
    entries = [entry("test/0", "test", A)]
    entries += [entry(f"train/{i}", "train", np.roll(A, i, axis=1)) for i in (4, 0, 2)]
    assert leaks(entries) == {"content": 1}
    assert leaks(entries[:2]) == {"transposed": 1}


def is_transposed(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether some shift makes them the same, with no key falling off."""
    if one.shape != other.shape:
        return False
    wide = np.pad(one, ((0, 0), (one.shape[1],) * 2))
    size = one.shape[1]
    shifted = (wide[:, size - by : 2 * size - by] for by in range(-size, size + 1))
    return any(np.array_equal(s, other) and s.sum() == one.sum() for s in shifted)


small = st.tuples(st.integers(2, 3), st.just(4)).flatmap(
    lambda shape: st.lists(
        st.lists(st.booleans(), min_size=4, max_size=4), min_size=shape[0], max_size=shape[0]
    )
)


@given(one=small, other=small)
def test_transposed_means_that_some_shift_makes_them_the_same(
    one: list[list[bool]], other: list[list[bool]]
) -> None:
    a, b = np.array(one), np.array(other)
    if a.any() and b.any():
        same = dict(identity_of(a))["transposed"] == dict(identity_of(b))["transposed"]
        assert same == is_transposed(a, b)
        content = dict(identity_of(a))["content"] == dict(identity_of(b))["content"]
        assert content == np.array_equal(a, b)


def test_rests_and_the_keys_below_do_not_change_a_top_line() -> None:
    rested = np.insert(A, 3, 0, axis=0)
    lower = with_other_bass(A)
    lines = [dict(identity_of(frames))["top line"] for frames in (A, rested, lower)]
    assert len(set(lines)) == 1
    assert dict(identity_of(B))["top line"] != lines[0]


@pytest.mark.parametrize(("moves", "has"), [(7, False), (8, True)])
def test_a_top_line_that_hardly_moves_identifies_nothing(moves: int, has: bool) -> None:
    frames = np.zeros((20, 88), dtype=np.uint8)
    frames[np.arange(20), 40 + np.minimum(np.arange(20), moves)] = 1
    assert ("top line" in dict(identity_of(frames))) == has


def test_only_the_training_split_leaks_into_the_test_split() -> None:
    entries = [entry(f"{split}/0", split, A) for split in SPLITS[1:]]
    assert not leaks(entries)
    assert [e.also_in for e in with_copies(entries)] == ["test/0", "val/0"]


def test_the_same_cells_in_another_shape_are_no_copy() -> None:
    wide, long = np.zeros((2, 88), int), np.zeros((3, 88), int)
    wide[:, 40:43] = long[:, 40:42] = 1
    assert dict(identity_of(wide))["transposed"] != dict(identity_of(long))["transposed"]
