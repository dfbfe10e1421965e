"""Songs of many keys come as often as they are likely, with every head and every sampler."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from dlcourse.music.beam import BeamSearch
from dlcourse.music.notes import STRUCK
from dlcourse.music.priors.constant import Constant
from dlcourse.music.priors.pitch_range import PitchRange
from dlcourse.music.priors.polyphony import PolyphonyCap
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Sampler
from tests.music.small_rolls import (
    HEADS,
    all_frames,
    composed,
    keyboard,
    nothing,
    predictor,
    primers_for,
    song_nats,
)

EVERY_HEAD = pytest.mark.parametrize("name", HEADS)
SAMPLERS = {
    "all": Sampler(),
    "cool": Sampler(temperature=0.7, top_k=2),
    "nucleus": Sampler(top_p=0.9),
    "min_p": Sampler(min_p=0.2),
    "argmax": Sampler(temperature=0),
    "window": Sampler(window=4),
    "beam": BeamSearch(width=3),
}
EVERY_SAMPLER = pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)


@EVERY_HEAD
@pytest.mark.parametrize("onsets", [False, True])
def test_songs_come_as_often_as_they_are_likely(name: str, onsets: bool) -> None:
    """Over all songs of three frames: the state, the context and the head's draws agree."""
    encoding, songs = keyboard(1 if onsets else 2, onsets=onsets, lookback=(1,)), 3000
    model, listed = predictor(encoding, name), all_frames(encoding)
    index = torch.cartesian_prod(*[torch.arange(len(listed))] * 3)
    p = (-song_nats(model, listed[index])).exp().numpy()
    assert p.sum() == pytest.approx(1, abs=1e-5)
    found = composed(model, nothing(encoding, songs), 3)
    frame = found @ encoding.num_states ** np.arange(encoding.num_keys)[::-1]  # (N, 3)
    counts = np.bincount(frame @ len(listed) ** np.arange(3)[::-1], minlength=len(p))
    assert counts[p == 0].sum() == 0
    often = p * songs > 5
    assert often.sum() >= 5
    seldom = ~often & (p > 0)
    groups = [*np.flatnonzero(often)[:, None], *([np.flatnonzero(seldom)] if seldom.any() else [])]
    got, expected = ([x[group].sum() for group in groups] for x in (counts, songs * p / p.sum()))
    assert chisquare(got, expected).pvalue > 0.01


@EVERY_HEAD
@EVERY_SAMPLER
def test_a_prior_without_a_wish_changes_nothing(name: str, sampler: Any) -> None:
    model = predictor(keyboard(4), name)
    primers = primers_for(model, 3)
    plain = composed(model, primers, 8, sampler)
    priors = Priors([Constant(3.0), Constant(-40.0)])
    assert np.array_equal(composed(model, primers, 8, sampler, priors=priors), plain)
    assert plain.any()


@EVERY_HEAD
@EVERY_SAMPLER
@pytest.mark.parametrize("onsets", [False, True])
def test_what_is_forbidden_is_never_drawn(name: str, sampler: Any, onsets: bool) -> None:
    """The primer leaves all four keys sounding; two of them may go on, and of these only one."""
    for seed in range(2):
        model = predictor(keyboard(4, onsets=onsets, lookback=(1,)), name, std=1.5)
        primers = primers_for(model, 3)
        primers[:, -1] = STRUCK if onsets else 1
        free = composed(model, primers, 10, sampler, seed=seed)
        hard = {"range": PitchRange(61, 62), "polyphony": PolyphonyCap(1)}
        for term, prior in hard.items():
            sounds = composed(model, primers, 10, sampler, seed=seed, priors=Priors([prior])) > 0
            if term == "range":
                assert not sounds[..., [0, 3]].any()
            else:
                assert sounds.sum(-1).max() <= 1
        both = composed(model, primers, 10, sampler, seed=seed, priors=Priors(hard)) > 0
        assert not both[..., [0, 3]].any()
        assert both.sum(-1).max() <= 1
        assert (free > 0)[..., [0, 3]].any()
        assert (free > 0).sum(-1).max() > 1


@EVERY_HEAD
@pytest.mark.parametrize("sampler", [Sampler(), Sampler(min_p=0.1), Sampler(window=3)])
def test_a_song_is_the_same_alone_and_among_eight_and_other_seeds_make_others(
    name: str, sampler: Sampler
) -> None:
    model = predictor(keyboard(4), name)
    primers = np.repeat(primers_for(model, 1), 8, axis=0)
    many, few = (composed(model, primers[:n], 12, sampler) for n in (8, 2))
    assert np.array_equal(many[:2], few)
    assert len({song.tobytes() for song in many}) >= 7
    assert not np.array_equal(composed(model, primers[:2], 12, sampler, seed=1), few)
    longer = composed(model, primers[:2], 15, sampler)
    assert np.array_equal(longer[:, :12], few)
    # Priors that look into the frame ask for keys in turn; there they have no wish.
    idle = Priors([PolyphonyCap(4)])
    guided = [composed(model, primers[:n], 12, sampler, priors=idle) for n in (8, 2)]
    assert np.array_equal(guided[0][:2], guided[1])


@given(
    logits=st.lists(st.floats(-30, 30), min_size=1, max_size=12),
    temperature=st.floats(0.1, 3),
    min_p=st.floats(0, 1),
)
@settings(max_examples=60)
def test_min_p_keeps_what_is_likely_against_the_likeliest(
    logits: list[float], temperature: float, min_p: float
) -> None:
    p = np.exp((np.array(logits) - max(logits)) / temperature)
    near = np.isclose(p, min_p, rtol=1e-9, atol=0)
    p[(p < min_p) & ~near] = 0
    found = Sampler(temperature=temperature, min_p=min_p).probabilities(np.array([logits]))[0]
    if not near[p < 1].any():
        assert found == pytest.approx(p / p.sum(), rel=1e-9)
    assert found[np.argmax(logits)] > 0
