"""Drawing: the distribution against slow loops, the songs against the lab's own procedure."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.grid import bar_positions
from dlcourse.music.heads import Categorical
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME
from dlcourse.music.sampling import Sampler, find_loop, sample

HEAD = Categorical(Melody())
logit_rows = st.lists(
    st.integers(-400, 400).map(lambda n: n / 50), min_size=2, max_size=12, unique=True
)


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(x - max(logits)) if x > -math.inf else 0.0 for x in logits]
    return [power / sum(powers) for power in powers]


def slow(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> list[float]:
    """Class by class: scale, keep the k likeliest, keep the likeliest until p is reached."""
    scaled = [x / temperature for x in logits]
    ranked = sorted(range(len(scaled)), key=lambda k: -scaled[k])
    if top_k is not None:
        ranked = ranked[:top_k]
    kept = [x if k in ranked else -math.inf for k, x in enumerate(scaled)]
    if top_p is not None:
        reached, nucleus, p = 0.0, [], softmax(kept)
        for k in ranked:
            assume(abs(reached - top_p) > 1e-9)
            if reached < top_p:
                nucleus.append(k)
            reached += p[k]
        kept = [x if k in nucleus else -math.inf for k, x in enumerate(kept)]
    return softmax(kept)


@given(
    logits=logit_rows,
    temperature=st.floats(0.05, 5),
    top_k=st.none() | st.integers(1, 14),
    top_p=st.none() | st.floats(0.01, 1),
)
def test_probabilities_are_those_of_a_slow_loop(
    logits: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    expected = slow(logits, temperature, top_k, top_p)
    sampler = Sampler(temperature=temperature, top_k=top_k, top_p=top_p)
    found = sampler.probabilities(np.array([logits, logits[::-1]]))
    assert found[0].tolist() == pytest.approx(expected, abs=1e-9)
    assert found[1].tolist() == pytest.approx(expected[::-1], abs=1e-9)
    assert [p > 0 for p in found[0].tolist()] == [p > 0 for p in expected]


@given(logits=logit_rows, uniform=st.floats(0, 1, exclude_max=True))
def test_temperature_0_is_the_likeliest_and_so_is_its_limit(
    logits: list[float], uniform: float
) -> None:
    row, u = np.array([logits], dtype=np.float32), np.array([uniform])
    best = max(range(len(logits)), key=logits.__getitem__)
    for temperature in (0, 1e-5, 1e-307):
        assert Sampler(temperature=temperature).draw(row, u).item() == best
    assert Sampler(top_k=1).draw(row, u).item() == best
    assert Sampler(top_p=1e-9).draw(row, u).item() == best


@given(logits=logit_rows, uniform=st.floats(0, 1, exclude_max=True), top_k=st.integers(1, 12))
def test_draws_invert_the_distribution_function_and_never_take_the_impossible(
    logits: list[float], uniform: float, top_k: int
) -> None:
    sampler = Sampler(top_k=top_k)
    row = np.array([logits])
    p = sampler.probabilities(row)[0].tolist()
    for u in (uniform, 0.0, math.nextafter(1, 0)):
        drawn = sampler.draw(row, np.array([u])).item()
        assert p[drawn] > 0
        assert sum(p[:drawn]) <= u + 1e-12
        assert u <= sum(p[: drawn + 1]) + 1e-12


def test_frequencies_are_the_probabilities() -> None:
    logits = np.array([[1.0, 2.0, -1.0, 0.5, 3.0, -40.0]])
    uniforms = np.random.default_rng(0).random(50_000)
    for sampler in (Sampler(), Sampler(temperature=0.6), Sampler(top_k=3), Sampler(top_p=0.9)):
        drawn = sampler.draw(np.repeat(logits, 50_000, axis=0), uniforms)
        expected = 50_000 * sampler.probabilities(logits)[0]
        counts, likely = np.bincount(drawn, minlength=6), expected > 1
        assert counts[~likely].sum() == 0
        chi2 = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
        assert chi2 < 18.5  # 99.9 % of chi-square with 4 degrees of freedom
        assert likely.sum() <= 5


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.1}, {"window": 0}]
)
def test_senseless_options_are_errors(options: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"sampler.{next(iter(options))}="):
        Sampler(**options)


class Recorder:
    """A small trained-looking network, and how many frames it was given at each call."""

    def __init__(self, cell: str = "lstm", *, lookback: tuple[int, ...] = ()) -> None:
        torch.manual_seed(0)
        self.encoding = Melody(lookback=lookback)
        self.net = NoteLSTM(self.encoding.num_features, 80, hidden=12, head_std=2.0, cell=cell)
        self.calls: list[int] = []

    def __call__(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, Any]:
        self.calls.append(positions.shape[1] - first)
        at = torch.from_numpy(positions)
        context = self.encoding.context(torch.from_numpy(frames), at, first=first)
        with torch.no_grad():
            logits, state = self.net(self.encoding.features(context, at[:, first:]), state)
        return logits[:, -1].numpy(), state


def primers(songs: int, steps: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 80, (songs, steps))


def positions(songs: int, steps: int) -> np.ndarray:
    return np.stack([bar_positions(COMMON_TIME, steps)] * songs)


def by_hand(
    net: Recorder, primer: list[int], steps: int, sampler: Sampler, *, seed: int, song: int
) -> list[int]:
    """One song, everything anew for each draw: all frames so far, or the last `window` of them."""
    uniforms = np.random.default_rng([seed, song]).random(steps)
    frames, places = list(primer), bar_positions(COMMON_TIME, len(primer) + steps)
    lags = [16 * bars for bars in net.encoding.lookback]
    for u in uniforms:
        length = len(frames)
        first = 0 if sampler.window is None else length + 1 - sampler.window
        context = [
            [frames[j - lag] if j >= lag else NO_CLASS for lag in (1, *lags)]
            for j in range(first, length + 1)
        ]
        place = torch.from_numpy(places[None, first : length + 1])
        with torch.no_grad():
            logits, _ = net.net(net.encoding.features(torch.tensor([context]), place))
        p = sampler.probabilities(logits[:, -1].numpy())[0]
        frames.append(int(np.searchsorted(np.cumsum(p), u, side="right")))
    return frames


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("given_steps", [0, 1, 9])
@pytest.mark.parametrize("lookback", [(), (1, 3)])
def test_a_carried_state_is_running_everything_from_the_start(
    cell: str, given_steps: int, lookback: tuple[int, ...]
) -> None:
    net, start = Recorder(cell, lookback=lookback), primers(3, given_steps)
    for sampler in (Sampler(), Sampler(temperature=0.7, top_p=0.9)):
        net.calls = []
        songs = sample(
            net, start, positions(3, given_steps + 30), head=HEAD, sampler=sampler, seed=4
        )
        assert net.calls == [given_steps + 1] + [1] * 29
        for song, frames in enumerate(songs.tolist()):
            primer = start[song].tolist()
            assert frames == by_hand(net, primer, 30, sampler, seed=4, song=song)


@pytest.mark.parametrize("window", [1, 8, 9])
def test_the_window_is_the_procedure_of_the_lab(window: int) -> None:
    """The last frames from a zero state: what is older has no influence."""
    net, start, sampler = Recorder(), primers(2, 9), Sampler(window=window)
    songs = sample(net, start, positions(2, 39), head=HEAD, sampler=sampler, seed=1)
    assert net.calls == [window] * 30
    for song, frames in enumerate(songs.tolist()):
        assert frames == by_hand(net, start[song].tolist(), 30, sampler, seed=1, song=song)
    if window == 1:
        carried = sample(net, start, positions(2, 39), head=HEAD, sampler=Sampler(), seed=1)
        assert not np.array_equal(songs, carried)


def test_a_song_is_the_same_alone_and_among_sixteen_and_seeds_make_others() -> None:
    net, start = Recorder(), np.repeat(primers(1, 5), 16, axis=0)
    many = sample(net, start, positions(16, 45), head=HEAD, sampler=Sampler(), seed=0)
    few = sample(net, start[:3], positions(3, 45), head=HEAD, sampler=Sampler(), seed=0)
    assert np.array_equal(many[:3], few)
    assert len({tuple(song) for song in many.tolist()}) == 16
    other = sample(net, start[:3], positions(3, 45), head=HEAD, sampler=Sampler(), seed=1)
    assert not np.array_equal(other, few)
    assert np.array_equal(other[:, :5], start[:3])


def test_more_steps_only_go_on() -> None:
    net, start = Recorder(), primers(2, 5)
    short, long = (
        sample(net, start, positions(2, n), head=HEAD, sampler=Sampler(), seed=0) for n in (20, 45)
    )
    assert np.array_equal(long[:, :20], short)


def test_a_primer_shorter_than_the_window_is_an_error() -> None:
    with pytest.raises(InputError, match="primer of 5 steps is shorter than the window of 6"):
        sample(
            Recorder(), primers(1, 5), positions(1, 9), head=HEAD, sampler=Sampler(window=6), seed=0
        )


@given(
    loop=st.lists(st.integers(0, 3), min_size=1, max_size=20),
    start=st.lists(st.integers(0, 3), max_size=30),
)
def test_a_loop_at_the_end_is_found_with_its_shortest_period(
    loop: list[int], start: list[int]
) -> None:
    frames = start + loop * max(4, -(-64 // len(loop)))
    found = find_loop(frames)
    assert found is not None
    assert found <= len(loop)
    for period in range(1, found + 1):
        tail = frames[-max(4 * period, 64) :]
        repeats = all(tail[i] == tail[i + period] for i in range(len(tail) - period))
        assert repeats == (period == found)


def test_what_is_no_loop_is_not_called_one() -> None:
    frames = np.random.default_rng(0).integers(0, 4, 600).tolist()
    assert find_loop(frames) is None
    assert find_loop([1, 2, 3] * 21) is None  # 63 steps
    assert find_loop([1, 2, 3] * 22) == 3
    assert find_loop([*[1, 2, 3] * 40, 9]) is None  # it does not end in it
    assert find_loop(frames[:40] * 3) is None  # three times only
    assert find_loop(frames[:40] * 4) == 40
    assert find_loop(frames[:130] * 4) is None  # longer than eight bars
    assert find_loop([]) is None
    assert find_loop([5] * 64) == 1
