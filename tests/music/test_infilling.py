"""Spans composed anew between what comes before and after, against posteriors by enumeration."""

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from dlcourse.errors import InputError
from dlcourse.music import render
from dlcourse.music.encoding import Encoding
from dlcourse.music.generation import NewSong, Primer
from dlcourse.music.grid import bar_positions
from dlcourse.music.heads import Categorical
from dlcourse.music.infilled_songs import infilled_songs
from dlcourse.music.infilling import Infilling, infill, nats_after
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.notes import OFF, STRUCK, Metre, Song, Track, note_array
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.priors.pitch_range import PitchRange
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Sampler
from tests.music.small_rolls import HEADS, WALTZ, keyboard, places, possible_song, predictor

HOLD, REST, NOTE = Melody.HOLD, Melody.REST, Melody.FIRST_KEY + 36
WORDS = (HOLD, REST, NOTE)
METRE = Metre(0, 4, 4)


class TwoBack:
    """A network that remembers two frames, each of three classes, and no more."""

    def __init__(self, scale: float = 2.0) -> None:
        rng = np.random.default_rng(1)
        logits = scale * rng.normal(size=(3, 3, 3))
        self.p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)

    def __call__(
        self, frames: np.ndarray, positions: np.ndarray, *, first: int, state: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        state = np.zeros((len(frames), 2), dtype=int) if state is None else state
        for step in range(first, positions.shape[1]):
            if step:
                new = np.searchsorted(WORDS, frames[:, step - 1])
                state = np.stack([state[:, 1], new], axis=1)
        logits = np.full((len(frames), Melody.num_classes), -np.inf, dtype=np.float32)
        with np.errstate(divide="ignore"):
            logits[:, WORDS] = np.log(self.p[state[:, 0], state[:, 1]])
        return logits, state

    def probability(self, frames: tuple[int, ...], begin: int) -> float:
        """Of the frames from `begin` on."""
        words = [WORDS.index(frame) for frame in frames]
        steps = range(begin, len(words))
        return float(np.prod([self.p[words[t - 2], words[t - 1], words[t]] for t in steps]))


def heard(frames: tuple[int, ...]) -> bool:
    """Whether the note sounds at the end, by the meaning of the classes."""
    return next((frame == NOTE for frame in reversed(frames) if frame != HOLD), False)


def spans_drawn(times: int, **how: Any) -> list[Infilling]:
    return [infill(seed=(7, time), **how) for time in range(times)]


def distance(p: dict[Any, float], q: dict[Any, float]) -> float:
    """Total variation."""
    return sum(abs(p.get(key, 0) - q.get(key, 0)) for key in {*p, *q}) / 2


def normalised(p: dict[Any, float]) -> dict[Any, float]:
    return {key: value / sum(p.values()) for key, value in p.items()}


def frequencies(drawn: list[Infilling], span: slice) -> dict[Any, float]:
    found = [drawn.frames[span].tobytes() for drawn in drawn]
    return {key: found.count(key) / len(found) for key in found}


LEFT = (NOTE, HOLD, REST)


@pytest.mark.parametrize(
    ("old", "right"),
    [
        pytest.param((REST, HOLD), (NOTE, REST, NOTE), id="struck after the span"),
        pytest.param((NOTE, HOLD), (HOLD, REST, NOTE), id="a note goes on after the span"),
        pytest.param((REST, HOLD), (HOLD, HOLD, NOTE), id="silence goes on after the span"),
    ],
)
def test_spans_come_from_the_posterior_given_both_sides(
    old: tuple[int, ...], right: tuple[int, ...]
) -> None:
    network, start, end = TwoBack(), len(LEFT), len(LEFT) + 2
    song = np.array([*LEFT, *old, *right])
    prior, posterior = {}, {}
    for span in product(WORDS, repeat=2):
        key = np.array(span).tobytes()
        prior[key] = network.probability((*LEFT, *span), start)
        after = right
        if right[0] == HOLD and heard(LEFT + span) != heard(LEFT + old):
            after = (NOTE if heard(LEFT + old) else REST, *right[1:])
        posterior[key] = network.probability((*LEFT, *span, *after), start)
    prior, posterior = normalised(prior), normalised(posterior)
    assert distance(prior, posterior) > 0.2
    how = {"span": (start, end), "head": Categorical(Melody()), "sampler": Sampler()}
    positions = bar_positions(METRE, len(song))
    drawn = spans_drawn(200, predict=network, frames=song, positions=positions, **how)
    found = frequencies(drawn, slice(start, end))
    assert distance(found, posterior) < 0.1
    assert distance(found, prior) > 0.15


def test_a_span_on_a_small_keyboard_comes_from_the_posterior() -> None:
    encoding = keyboard(2)
    model, span = predictor(encoding, "set_softmax"), (3, 4)
    song, positions = possible_song(encoding, 7, seed=2), places(1, 7)[0]
    before = encoding.states(song[None, :3])[0, -1]
    frames = np.array([*product(range(3), repeat=2)], dtype=np.int8)
    frames = frames[((frames != 1) | (before > OFF)).all(axis=1)]
    songs = song[None].repeat(len(frames), axis=0)
    songs[:, 3] = frames
    songs = encoding.from_states(encoding.states(songs))  # a key that was off cannot be held
    log_p = all_log_p(model, songs, positions)
    keys = [frame.tobytes() for frame in frames]
    prior = normalised(dict(zip(keys, np.exp(log_p[:, 3]), strict=True)))
    posterior = normalised(dict(zip(keys, np.exp(log_p[:, 3:].sum(1)), strict=True)))
    assert distance(prior, posterior) > 0.2
    how = {"span": span, "head": model.head, "sampler": Sampler(), "positions": positions}
    found = frequencies(
        spans_drawn(150, predict=model.next_inputs, frames=song, **how), slice(3, 4)
    )
    assert distance(found, posterior) < 0.1


def all_log_p(model: Any, songs: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(N, T) of every frame, by one pass over whole songs."""
    frames = torch.from_numpy(songs)
    where = torch.from_numpy(positions)[None].expand(len(songs), -1, -1)
    context = model.encoding.context(frames, where)
    with torch.no_grad():
        inputs = model(frames, where)[0]
        nats = model.head.decisions(
            inputs.flatten(0, 1), frames.flatten(0, 1), context.flatten(0, 1)
        ).nats()
    return -nats.view(len(songs), -1).numpy()


@pytest.mark.parametrize("head", [*HEADS])
@pytest.mark.parametrize("onsets", [True, False])
def test_what_follows_is_scored_as_in_one_pass(head: str, onsets: bool) -> None:
    encoding = keyboard(3, onsets=onsets, lookback=(1,))
    model = predictor(encoding, head)
    songs = np.stack([possible_song(encoding, 11, seed=seed) for seed in range(4)])
    nats = nats_after(model.next_inputs, songs, places(4, 11), given=6, head=model.head)
    expected = -all_log_p(model, songs, places(1, 11)[0])[:, 6:].sum(1)
    np.testing.assert_allclose(nats, expected, rtol=1e-4)
    assert np.ptp(expected) > 0.1


def test_a_window_is_what_the_network_reads_the_right_part_by() -> None:
    model, encoding = predictor(Lab2018(), None), Lab2018()
    songs = np.random.default_rng(0).integers(30, 50, (3, 12))
    songs[:, 10] = -1  # silence has no class and is not scored
    nats = nats_after(model.next_inputs, songs, places(3, 12), given=9, head=model.head, window=4)
    expected = np.zeros(3)
    for step in (9, 11):
        # The frames before the window only say what stands before its first frame, at most.
        frames = torch.from_numpy(songs[:, step - 4 : step + 1])
        where = torch.from_numpy(places(3, 12)[:, step - 4 : step + 1])
        context = encoding.context(frames, where)[:, 1:]
        logits, _ = model.net(encoding.features(context, where[:, 1:]))
        expected -= logits[:, -1].log_softmax(-1)[range(3), songs[:, step]].detach().numpy()
    np.testing.assert_allclose(nats, expected, rtol=1e-4)


ENCODINGS = [
    pytest.param(Melody(lookback=[1]), None, id="melody"),
    pytest.param(Lab2018(), None, id="lab2018"),
    pytest.param(Lab2018(rests=True, rearticulate=True), None, id="lab2018 with rests"),
    *(
        pytest.param(PianoRoll(onsets=onsets, low=60, high=65), head, id=f"{head} {onsets=}")
        for head in HEADS
        for onsets in (True, False)
    ),
]


def chorale(encoding: Encoding) -> Primer:
    """A note every five steps, every other one cut short: 35 steps, six bars of six or less."""
    rows = [(5 * i, 5 * i + 5 - i % 2, 60 + 2 * i % 6, 80) for i in range(7)]
    song = Song("chorale", 4, (Track(note_array(rows), "Melody"),), end=35)
    return Primer("chorale", encoding.encode(song).frames, WALTZ)


def composed(encoding: Encoding, head: str | None, **options: Any) -> tuple[Primer, list[NewSong]]:
    primer = chorale(encoding)
    how = {"bars": [3, 4], "songs": 3, "sampler": Sampler(), "seed": 2, "candidates": 8}
    return primer, infilled_songs(predictor(encoding, head), primer, **how | options)


@pytest.mark.parametrize(("encoding", "head"), ENCODINGS)
def test_all_that_sounds_outside_the_bars_stays(encoding: Encoding, head: str | None) -> None:
    primer, songs = composed(encoding, head)
    old = encoding.decode(primer.frames, metre=WALTZ)
    before = encoding.states(primer.frames[None])[0]
    assert before[24].any()  # a note reaches over the last bar line
    for new in songs:
        frames, step = new.drawn.frames, new.song.end // len(primer.frames)
        after = encoding.states(frames[None])[0]
        outside = np.r_[0:12, 24 : len(frames)]
        untouched = np.setdiff1d(outside, [24])  # where that note may be struck again
        np.testing.assert_array_equal(after[outside] > OFF, before[outside] > OFF)
        np.testing.assert_array_equal(frames[untouched], primer.frames[untouched])
        np.testing.assert_array_equal(after[untouched], before[untouched])
        assert (new.seed_end, new.new_end) == (12 * step, 24 * step)
        assert later(new.song, 25 * step) == later(old, 25 * step) != []
    assert len({new.drawn.frames.tobytes() for new in songs} | {primer.frames.tobytes()}) == 4


def later(song: Song, tick: int) -> list[list[int]]:
    return [note for note in song.tracks[0].notes.tolist() if note[0] >= tick]


def test_a_held_note_is_struck_again_only_where_the_span_does_not_hold_it() -> None:
    encoding = Melody()
    primer, songs = composed(encoding, None, songs=12)
    assert primer.frames[24] == Melody.HOLD
    sounded = encoding.states(primer.frames[None])[0, 24] > OFF
    kept = []
    for new in songs:
        held = (encoding.states(new.drawn.frames[None, :24])[0, -1] > OFF)[sounded].all()
        key = int(np.flatnonzero(sounded)[0])
        assert new.drawn.frames[24] == (Melody.HOLD if held else Melody.FIRST_KEY + key)
        kept.append(bool(held))
    assert False in kept


@pytest.mark.parametrize(
    ("encoding", "head"), [(Melody(), None), (PianoRoll(low=60, high=65), "set_softmax")]
)
def test_hard_priors_hold_in_the_span(encoding: Encoding, head: str | None) -> None:
    priors = Priors([PitchRange(low=63, high=64, hard=True)])
    primer, songs = composed(encoding, head, priors=priors)
    for new in songs:
        keys = np.nonzero(encoding.states(new.drawn.frames[None])[0, 12:24] == STRUCK)[1]
        assert set((keys + encoding.low).tolist()) <= {63, 64}
        assert len(keys)
    struck = np.nonzero(encoding.states(primer.frames[None])[0] == STRUCK)[1] + encoding.low
    assert not set(struck.tolist()) & {63}


@pytest.mark.parametrize(
    ("encoding", "head"), [(Melody(), None), (PianoRoll(low=60, high=65), "bernoulli")]
)
def test_a_song_is_its_seed_and_its_number_whatever_is_made_beside_it(
    encoding: Encoding, head: str | None
) -> None:
    def frames(**options: Any) -> list[bytes]:
        return [new.drawn.frames.tobytes() for new in composed(encoding, head, **options)[1]]

    three = frames(songs=3)
    assert frames(songs=3) == three
    assert frames(songs=2) == three[:2]
    assert len({*three, *frames(songs=3, seed=3)}) == 6


def test_the_effective_sample_size_is_how_many_candidates_suit_what_follows() -> None:
    network, song = TwoBack(scale=0.0), np.array([*LEFT, REST, NOTE])
    how = {"span": (3, 4), "head": Categorical(Melody()), "sampler": Sampler(), "seed": 0}
    uncaring = infill(network, song, bar_positions(METRE, 5), **how)
    assert uncaring.effective == pytest.approx(uncaring.candidates) == 64
    network.p[1, :2] = 0.5, 0.5, 1e-12  # the last note can only come after a note
    caring = infill(network, song, bar_positions(METRE, 5), **how)
    assert caring.frames[3] == NOTE
    assert caring.effective == pytest.approx(round(caring.effective))
    assert 64 / 3 - 12 < caring.effective < 64 / 3 + 12
    assert caring.different == 3


def test_the_page_says_what_the_choice_was_made_from() -> None:
    _, (new, *_) = composed(Melody(), None)
    assert new.made == "chorale, bars 3 to 4 composed anew"
    assert new.facts["candidates"] == "8, 8 different"
    assert 1 <= float(new.facts["effective sample size"]) <= 8
    _, (alike, *_) = composed(Melody(), None, sampler=Sampler(temperature=0.0))
    assert "All candidates are alike" in alike.warning
    doubtful = type(new)(**vars(new) | {"drawn": Infilling(new.drawn.frames, 8, 8, 1.2)})
    assert "effective sample size 1.2 of 8" in doubtful.warning


def test_where_nothing_follows_it_is_a_continuation() -> None:
    primer, (new, *_) = composed(Melody(), None, bars=[5, 6])
    assert new.facts["what follows"] == "nothing: a continuation"
    assert new.drawn.effective == pytest.approx(8)
    assert (new.new_steps, new.new_end) == (len(primer.frames) - 24, np.inf)
    np.testing.assert_array_equal(new.drawn.frames[:24], primer.frames[:24])


def test_the_first_bars_can_be_composed_anew() -> None:
    primer, (new, *_) = composed(Melody(), None, bars=[1, 2])
    assert new.seed_end == 0
    np.testing.assert_array_equal(new.drawn.frames[13:], primer.frames[13:])
    assert (new.drawn.frames[:12] != primer.frames[:12]).any()


@pytest.mark.parametrize("bars", [[0, 1], [3, 2], [6, 7], [1], [1, 2, 3], 3, [1.5, 2], ["a", 2]])
def test_bars_that_the_song_does_not_have_are_refused(bars: Any) -> None:
    with pytest.raises(InputError, match=r"chorale has bars 1 to 6.*infill=\[1,2\]") as error:
        composed(Melody(), None, bars=bars)
    assert "\n" not in str(error.value)


def test_there_has_to_be_a_candidate() -> None:
    with pytest.raises(InputError, match="candidates=0: at least 1"):
        composed(Melody(), None, candidates=0)


def test_a_new_span_in_the_middle_is_drawn_as_new(tmp_path: Path) -> None:
    rows = [(quarter, quarter + 1, 60, 90) for quarter in range(48)]
    song = Song("x", 1, (Track(note_array(rows)),), end=48)
    render.draw_piano_roll(song, tmp_path / "x.png", seed_end=16, new_end=32)
    picture = matplotlib.image.imread(tmp_path / "x.png")[int(render.TOP * render.DPI) :, :, :3]
    left, right = int(render.LEFT * render.DPI), int((12 - render.RIGHT) * render.DPI)
    edges = np.linspace(left, right, 4).astype(int)
    thirds, full = [picture[:, a + 4 : b - 4] for a, b in pairwise(edges)], []
    for part, shaded in zip(thirds, (True, False, True), strict=True):
        assert (share(part, render.SEED_SHADE) > 0.3) == shaded
        full.append(share(part, render.TRACK_COLOURS[0]))
    assert full[1] > 2 * max(full[0], full[2])
    for edge in edges[1:3]:
        line = picture[:, edge - 3 : edge + 4]
        assert (line.max(axis=-1) < 0.1).any(axis=1).mean() > 0.5  # black, from top to bottom


def share(picture: np.ndarray, colour: str) -> float:
    return float((np.abs(picture - to_rgb(colour)).max(axis=-1) < 0.01).mean())
