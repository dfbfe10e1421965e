"""Counting against dictionaries, proper and causal distributions, a mixture that does not lose."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.grid import bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME
from dlcourse.music.scoring.baselines import (
    Baseline,
    Copy,
    Counts,
    InterpolatedCounts,
    fit_baselines,
    true_class,
)

ENCODINGS = [Melody(lookback=[1]), Melody(beat=False), Lab2018(), Lab2018(rests=True)]
NAMES = ["copy the last frame", "unigram", "bigram", "interpolated counts"]


def encoded(frames: np.ndarray | list[int]) -> Encoded:
    frames = np.asarray(frames, dtype=np.int64)
    return Encoded(frames, bar_positions(COMMON_TIME, len(frames)), 1, {}, "")


def random_songs(count: int, encoding: Encoding, *, seed: int = 0) -> list[Encoded]:
    """Songs that mostly hold or repeat, over a few classes; the lab's have silent frames too."""
    rng = np.random.default_rng(seed)
    lowest = NO_CLASS if isinstance(encoding, Lab2018) else 0
    songs = []
    for _ in range(count):
        frames = [int(rng.integers(lowest, 7))]
        for _ in range(int(rng.integers(10, 60))):
            again = int(encoding.copied(np.array(frames[-1:]))[0])
            drawn = int(rng.integers(lowest, 7))
            frames.append(again if rng.random() < 0.5 and again != NO_CLASS else drawn)
        songs.append(encoded(frames))
    return songs


@pytest.fixture(params=ENCODINGS, ids=["beat", "melody", "lab", "lab-rests"])
def fitted(request: pytest.FixtureRequest) -> tuple[Encoding, dict[str, Baseline]]:
    encoding = request.param
    train, val = random_songs(12, encoding), random_songs(4, encoding, seed=1)
    return encoding, fit_baselines(train, val, encoding)


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_sum_to_one_and_none_is_zero(
    fitted: tuple[Encoding, dict[str, Baseline]], name: str
) -> None:
    encoding, baselines = fitted
    unseen = [encoded([77, 5, NO_CLASS, 70, 70, 70]), *random_songs(3, encoding, seed=2)]
    for song in unseen:
        probabilities = baselines[name].probabilities(song)
        assert probabilities.shape == (len(song.frames), encoding.num_classes)
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(song.frames)), abs=1e-12)
        assert probabilities.min() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_changes_nothing_up_to_itself(
    fitted: tuple[Encoding, dict[str, Baseline]], name: str
) -> None:
    encoding, baselines = fitted
    song = random_songs(1, encoding, seed=3)[0]
    before = baselines[name].probabilities(song)
    later = []
    for step in range(len(song.frames)):
        frames = song.frames.copy()
        frames[step] = (frames[step] + 1) % 7
        after = baselines[name].probabilities(encoded(frames))
        assert np.array_equal(after[: step + 1], before[: step + 1])
        later.append(not np.array_equal(after[step + 1 :], before[step + 1 :]))
    # The unigram looks at nothing, and every hold of a melody is copied alike.
    blind = name == "unigram" or (name == NAMES[0] and isinstance(encoding, Melody))
    assert any(later) != blind


def unigram_by_hand(songs: list[Encoded], classes: int) -> list[float]:
    counts = Counter(int(f) for song in songs for f in song.frames if f != NO_CLASS)
    total = counts.total() + 0.5 * classes
    return [(counts[k] + 0.5) / total for k in range(classes)]


@pytest.mark.parametrize("encoding", [Melody(), Lab2018()])
@pytest.mark.parametrize("length", [0, 1, 2, 4])
@pytest.mark.parametrize("kind", [{}, {"position": True}, {"lookback": 1}, {"lookback": 2}])
def test_counts_are_those_of_a_dictionary(
    encoding: Encoding, length: int, kind: dict[str, int]
) -> None:
    classes = 7  # of which the last occurs, so that no two contexts may share a number
    train = random_songs(10, encoding)
    unigram = unigram_by_hand(train, classes)
    seen: defaultdict[tuple, Counter] = defaultdict(Counter)

    def context(song: Encoded, step: int) -> tuple:
        before = [NO_CLASS] * length + song.frames.tolist()
        place = step % 16 if "position" in kind else 0
        bars = 16 * kind.get("lookback", 0)
        recalled = int(song.frames[step - bars]) if bars and step >= bars else NO_CLASS
        return place, recalled, *before[step : step + length]

    for song in train:
        for step, frame in enumerate(song.frames.tolist()):
            if frame != NO_CLASS:
                seen[context(song, step)][frame] += 1
    counts = Counts(train, classes, length=length, **kind)
    for song in [train[0], *random_songs(2, encoding, seed=5)]:
        found = counts.probabilities(song)
        for step in range(len(song.frames)):
            after = seen[context(song, step)]
            expected = [(after[k] + unigram[k]) / (after.total() + 1) for k in range(classes)]
            assert found[step] == pytest.approx(expected, rel=1e-9)


