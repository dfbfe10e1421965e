"""How much each wish moves the music: by what its formula says, in every key."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.grid import bar_positions
from dlcourse.music.notes import HELD, OFF, STRUCK, Metre
from dlcourse.music.priors.accent import MetricalAccent
from dlcourse.music.priors.chords import ChordProgression
from dlcourse.music.priors.density import NoteDensity
from dlcourse.music.priors.interval import IntervalFromPrevious
from dlcourse.music.priors.key_scale import KeyScale
from dlcourse.music.priors.pitch_range import PitchRange
from dlcourse.music.priors.prior import Prior, Priors
from dlcourse.music.priors.repetition import RepetitionControl
from tests.music.test_priors import (
    KEYS,
    LOW,
    SEEDS,
    draw_keys,
    draw_melody,
    every_term,
    history,
    moment_of,
)

FREE = (IntervalFromPrevious, MetricalAccent, NoteDensity, RepetitionControl)  # name no pitch
NOTHING = np.zeros((100, 0, KEYS), dtype=np.uint8)
WHITE = np.isin((LOW + np.arange(KEYS)) % 12, [0, 2, 4, 5, 7, 9, 11])


def chance(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def key_logits(strike: np.ndarray | float) -> np.ndarray:
    """(100, 32, P, 3): the same in every frame; notes last one step."""
    logits = np.zeros((100, 32, KEYS, 3))
    logits[..., HELD] = -np.inf
    logits[..., STRUCK] = strike
    return logits


def strike_weights(term: Prior, states: np.ndarray) -> np.ndarray:
    return term.log_weights(moment_of(states))[..., STRUCK]


@pytest.mark.parametrize("weight", [-1.0, 0.0, 1.0, 2.5])
def test_a_key_raises_the_in_scale_rate_by_what_is_expected(weight: float) -> None:
    rng = np.random.default_rng(0)
    priors = Priors([KeyScale("C major", weight=weight)])
    logits = rng.normal(-2, 1, KEYS)
    struck = draw_keys(priors, key_logits(logits), NOTHING, rng) == STRUCK
    expected = chance(logits - weight * ~WHITE)
    rate = expected[WHITE].sum() / expected.sum()
    assert struck[..., WHITE].sum() / struck.sum() == pytest.approx(rate, abs=0.02)

    classes = rng.normal(0, 1, KEYS + 2)
    melody = np.broadcast_to(classes, (100, 32, KEYS + 2))
    struck = draw_melody(priors, melody, NOTHING, rng) == STRUCK
    odds = np.exp(classes[2:][WHITE]).sum() / np.exp(classes[2:][~WHITE] - weight).sum()
    measured = struck[..., WHITE].sum() / struck[..., ~WHITE].sum()
    assert np.log(measured) == pytest.approx(np.log(odds), abs=0.2)


def test_an_unknown_key_weighs_nothing_until_something_sounds() -> None:
    states = np.zeros((2, 8, KEYS), dtype=np.uint8)
    states[1, 2] = STRUCK * WHITE
    weights = strike_weights(KeyScale(), states)
    assert not weights[0].any()
    assert weights[1].tolist() == (-1.0 * ~WHITE).tolist()


def test_a_key_is_estimated_from_the_beginning_alone() -> None:
    states = np.concatenate([history(0, steps=16), history(1, steps=16)], axis=1)
    early = strike_weights(KeyScale(listen=16), states)
    assert np.array_equal(early, strike_weights(KeyScale(listen=16), states[:, :16]))
    assert not np.array_equal(early, strike_weights(KeyScale(listen=32), states))


def test_a_soft_range_slopes_outside_and_is_level_inside() -> None:
    weights = strike_weights(PitchRange("C#3", "B4", hard=False), np.zeros((1, 0, KEYS), np.uint8))
    assert weights[0].tolist() == [-1.0] + [0.0] * 23 + [-1.0]


@given(SEEDS, st.integers(0, 200))
def test_the_interval_is_counted_from_the_last_note_however_long_ago(seed: int, rest: int) -> None:
    states = np.concatenate([history(seed, steps=4), np.zeros((3, rest, KEYS), np.uint8)], axis=1)
    states[0] = 0
    weights = strike_weights(IntervalFromPrevious(spread=3.0), states)
    for song, frames in enumerate(states):
        struck = [np.flatnonzero(frame == STRUCK) for frame in frames if (frame == STRUCK).any()]
        distance = np.arange(KEYS) - struck[-1].max() if struck else np.zeros(KEYS)
        np.testing.assert_allclose(weights[song], -(distance**2) / 18)


GRIDS = [
    (Metre(0, 4, 4), 4, "0434243414342434"),
    (Metre(0, 3, 4), 4, "043424342434"),
    (Metre(0, 6, 8), 4, "043434143434"),
    (Metre(0, 2, 4), 4, "04341434"),
    (Metre(0, 2, 4), 8, "0545354515453545"),
    (Metre(0, 3, 4), 2, "032323"),
    (Metre(0, 3, 4), 1, "022"),
]


@pytest.mark.parametrize(("metre", "grid", "levels"), GRIDS)
def test_places_are_as_strong_as_the_grid_they_fall_on(
    metre: Metre, grid: int, levels: str
) -> None:
    accent = MetricalAccent([0, 1, 2, 3, 4, 5])
    positions = bar_positions(metre, len(levels), steps_per_quarter=grid)
    moment = moment_of(np.zeros((len(levels), 0, 1), np.uint8), grid=grid)
    found = accent.log_weights(replace(moment, positions=positions))[:, 0, STRUCK]
    assert "".join(f"{level:.0f}" for level in found) == levels


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_strong_places_are_struck_more_often_and_weak_ones_when_turned_round(weight: float) -> None:
    rng, priors = np.random.default_rng(0), Priors([MetricalAccent(weight=weight)])
    struck = draw_keys(priors, key_logits(-1.0), NOTHING, rng) == STRUCK
    rates = struck.mean((0, 2)).reshape(2, 16).mean(0)[[0, 8, 4, 2, 1]]
    strengths = weight * np.array([1, 0.5, 0, -0.5, -1])
    assert rates == pytest.approx(chance(-1 + strengths), abs=0.03)
    assert (np.diff(weight * rates) < 0).all()


@pytest.mark.parametrize(("target", "logit"), [(8, -5.0), (16, -5.0), (24, -5.0), (24, -2.0)])
def test_the_density_comes_near_its_target_from_above_and_from_below(
    target: float, logit: float
) -> None:
    rng = np.random.default_rng(0)

    def notes_a_bar(*terms: Prior) -> float:
        struck = draw_keys(Priors(terms), key_logits(logit), NOTHING, rng) == STRUCK
        return struck.sum() / (100 * 2)

    own = 16 * KEYS * chance(logit)
    assert notes_a_bar() == pytest.approx(own, rel=0.1)
    assert abs(own - target) > 0.6 * target
    assert notes_a_bar(NoteDensity(target)) == pytest.approx(target, rel=0.12)


def test_the_density_of_a_bar_forgets_the_one_before() -> None:
    states = np.zeros((2, 24, KEYS), dtype=np.uint8)
    states[0, :16] = STRUCK
    states[:, 17, :3] = STRUCK
    states[:, 18, :3] = HELD
    assert strike_weights(NoteDensity(8), states) == pytest.approx(8.5 - 3 * 16 / 8)


@given(SEEDS, st.integers(0, 30), st.integers(2, 5), st.integers(5, 40))
def test_repetition_counts_strikes_and_passages(
    seed: int, steps: int, ngram: int, history_steps: int
) -> None:
    states = history(seed, steps=30)[..., :3]  # three keys: passages do come again
    term = RepetitionControl(steps=steps, ngram=ngram, history=history_steps)
    expected = np.zeros((3, 3))
    for song, frames in enumerate(states):
        expected[song] -= (frames[30 - steps :] == STRUCK).sum(0)
        rows = [tuple(frame.tolist()) for frame in frames][-history_steps:]
        for end in range(ngram - 1, len(rows)):
            if rows[end - ngram + 1 : end] == rows[len(rows) - ngram + 1 :]:
                expected[song] -= np.array(rows[end]) == STRUCK
    assert strike_weights(term, states).tolist() == expected.tolist()


def moved(semitones: int) -> list[Prior]:
    """Terms that name pitches, moved by semitones, in the spelling of that key."""
    names = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    tonic, relative, fourth, fifth = (names[(n + semitones) % 12] for n in (0, 9, 5, 7))
    chords = f"{tonic} | {relative}m/{fifth}, {fourth}maj7 {fifth}7/1 N.C."
    return [
        KeyScale(f"{tonic} major"),
        KeyScale(f"{relative} harmonic minor", hard=True),
        PitchRange(52 + semitones, 64 + semitones),
        ChordProgression(chords, bars_per_chord=0.25, bass_below=60 + semitones),
    ]


@given(SEEDS, st.integers(-11, 11), st.integers(0, 20))
def test_transposing_everything_moves_the_weights_with_it(
    seed: int, semitones: int, steps: int
) -> None:
    states = history(seed, steps=20)[:, :steps]
    here = moment_of(states)
    there = replace(here, low=LOW + semitones)
    free = [term for term in every_term() if isinstance(term, FREE)] + [KeyScale()]
    for term, other in zip(free + moved(0), free + moved(semitones), strict=True):
        np.testing.assert_array_equal(term.log_weights(here), other.log_weights(there))


def test_what_is_held_is_left_alone_by_every_soft_term() -> None:
    moment = moment_of(history(0))
    for term in every_term()[1:]:
        if not term.hard:
            assert not term.log_weights(moment)[..., [OFF, HELD]].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KeyScale("H major"), "prior.key.key=H: a note is a letter from A to G"),
        (lambda: KeyScale("C"), 'prior.key.key=C: a key is a tonic and a mode \\("A minor"\\)'),
        (lambda: KeyScale(5), "prior.key.key=5: a key is"),
        (lambda: KeyScale(["C", "c"]), "prior.key.key=c: a note is"),
        (lambda: KeyScale("A minor", listen=0), "prior.key.listen=0"),
        (lambda: PitchRange("C"), "prior.range.low=C: a pitch is"),
        (lambda: PitchRange("C3", 128), "prior.range.high=128"),
        (lambda: PitchRange("C5", "C4"), "prior.range.low=C5: above"),
        (lambda: IntervalFromPrevious(spread=0), "prior.interval.spread=0"),
        (lambda: IntervalFromPrevious(largest=-1), "prior.interval.largest=-1"),
        (lambda: MetricalAccent([1, 0]), r"prior.accent.strengths=\[1, 0\]: 6 numbers"),
        (lambda: NoteDensity(0), "prior.density.target=0"),
        (lambda: RepetitionControl(steps=-1), "prior.repetition.steps=-1"),
        (lambda: RepetitionControl(ngram=1), "prior.repetition.ngram=1"),
    ],
)
def test_a_wrong_option_is_one_clear_line(make: Callable[[], Prior], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
