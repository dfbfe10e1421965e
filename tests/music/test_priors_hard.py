"""What is forbidden never happens, whatever the network says and whatever came before."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.music.keys import estimate_key
from dlcourse.music.notes import OFF, STRUCK, Song, Track, note_array
from dlcourse.music.priors.chords import ChordProgression
from dlcourse.music.priors.interval import IntervalFromPrevious
from dlcourse.music.priors.key_scale import KeyScale
from dlcourse.music.priors.pitch_range import PitchRange
from dlcourse.music.priors.polyphony import PolyphonyCap
from dlcourse.music.priors.prior import Prior, Priors
from tests.music.test_priors import KEYS, LOW, SEEDS, draw_keys, draw_melody, history, moment_of

WHITE = {0, 2, 4, 5, 7, 9, 11}
HARMONIC = {9, 11, 0, 2, 4, 5, 8}  # A minor with its leading note
CHORDS = [{0, 4, 7}, {9, 0, 4}, {5, 9, 0}, {7, 11, 2, 5}]  # C Am F G7
NEW = 20
# Frames: all of a song, of which the last NEW are drawn; the first of these.
Check = Callable[[np.ndarray, int], bool]


def strikes(frames: np.ndarray, first: int) -> list[tuple[int, int]]:
    """(step, MIDI pitch) of every note that is struck from a step on."""
    steps, keys = np.nonzero(frames[first:] == STRUCK)
    return [(int(step) + first, int(key) + LOW) for step, key in zip(steps, keys, strict=True)]


def in_scale(scale: set[int]) -> Check:
    return lambda frames, first: all(pitch % 12 in scale for _, pitch in strikes(frames, first))


def in_own_key(frames: np.ndarray, first: int) -> bool:
    rows = [(step, step + 1, key + LOW, 80) for step, key in np.argwhere(frames[:first] != OFF)]
    tonic, mode = estimate_key(Song("x", 4, (Track(note_array(rows)),))).split()
    degrees = WHITE if mode == "major" else {(d + 3) % 12 for d in WHITE}  # C minor is Eb major
    tonics = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
    return in_scale({(d + tonics.index(tonic)) % 12 for d in degrees})(frames, first)


def in_range(frames: np.ndarray, first: int) -> bool:
    sounding = np.nonzero(frames[first:] != OFF)[1] + LOW
    return all(52 <= pitch <= 67 for pitch in sounding)


def small_leaps(frames: np.ndarray, first: int) -> bool:
    last, good = None, True
    for step, frame in enumerate(frames):
        struck = np.flatnonzero(frame == STRUCK)
        if step >= first and last is not None:
            good &= all(abs(int(key) - last) <= 4 for key in struck)
        last = int(struck.max()) if len(struck) else last
    return good


def chord_tones(frames: np.ndarray, first: int) -> bool:
    return all(pitch % 12 in CHORDS[step // 16 % 4] for step, pitch in strikes(frames, first))


def few_keys(frames: np.ndarray, first: int) -> bool:
    return bool(((frames[first:] != OFF).sum(-1) <= 2).all())


HARD: dict[str, tuple[Prior, Check]] = {
    "C major": (KeyScale("C major", hard=True), in_scale(WHITE)),
    "D dorian": (KeyScale("D dorian", hard=True), in_scale(WHITE)),
    "A harmonic minor": (KeyScale("A harmonic_minor", hard=True), in_scale(HARMONIC)),
    "a list": (KeyScale(["C", "Eb", 6], hard=True), in_scale({0, 3, 6})),
    "its own key": (KeyScale(listen=20, hard=True), in_own_key),
    "range": (PitchRange("E3", 67), in_range),
    "interval": (IntervalFromPrevious(largest=4, hard=True), small_leaps),
    "chords": (ChordProgression("C Am F G7", hard=True), chord_tones),
    "polyphony": (PolyphonyCap(2), few_keys),
}


@pytest.mark.parametrize("name", HARD)
@settings(max_examples=12)
@given(seed=SEEDS, scale=st.sampled_from([1.0, 30.0]), bias=st.sampled_from([-2.0, 0.0, 20.0]))
def test_a_hard_term_is_never_violated(name: str, seed: int, scale: float, bias: float) -> None:
    term, holds = HARD[name]
    rng, primer = np.random.default_rng(seed), history(seed, steps=20)
    logits = rng.normal(0, scale, (len(primer), NEW, KEYS, 3))
    logits[..., STRUCK] += bias
    songs = np.concatenate([primer, draw_keys(Priors([term]), logits, primer, rng)], axis=1)
    assert all(holds(song, 20) for song in songs)
    top = KEYS - 1 - (primer[..., ::-1] != OFF).argmax(-1)
    primer = primer * (np.arange(KEYS) == top[..., None])  # one voice
    melody = rng.normal(0, scale, (len(primer), NEW, KEYS + 2))
    songs = np.concatenate([primer, draw_melody(Priors([term]), melody, primer, rng)], axis=1)
    assert all(holds(song, 20) for song in songs)


@pytest.mark.parametrize("name", HARD)
def test_without_its_term_every_check_fails(name: str) -> None:
    rng, primer = np.random.default_rng(0), history(0, steps=20)
    logits = rng.normal(0, 1, (len(primer), NEW, KEYS, 3))
    songs = np.concatenate([primer, draw_keys(Priors(), logits, primer, rng)], axis=1)
    assert not any(HARD[name][1](song, 20) for song in songs)


@settings(max_examples=15)
@given(SEEDS)
def test_all_of_them_hold_together(seed: int) -> None:
    names = ("C major", "range", "interval", "chords", "polyphony")
    priors = Priors({name: HARD[name][0] for name in names})
    rng, primer = np.random.default_rng(seed), history(seed, steps=20)
    logits = rng.normal(0, 3, (len(primer), NEW, KEYS, 3))
    songs = np.concatenate([primer, draw_keys(priors, logits, primer, rng)], axis=1)
    for name in names:
        assert all(HARD[name][1](song, 20) for song in songs)


@pytest.mark.parametrize("name", HARD)
@settings(max_examples=20)
@given(SEEDS)
def test_a_hard_term_forbids_or_does_nothing_and_silence_never(name: str, seed: int) -> None:
    moment = moment_of(history(seed))
    moment.chosen[:, 10:14] = STRUCK
    weights = HARD[name][0].log_weights(moment)
    assert set(np.unique(weights)) == {-np.inf, 0.0}
    assert not weights[..., OFF].any()


def test_a_cap_of_none_is_silence() -> None:
    primer, rng = history(0), np.random.default_rng(0)
    logits = rng.normal(5, 1, (len(primer), 8, KEYS, 3))
    assert not draw_keys(Priors([PolyphonyCap(0)]), logits, primer, rng).any()
