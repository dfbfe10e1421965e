"""Frames of keys: proper and causal distributions, counts as of a dictionary, known orders."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.corpus import song_title
from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import bar_positions
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import COMMON_TIME
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.scoring.frame_counts import FrameCounts, FrameMixture, GoesOn, Recalls
from dlcourse.music.scoring.key_counts import CopyKeys, KeyCounts, markov_keys
from dlcourse.music.scoring.roll_baselines import (
    COPY_FRAMES,
    COPY_KEYS,
    MARKOV_FRAMES,
    MARKOV_KEYS,
    UNIGRAM,
    RollBaseline,
    fit_roll_baselines,
)

NAMES = [COPY_KEYS, UNIGRAM, MARKOV_KEYS, COPY_FRAMES, MARKOV_FRAMES]
KEYS = 3
Fitted = tuple[PianoRoll, dict[str, RollBaseline]]


def encoded(frames: np.ndarray | list[list[int]]) -> Encoded:
    frames = np.asarray(frames, dtype=np.int8)
    return Encoded(frames, bar_positions(COMMON_TIME, len(frames)), 1, {}, "")


def roll(*, onsets: bool, beat: bool = True, lookback: Sequence[int] = (1,)) -> PianoRoll:
    return PianoRoll(onsets=onsets, low=60, high=59 + KEYS, beat=beat, lookback=lookback)


def random_songs(count: int, encoding: PianoRoll, *, seed: int = 0) -> list[Encoded]:
    """Songs in which keys mostly go on, and now and then a bar comes again."""
    rng = np.random.default_rng(seed)
    songs = []
    for _ in range(count):
        frames = [np.zeros(KEYS, np.int8)]
        for step in range(1, int(rng.integers(20, 60))):
            drawn = rng.integers(0, encoding.num_states, KEYS).astype(np.int8)
            stays = rng.random(KEYS) < 0.7
            new = np.where(stays, np.minimum(frames[-1], 1), drawn)
            frames.append(frames[step - 16] if step >= 16 and rng.random() < 0.3 else new)
        songs.append(encoded(np.array(frames)))
    return songs


ENCODINGS = {
    "onsets": roll(onsets=True),
    "sounding": roll(onsets=False, lookback=(1, 2)),
    "bare": roll(onsets=False, beat=False, lookback=()),
}


@pytest.fixture(params=ENCODINGS.values(), ids=ENCODINGS, scope="module")
def fitted(request: pytest.FixtureRequest) -> Fitted:
    encoding = request.param
    train, val = random_songs(6, encoding), random_songs(3, encoding, seed=1)
    return encoding, fit_roll_baselines(train, val, encoding)


def all_frames(encoding: PianoRoll, song: Encoded) -> np.ndarray:
    """Every frame there is, in the place of every frame of a song (S ** P, T, P)."""
    frames = np.array(list(product(range(encoding.num_states), repeat=KEYS)), dtype=np.int8)
    return np.repeat(frames[:, None], len(song.frames), axis=1)


def strange_songs(encoding: PianoRoll) -> list[Encoded]:
    """Random ones, one that no training song resembles, and one of a single frame."""
    most = encoding.num_states - 1
    turning = np.array([[most * (t % 2), 0, most] for t in range(40)])
    return [*random_songs(2, encoding, seed=2), encoded(turning), encoded([[0, most, 0]])]


@pytest.mark.parametrize("name", NAMES)
def test_the_probabilities_of_all_frames_add_up_to_one(fitted: Fitted, name: str) -> None:
    encoding, baselines = fitted
    for song in strange_songs(encoding):
        nats = baselines[name].log_likelihood(song, all_frames(encoding, song))
        assert np.isfinite(nats).all(), "no frame is impossible"
        assert np.exp(nats).sum(axis=0) == pytest.approx(np.ones(len(song.frames)), abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_frames_taken_together_score_as_one_by_one(fitted: Fitted, name: str) -> None:
    encoding, baselines = fitted
    song = random_songs(1, encoding, seed=4)[0]
    frames = all_frames(encoding, song)[:5]
    together = baselines[name].log_likelihood(song, frames)
    alone = [baselines[name].log_likelihood(song, each) for each in frames]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("name", NAMES)
def test_a_frame_changes_nothing_up_to_itself(fitted: Fitted, name: str) -> None:
    encoding, baselines = fitted
    song = random_songs(1, encoding, seed=3)[0]
    frames = all_frames(encoding, song)
    before = baselines[name].log_likelihood(song, frames)
    said = baselines[name].likeliest(song)
    later = []
    for step in range(len(song.frames)):
        changed = song.frames.copy()
        changed[step] = (changed[step] + 1) % encoding.num_states
        other = encoded(changed)
        after = baselines[name].log_likelihood(other, frames)
        assert np.array_equal(after[:, : step + 1], before[:, : step + 1])
        assert np.array_equal(baselines[name].likeliest(other)[: step + 1], said[: step + 1])
        later.append(not np.array_equal(after[:, step + 1 :], before[:, step + 1 :]))
    assert any(later) == (name != UNIGRAM)


@pytest.mark.parametrize("name", [UNIGRAM, MARKOV_KEYS])
def test_the_likeliest_frame_of_independent_keys_is_the_likeliest_of_all(
    fitted: Fitted, name: str
) -> None:
    encoding, baselines = fitted
    for song in strange_songs(encoding):
        nats = baselines[name].log_likelihood(song, all_frames(encoding, song))
        said = baselines[name].log_likelihood(song, baselines[name].likeliest(song))
        assert said == pytest.approx(nats.max(axis=0))


@pytest.mark.parametrize("name", [COPY_FRAMES, MARKOV_FRAMES])
def test_no_part_of_a_mixture_knows_a_likelier_frame(fitted: Fitted, name: str) -> None:
    encoding, baselines = fitted
    mixture = baselines[name]
    missed = []
    for song in strange_songs(encoding):
        said = mixture.log_likelihood(song, mixture.likeliest(song))
        for part in mixture.parts:
            assert (said >= mixture.log_likelihood(song, part.likeliest(song))).all()
        nats = mixture.log_likelihood(song, all_frames(encoding, song))
        missed.append(said < nats.max(axis=0) - 1e-12)
    assert np.concatenate(missed).mean() < 0.1, "and seldom any other frame is"


KINDS = [
    {"own": True},
    {"sounded": True},
    {"before": True},
    {"own": True, "before": True, "position": True},
    {"before": True, "lookback": (1,)},
    {"own": True, "before": True, "position": True, "lookback": (1, 2)},
]


@pytest.mark.parametrize("onsets", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_counts_of_keys_are_those_of_a_dictionary(onsets: bool, kind: dict) -> None:
    encoding = roll(onsets=onsets)
    train, states = random_songs(5, encoding), encoding.num_states

    def context(song: Encoded, step: int, key: int) -> tuple:
        before = int(song.frames[step - 1, key]) if step else 0
        earlier = [step - 16 * bars for bars in kind.get("lookback", ())]
        return (
            key if "own" in kind else None,
            before > 0 if "sounded" in kind else None,
            before if "before" in kind else None,
            step % 16 if "position" in kind else None,
            *(int(song.frames[e, key]) if e >= 0 else None for e in earlier),
        )

    seen: defaultdict[tuple, Counter] = defaultdict(Counter)
    for song in train:
        for step, key in np.ndindex(song.frames.shape):
            seen[context(song, step, key)][int(song.frames[step, key])] += 1
    shorter = KeyCounts(train, encoding)
    alone, smoothed = (
        KeyCounts(train, encoding, shorter=s, **kind) for s in (None, shorter)
    )  # fmt: skip
    for song in [train[0], random_songs(1, encoding, seed=5)[0]]:
        found, mixed = alone.probabilities(song), smoothed.probabilities(song)
        fallback = shorter.probabilities(song)
        for step, key in np.ndindex(song.frames.shape):
            after = seen[context(song, step, key)]
            total = after.total()
            half = [(after[s] + 0.5) / (total + states / 2) for s in range(states)]
            assert found[step, key] == pytest.approx(half)
            five = [(after[s] + 5 * fallback[step, key, s]) / (total + 5) for s in range(states)]
            assert mixed[step, key] == pytest.approx(five)


def test_copying_keys_by_hand() -> None:
    encoding = roll(onsets=True)
    song = encoded([[2, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0]])
    copy = CopyKeys([song], encoding)
    # Silent before: twice struck, six times silent. Sounding: 2 held, 1 struck, 1 off.
    silent, sounding = np.array([6.5, 0.5, 2.5]) / 9.5, np.array([1.5, 2.5, 1.5]) / 5.5
    found = copy.probabilities(song)
    assert found[0] == pytest.approx(np.stack([silent] * 3))
    assert found[2] == pytest.approx(np.stack([sounding, silent, silent]))
    assert copy.likeliest(song).tolist() == [[0, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]


def test_counts_of_frames_are_those_of_a_dictionary() -> None:
    encoding = roll(onsets=False)
    train = random_songs(8, encoding)
    alone = FrameCounts(train, before=False)
    after = FrameCounts(train, before=True, otherwise=alone)
    all_seen = Counter(tuple(f) for song in train for f in song.frames.tolist())
    pairs: defaultdict[tuple, Counter] = defaultdict(Counter)
    for song in train:
        names = [(), *(tuple(f) for f in song.frames.tolist())]
        for before, frame in pairwise(names):
            pairs[before][frame] += 1
    song = encoded([[0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 0, 1]])
    names = [(), *(tuple(f) for f in song.frames.tolist())]
    chance = np.exp(after.log_likelihood(song, song.frames))
    for step, (before, frame) in enumerate(pairwise(names)):
        expected = pairs[before][frame] / pairs[before].total()
        assert chance[step] == pytest.approx(expected)
        best = tuple(after.likeliest(song)[step].tolist())
        assert pairs[before][best] == max(pairs[before].values())
    assert np.exp(alone.log_likelihood(song, song.frames)) == pytest.approx(
        [all_seen[tuple(f)] / all_seen.total() for f in song.frames.tolist()]
    )
    seen = [pairs[name].total() for name in names[:-1]]
    assert after.seen(song).tolist() == seen
    assert seen[0] == len(train), "a song begins after nothing, which is not silence"


def test_after_a_frame_that_was_never_seen_the_frames_alone_count() -> None:
    train = [encoded([[0, 0, 1], [0, 1, 0], [0, 0, 1]])]
    alone = FrameCounts(train, before=False)
    after = FrameCounts(train, before=True, otherwise=alone)
    song = encoded([[1, 1, 1], [0, 0, 1], [0, 1, 0]])
    chances = np.exp(after.log_likelihood(song, song.frames))
    assert chances == pytest.approx([0, 2 / 3, 1])
    assert after.likeliest(song)[1].tolist() == [0, 0, 1]


def test_what_comes_again_is_certain_once_it_was_there() -> None:
    bars = np.random.default_rng(0).integers(0, 2, (16, KEYS))
    song = encoded(np.concatenate([bars, bars]))
    nats = Recalls(1).log_likelihood(song, song.frames)
    assert (nats[16:] == 0).all()
    assert np.array_equal(nats[:16], GoesOn().log_likelihood(song, song.frames)[:16])
    assert np.isinf(nats[:16]).any()


@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_a_mixture_is_as_good_as_its_best_part_where_it_was_fitted(encoding: PianoRoll) -> None:
    train, val = random_songs(8, encoding), random_songs(4, encoding, seed=1)
    mixture = fit_roll_baselines(train, val, encoding)[MARKOV_FRAMES]
    assert len(mixture.parts) == 4 + encoding.beat + len(encoding.lookback)
    assert mixture.weights.sum(axis=1) == pytest.approx(np.ones(5))
    assert mixture.weights.min() > 0
    frames = sum(len(song.frames) for song in val)
    value = sum(mixture.log_likelihood(s, s.frames).sum() for s in val) / frames
    with np.errstate(invalid="ignore"):
        parts = [
            sum(part.log_likelihood(s, s.frames).sum() for s in val) / frames
            for part in mixture.parts
        ]
    assert value > max(parts) - 1e-3
    assert max(parts) > -np.inf


def total(baseline: RollBaseline, songs: Sequence[Encoded]) -> float:
    frames = sum(len(song.frames) for song in songs)
    return -sum(baseline.log_likelihood(s, s.frames).sum() for s in songs) / frames


def test_who_is_told_of_the_bar_before_foresees_what_comes_again() -> None:
    rng = np.random.default_rng(0)
    songs = [encoded(np.tile(rng.integers(0, 2, (16, KEYS)), (4, 1))) for _ in range(12)]
    nats = {}
    for lookback in ((), (1,)):
        encoding = roll(onsets=False, beat=False, lookback=lookback)
        baselines = fit_roll_baselines(songs[:6], songs[6:9], encoding)
        nats[lookback] = {n: total(baselines[n], songs[9:]) for n in (MARKOV_KEYS, MARKOV_FRAMES)}
    for name in (MARKOV_KEYS, MARKOV_FRAMES):
        assert nats[()][name] == pytest.approx(KEYS * np.log(2), rel=0.1), "nothing to know"
        assert nats[(1,)][name] < 0.5 * nats[()][name], "three bars of four are known"


def test_keys_that_come_together_are_foreseen_by_joint_counts_only() -> None:
    rng = np.random.default_rng(1)
    songs = [
        encoded(np.repeat(rng.integers(0, 2, (60, 1)), KEYS, axis=1)) for _ in range(10)
    ]  # all keys or none, by the toss of a coin
    encoding = roll(onsets=False, beat=False, lookback=())
    baselines = fit_roll_baselines(songs[:6], songs[6:8], encoding)
    assert total(baselines[MARKOV_KEYS], songs[8:]) > 0.95 * KEYS * np.log(2)
    assert total(baselines[MARKOV_FRAMES], songs[8:]) == pytest.approx(np.log(2), rel=0.05)
    kinds = {name: baseline.kind for name, baseline in baselines.items()}
    assert kinds == dict(zip(NAMES, ["factorised"] * 3 + ["joint"] * 2, strict=True))


def test_em_prefers_the_part_that_made_the_songs() -> None:
    encoding = roll(onsets=False)
    songs = random_songs(6, encoding)
    keys = markov_keys(songs, encoding)
    held = [encoded(np.tile([[1, 0, 1]], (40, 1))) for _ in range(3)]
    weights = FrameMixture([GoesOn(), keys], held).weights[0]
    assert weights[0] > 0.9


def test_counts_are_trusted_after_frames_that_were_seen_often_and_nowhere_else() -> None:
    encoding = roll(onsets=False, beat=False, lookback=())
    turning = encoded(np.tile(np.eye(KEYS), (12, 1)))  # one key after the other
    held = encoded(np.tile([[1, 1, 0]], (36, 1)))  # which no training song has
    baselines = fit_roll_baselines([turning] * 4, [turning, held], encoding)
    mixture = baselines[MARKOV_FRAMES]
    goes_on = [isinstance(part, GoesOn) for part in mixture.parts].index(True)
    counted = [isinstance(part, FrameCounts) and part.before for part in mixture.parts].index(True)
    never, often = mixture.weights[0], mixture.weights[-1]
    assert never[goes_on] > 0.7 > 0.2 > never[counted]
    assert often[counted] > 0.7 > 0.2 > often[goes_on]


def test_on_real_songs_who_knows_more_says_more(lab_folder: Path) -> None:
    encoding = PianoRoll(onsets=False, beat=True, lookback=(1, 2, 4))
    by_title: defaultdict[str, list[Encoded]] = defaultdict(list)
    for path in sorted(lab_folder.glob("*.mid*")):
        by_title[song_title(path.stem)].append(encoding.encode(read_midi(path)))
    titles = sorted(by_title)
    train, val, test = (
        [song for title in titles[part] for song in by_title[title]]
        for part in (slice(0, 32), slice(32, 37), slice(37, None))
    )
    baselines = fit_roll_baselines(train, val, encoding)
    nats = {name: total(baseline, test) for name, baseline in baselines.items()}
    assert nats[MARKOV_KEYS] < 0.8 * nats[COPY_KEYS] < 0.8 * nats[UNIGRAM]
    assert nats[MARKOV_FRAMES] < 0.8 * nats[COPY_FRAMES]
    assert nats[MARKOV_FRAMES] > 0.5
