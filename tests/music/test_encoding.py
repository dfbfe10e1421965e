"""Steps, positions in the bar and the beat, and the network's input."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.grid import bar_positions, song_positions, to_steps
from dlcourse.music.melody import Melody
from dlcourse.music.notes import Metre, Song


@given(tick=st.integers(0, 10**6), per_quarter=st.integers(1, 2000))
@example(tick=60, per_quarter=480)
def test_a_tick_goes_to_the_nearest_16th_and_halves_go_up(tick: int, per_quarter: int) -> None:
    exact = Fraction(4 * tick, per_quarter)
    step = int(to_steps(tick, per_quarter))
    assert Fraction(-1, 2) < step - exact <= Fraction(1, 2)


# By hand: the step in the bar and in the beat of the first steps; bars of 16, 12, 12, 24, 14.
@pytest.mark.parametrize(
    ("metre", "bar", "beat"),
    [((4, 4), 16, 4), ((3, 4), 12, 4), ((6, 8), 12, 6), ((6, 4), 24, 4), ((7, 8), 14, 2)],
)
def test_positions_count_from_the_bar_line_and_from_the_beat(
    metre: tuple[int, int], bar: int, beat: int
) -> None:
    expected = [[step % bar, step % bar % beat, bar] for step in range(100)]
    assert bar_positions(Metre(0, *metre), 100).tolist() == expected


def test_seven_eighths_and_six_eighths_spelled_out() -> None:
    seven = bar_positions(Metre(0, 7, 8), 16).T.tolist()
    assert seven[0] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1]
    assert seven[1] == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert bar_positions(Metre(0, 6, 8), 14)[:, 1].tolist() == [0, 1, 2, 3, 4, 5] * 2 + [0, 1]


def test_long_bars_wrap_round_and_short_ones_are_a_step_at_least() -> None:
    assert bar_positions(Metre(0, 9, 4), 40)[[31, 32, 35, 36], 0].tolist() == [31, 0, 3, 0]
    assert bar_positions(Metre(0, 1, 32), 3).tolist() == [[0, 0, 1]] * 3


def test_a_metre_change_begins_a_bar_in_the_middle_of_the_old_one() -> None:
    metres = (Metre(0, 4, 4), Metre(20 * 120, 3, 4), Metre(40 * 120, 6, 8), Metre(9999999, 2, 4))
    positions = song_positions(Song("x", 480, (), metres=metres), 50)
    bars = [*range(16), *range(4), *range(12), *range(8), *range(10)]
    beats = [*[0, 1, 2, 3] * 5, *[0, 1, 2, 3] * 5, *[0, 1, 2, 3, 4, 5] * 1, 0, 1, 2, 3]
    assert positions[:, 0].tolist() == bars
    assert positions[:, 1].tolist() == beats
    assert positions[:, 2].tolist() == [16] * 20 + [12] * 30


@given(
    frames=st.lists(st.integers(-1, 79), min_size=1, max_size=60),
    lookback=st.lists(st.integers(1, 3), max_size=2),
    bars=st.lists(st.integers(1, 9), min_size=60, max_size=60),
    cut=st.tuples(st.integers(0, 59), st.integers(0, 59)),
)
def test_the_context_is_the_frame_before_and_those_so_many_bars_before(
    frames: list[int], lookback: list[int], bars: list[int], cut: tuple[int, int]
) -> None:
    last = min(len(frames), max(cut) + 1)
    first = min(min(cut), last - 1)
    positions = torch.tensor([[[0, 0, bar] for bar in bars[:last]]] * 2)
    both = torch.tensor([frames, frames[::-1]])
    context = Melody(lookback=lookback).context(both, positions, first=first)
    for song, found in zip(both.tolist(), context.tolist(), strict=True):
        assert found == [
            [
                song[j - lag] if j >= lag else NO_CLASS
                for lag in [1, *(n * bars[j] for n in lookback)]
            ]
            for j in range(first, last)
        ]


@pytest.mark.parametrize("beat", [False, True])
@pytest.mark.parametrize("lookback", [(), (1, 4)])
def test_the_input_is_earlier_frames_and_where_the_frame_to_predict_stands(
    beat: bool, lookback: tuple[int, ...]
) -> None:
    encoding = Melody(beat=beat, lookback=lookback)
    context = torch.tensor([[[NO_CLASS, 3, 5], [0, NO_CLASS, 79], [79, 1, 1]]])
    context = context[..., : 1 + len(lookback)]
    positions = torch.tensor([[[0, 0, 16], [31, 3, 12], [15, 5, 1]]])
    features = encoding.features(context, positions)[0].numpy()
    assert features.shape == (3, encoding.num_features)
    for row, earlier, (bar, place, _) in zip(
        features, context[0].tolist(), positions[0].tolist(), strict=True
    ):
        ones = {80 * i + frame for i, frame in enumerate(earlier) if frame != NO_CLASS}
        if beat:
            ones |= {80 * len(earlier) + bar, 80 * len(earlier) + 32 + place}
        assert set(np.flatnonzero(row)) == ones
        assert set(row[list(ones)]) <= {1.0}


def test_looking_back_less_than_a_bar_is_an_error() -> None:
    with pytest.raises(InputError, match=r"lookback=\[1, 0\]: bars, each at least 1"):
        Melody(lookback=[1, 0])
