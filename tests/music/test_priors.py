"""Priors together: their sum, what changes nothing, their files; and a sampler to try them on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.grid import bar_positions
from dlcourse.music.notes import COMMON_TIME, HELD, OFF, STRUCK, Metre
from dlcourse.music.priors.accent import MetricalAccent
from dlcourse.music.priors.chords import ChordProgression
from dlcourse.music.priors.constant import Constant
from dlcourse.music.priors.density import NoteDensity
from dlcourse.music.priors.interval import IntervalFromPrevious
from dlcourse.music.priors.key_scale import KeyScale
from dlcourse.music.priors.pitch_range import PitchRange
from dlcourse.music.priors.polyphony import PolyphonyCap
from dlcourse.music.priors.prior import Moment, Prior, Priors
from dlcourse.music.priors.repetition import RepetitionControl

CONF = Path(__file__).resolve().parents[2] / "conf"
LOW, KEYS = 48, 25
SEEDS = st.integers(0, 2**32 - 1)


def every_term() -> list[Prior]:
    """One of each, soft and hard."""
    return [
        Constant(),
        KeyScale(),
        KeyScale("A minor", hard=True),
        PitchRange("E3", "G4"),
        PitchRange("E3", "G4", hard=False),
        IntervalFromPrevious(),
        IntervalFromPrevious(largest=4, hard=True),
        MetricalAccent(),
        ChordProgression("C Am/G F G7", bars_per_chord=0.5),
        ChordProgression("C Am/G F G7", hard=True),
        PolyphonyCap(2),
        NoteDensity(6),
        RepetitionControl(ngram=3),
    ]


def moment_of(
    states: np.ndarray, *, metre: Metre = COMMON_TIME, low: int = LOW, grid: int = 4
) -> Moment:
    """The frame after states (N, t, P), which begin on a bar line."""
    songs, steps, keys = states.shape
    positions = np.tile(bar_positions(metre, steps + 1, steps_per_quarter=grid)[-1], (songs, 1))
    bar = np.full(songs, steps // positions[0, 2])
    chosen = np.zeros((songs, keys), dtype=np.uint8)
    return Moment(states, positions, bar, low, grid, chosen)


def history(seed: int, *, songs: int = 3, steps: int = 20, density: float = 0.1) -> np.ndarray:
    """(N, t, P) random states; nothing is held that did not sound."""
    rng = np.random.default_rng(seed)
    states = rng.choice([OFF, HELD, STRUCK], (songs, steps, KEYS), p=[0.5, 0.5 - density, density])
    for step in range(steps):
        before = states[:, step - 1] if step else np.zeros((songs, KEYS))
        states[:, step][(states[:, step] == HELD) & (before == OFF)] = OFF
    return states.astype(np.uint8)


def draw_keys(
    priors: Priors, logits: np.ndarray, states: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A polyphonic head: each key, from the highest down, is drawn from its own logits.

    Args:
        logits: (N, S, P, 3) of OFF, HELD, STRUCK in every new frame.
        states: (N, t, P) of a primer, which begins on a bar line of 4/4.

    Returns:
        (N, S, P) new frames.
    """
    given = states.shape[1]
    for step in range(logits.shape[1]):
        moment = moment_of(states)
        whole, chosen = priors.frame_weights(moment), moment.chosen.copy()
        for key in reversed(range(states.shape[2])):
            weights = whole + priors.within_weights(replace(moment, chosen=chosen))
            score = logits[:, step, key] + weights[:, key]
            score[~moment.sounding[:, key], HELD] = -np.inf
            chosen[:, key] = draw(score, rng)
        states = np.concatenate([states, chosen[:, None]], axis=1)
    return states[:, given:]