def test_an_unknown_context_falls_back_to_the_unigram() -> None:
    train = random_songs(5, Melody())
    counts = Counts(train, 80, length=1)
    song = encoded([60, 60, 61])
    expected = unigram_by_hand(train, 80)
    assert counts.unigram == pytest.approx(expected)
    assert counts.probabilities(song)[1] == pytest.approx(expected)


def test_copying_by_hand() -> None:
    songs = [encoded([3, 3, 3, 4]), encoded([5, 5, NO_CLASS, NO_CLASS, 5])]
    copy = Copy(songs, Lab2018())
    assert copy.chance == pytest.approx((4 + 0.5) / (7 + 1))  # silence after silence too
    unigram = np.array(unigram_by_hand(songs, 78))
    found = copy.probabilities(encoded([3, 9, NO_CLASS, 3]))
    assert found[0] == pytest.approx(unigram)  # nothing was before
    assert found[3] == pytest.approx(unigram)
    for row, before in ((1, 3), (2, 9)):
        expected = (1 - copy.chance) * unigram
        expected[before] += copy.chance
        assert found[row] == pytest.approx(expected)


def likelihood(baseline: Baseline, songs: list[Encoded]) -> float:
    return sum(np.log(true_class(baseline.probabilities(s), s)).sum() for s in songs)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_mixture_is_as_good_as_its_best_part_where_it_was_fitted(encoding: Encoding) -> None:
    train, val = random_songs(12, encoding), random_songs(4, encoding, seed=1)
    mixture = InterpolatedCounts(train, val, encoding)
    assert len(mixture.parts) == 5 * (1 + encoding.beat + len(encoding.lookback))
    assert mixture.weights.sum() == pytest.approx(1)
    assert mixture.weights.min() >= 0
    frames = sum(int((song.frames != NO_CLASS).sum()) for song in val)
    best = max(likelihood(part, val) for part in mixture.parts)
    fitted = likelihood(mixture, val)
    assert fitted >= best - 1e-3 * frames
    # No move towards any part or away from it makes the validation songs likelier by much.
    rows = [np.concatenate([true_class(p.probabilities(s), s) for s in val]) for p in mixture.parts]
    mixed = mixture.weights @ np.array(rows)
    gains = [np.mean(row / mixed) - 1 for row in rows]  # the slopes; 0 or less at the optimum
    assert max(gains) < 0.02
    assert np.dot(gains, mixture.weights) == pytest.approx(0, abs=1e-9)


def test_more_rounds_of_em_never_lower_the_validation_likelihood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoding = Melody()
    train, val = random_songs(12, encoding), random_songs(4, encoding, seed=1)
    values = []
    for rounds in (0, 1, 2, 5, 20, 50):
        monkeypatch.setattr("dlcourse.music.scoring.baselines._EM_ROUNDS", rounds)
        values.append(likelihood(InterpolatedCounts(train, val, encoding), val))
    assert values == sorted(values)
    assert values[-1] > values[0]


def test_copying_wins_where_everything_is_held_and_loses_where_everything_turns() -> None:
    encoding = Lab2018()
    rng = np.random.default_rng(0)
    # Every song has keys of its own: what was counted in training says nothing of the others.
    held = [encoded(np.repeat(rng.permutation(78)[:4], 12)) for _ in range(9)]
    turning = [encoded(np.tile([10, 20, 30], 16)) for _ in range(9)]
    for songs, wins in ((held, True), (turning, False)):
        baselines = fit_baselines(songs[:6], songs[6:8], encoding)
        values = {name: likelihood(b, songs[8:]) for name, b in baselines.items()}
        assert (max(values, key=values.get) == "copy the last frame") == wins
        assert (values["copy the last frame"] > values["bigram"]) == wins