def draw_melody(
    priors: Priors, logits: np.ndarray, states: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A categorical head: hold, rest or one of P strikes, from logits (N, S, 2 + P)."""
    given, songs = states.shape[1], np.arange(len(states))
    for step in range(logits.shape[1]):
        moment = moment_of(states)
        weights = priors.log_weights(moment)
        weights = weights - weights[..., [OFF]]
        hold = weights[..., HELD].sum(-1, where=moment.sounding)
        added = np.column_stack([hold, np.zeros(len(states)), weights[..., STRUCK]])
        event = draw(logits[:, step] + added, rng)
        frame = np.where((event == 0)[:, None] & moment.sounding, HELD, OFF).astype(np.uint8)
        frame[songs[event > 1], event[event > 1] - 2] = STRUCK
        states = np.concatenate([states, frame[:, None]], axis=1)
    return states[:, given:]


def draw(score: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) options from scores (N, K) that are logits up to a constant."""
    chances = np.exp(score - score.max(-1, keepdims=True)).cumsum(-1)
    uniforms = 1 - rng.random((len(score), 1))  # never 0, which would draw what is forbidden
    return (chances < uniforms * chances[:, -1:]).sum(-1)


def normalised(logits: np.ndarray) -> np.ndarray:
    chances = np.exp(logits - logits.max(-1, keepdims=True))
    return chances / chances.sum(-1, keepdims=True)


@given(SEEDS, st.floats(-30, 30), st.floats(-3, 3))
def test_a_constant_changes_no_probability(seed: int, value: float, weight: float) -> None:
    priors, states = Priors([Constant(value, weight=weight)]), history(seed)
    logits = np.random.default_rng(seed).normal(0, 3, (3, KEYS, 3))
    weights = priors.log_weights(moment_of(states))
    np.testing.assert_allclose(normalised(logits + weights), normalised(logits), atol=1e-9)


def test_a_constant_changes_no_song() -> None:
    rng = np.random.default_rng(0)
    logits = {draw_keys: rng.normal(0, 2, (3, 24, KEYS, 3))}
    logits[draw_melody] = rng.normal(0, 2, (3, 24, 2 + KEYS))
    for draw_head, values in logits.items():
        without, with_it = (
            draw_head(Priors(terms), values, history(1), np.random.default_rng(2))
            for terms in ([], [Constant(2.0)])
        )
        assert (without == with_it).all()
        assert (without == STRUCK).any()


@given(SEEDS, st.lists(st.floats(0.1, 3), min_size=13, max_size=13))
def test_together_they_are_the_weighted_sum(seed: int, weights: list[float]) -> None:
    moment, terms = moment_of(history(seed)), every_term()
    for term, weight in zip(terms, weights, strict=True):
        term.weight = weight
    expected = sum(
        np.where(t.log_weights(moment) == -np.inf, -np.inf, 0) + (not t.hard) * soft * t.weight
        for t in terms
        for soft in [np.nan_to_num(t.log_weights(moment), neginf=0)]
    )
    priors = Priors({str(i): term for i, term in enumerate(terms)})
    np.testing.assert_allclose(priors.log_weights(moment), expected)
    parts = priors.frame_weights(moment) + priors.within_weights(moment)
    np.testing.assert_allclose(parts, expected)


def test_only_what_looks_at_the_chosen_keys_changes_within_a_frame() -> None:
    moment = moment_of(history(0))
    chosen = np.full_like(moment.chosen, STRUCK)
    chosen[:, :3] = OFF
    changed = [
        not np.array_equal(t.log_weights(moment), t.log_weights(replace(moment, chosen=chosen)))
        for t in every_term()
    ]
    assert changed == [t.within_frame for t in every_term()]
    assert any(changed)
    priors, later = Priors([KeyScale(), PolyphonyCap(2)]), replace(moment, chosen=chosen)
    assert priors.within_frame
    assert np.array_equal(priors.frame_weights(moment), priors.frame_weights(later))
    assert not np.array_equal(priors.within_weights(moment), priors.within_weights(later))
    assert not Priors([KeyScale(), PolyphonyCap(1, weight=0)]).within_frame


def test_weight_zero_switches_a_term_off() -> None:
    moment, terms = moment_of(history(0)), every_term()
    for term in terms:
        term.weight = 0
    priors = Priors(terms)
    assert len(priors) == 0
    assert not priors.log_weights(moment).any()


def test_a_hard_term_is_the_same_whatever_its_weight_and_cannot_be_turned_round() -> None:
    moment = moment_of(history(0))
    light, heavy = (
        Priors([KeyScale("C major", hard=True, weight=w)]).log_weights(moment) for w in (0.01, 5.0)
    )
    assert np.array_equal(light, heavy)
    assert np.isneginf(light).any()
    with pytest.raises(InputError, match=r"prior\.key\.weight=-1"):
        Priors({"key": KeyScale("C major", hard=True, weight=-1)})


@given(SEEDS)
def test_a_song_does_not_depend_on_those_beside_it(seed: int) -> None:
    states = history(seed)
    for term in every_term():
        alone = [term.log_weights(moment_of(states[[i]]))[0] for i in range(len(states))]
        np.testing.assert_array_equal(term.log_weights(moment_of(states)), alone)


@pytest.mark.parametrize("term", every_term(), ids=lambda term: type(term).__name__)
def test_every_term_stands_at_the_beginning_of_a_song(term: Prior) -> None:
    weights = term.log_weights(moment_of(np.zeros((2, 0, KEYS), dtype=np.uint8)))
    assert weights.shape == (2, KEYS, 3)
    assert weights.dtype == np.float64
    assert np.isfinite(weights[..., OFF]).all()


def config_of(tmp_path: Path, *overrides: str) -> dict:
    (tmp_path / "main.yaml").write_text(
        f"defaults: [{{prior: none}}, _self_]\nprior: {{}}\nhydra: {{searchpath: [{CONF}]}}\n"
    )
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        return compose("main", list(overrides)).prior


@pytest.mark.parametrize("path", sorted((CONF / "prior").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_file_is_a_term_under_its_own_name(path: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, f"prior={path.stem}")
    assert list(config) == [path.stem] * (path.stem != "none")
    assert len(Priors(instantiate(config, _convert_="all"))) == len(config)


def test_terms_are_chosen_in_lists_and_dropped_again(tmp_path: Path) -> None:
    assert list(config_of(tmp_path, "prior=[key,range]")) == ["key", "range"]
    assert list(config_of(tmp_path, "prior=[key,range]", "~prior.key")) == ["range"]
    assert not config_of(tmp_path, "prior=[]")
    assert not config_of(tmp_path, "prior=none")
    chords = config_of(tmp_path, "prior=[chords]", "prior.chords.progression=Dm G7 C/E")
    assert instantiate(chords, _convert_="all")["chords"].tones.shape == (3, 2, 12)


def test_options_of_a_prior_that_is_not_chosen_are_named() -> None:
    with pytest.raises(InputError, match=r"prior\.key=.*not chosen.*prior=\[key\]"):
        Priors({"key": {"key": "C major"}})
