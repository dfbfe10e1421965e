"""The module over many keys: what is scored in a batch, against a loop over songs and steps."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcourse.metrics import metric_collection
from dlcourse.music.encoding import IGNORED
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.roll_metrics import FrameNLL
from dlcourse.music.tables import song_table
from tests.music.small_rolls import (
    HEADS,
    all_frames,
    entry,
    keyboard,
    log_p,
    places,
    possible_song,
    predictor,
)

KEYS, LENGTHS = 3, [9, 14, 6]
EVERY_HEAD = pytest.mark.parametrize("name", HEADS)
KINDS = [{"onsets": False}, {"onsets": True, "lookback": (1,)}, {"lookback": (1,), "match": True}]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=["sounds", "states", "matches"])


def songs_for(model: NotePredictor) -> list[np.ndarray]:
    return [possible_song(model.encoding, n, seed=seed) for seed, n in enumerate(LENGTHS)]


def batch_of(model: NotePredictor, songs: list[np.ndarray]) -> dict[str, Tensor]:
    """The songs whole, the shorter ones followed by what is not scored."""
    table = song_table([entry(song) for song in songs], model.encoding)
    batch = table.gather(torch.from_numpy(table.offsets), torch.from_numpy(table.lengths))
    return batch | {"song": torch.arange(len(songs)) + 7}


@torch.no_grad()
def slow_nats(model: NotePredictor, song: np.ndarray) -> list[float]:
    """Of each frame, all frames before it run anew; the frame's place among all that can be."""
    frames, listed = torch.from_numpy(song)[None], all_frames(model.encoding)
    at, nats = torch.from_numpy(places(1, len(song))), []
    for step in range(len(song)):
        inputs, _ = model(frames[:, : step + 1], at[:, : step + 1])
        context = model.encoding.context(frames, at[:, : step + 1], first=step)
        every = log_p(model.head, inputs[0, -1], context[0, 0], listed)
        which = (listed == frames[0, step]).all(1).nonzero().item()
        nats.append(-every.log_softmax(0)[which].item())
    return nats


@EVERY_HEAD
@EVERY_KIND
def test_a_test_step_gives_every_frame_its_cost_and_what_it_is_about(
    name: str, kind: dict[str, Any]
) -> None:
    model = predictor(keyboard(KEYS, **kind), name)
    songs = songs_for(model)
    with torch.no_grad():
        scored = model.test_step(batch_of(model, songs), 0)
    nats = [slow_nats(model, song) for song in songs]
    assert scored["nll"].dtype == torch.float64
    assert scored["nll"].tolist() == pytest.approx([x for song in nats for x in song], rel=1e-4)
    assert scored["frames"].tolist() == [frame for song in songs for frame in song.tolist()]
    before = [[[0] * KEYS, *song[:-1].tolist()] for song in songs]
    assert scored["previous"].tolist() == [frame for song in before for frame in song]
    assert scored["first"].tolist() == [step == 0 for n in LENGTHS for step in range(n)]
    assert scored["song"].tolist() == [7 + i for i, n in enumerate(LENGTHS) for _ in range(n)]
    likeliest = model.head.likeliest(scored["head_inputs"], scored["context"])
    assert torch.equal(scored["predicted"], likeliest)
    assert len(scored["predicted"]) == sum(LENGTHS)
    assert len(scored["targets"]) == len(scored["frame"]) >= sum(LENGTHS)


@EVERY_HEAD
@EVERY_KIND
def test_the_loss_is_the_mean_cost_of_a_frame_and_padding_has_no_part_in_it(
    name: str, kind: dict[str, Any]
) -> None:
    model = predictor(keyboard(KEYS, **kind), name)
    songs = songs_for(model)
    batch = batch_of(model, songs)
    nats = [x for song in songs for x in slow_nats(model, song)]
    step = model.training_step(batch, 0)
    assert step["loss"].item() == pytest.approx(sum(nats) / len(nats), rel=1e-4)
    step["loss"].backward()
    reached = {key for key, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert reached == {key for key, _ in model.named_parameters()}
    batch["context"][0, 9:] = 1
    batch["positions"][2, 6:] = 0
    assert model.training_step(batch, 0)["loss"].item() == step["loss"].item()


@EVERY_HEAD
def test_a_validation_gives_the_same_number_as_loss_and_as_metric(name: str) -> None:
    model = predictor(keyboard(KEYS), name)
    model.val_metrics = metric_collection({"nll": FrameNLL()}, 0)
    songs, nats = songs_for(model), []
    for part in (songs[:1], songs[1:]):
        with torch.no_grad():
            model.validation_step(batch_of(model, part), 0)
        nats += [x for song in part for x in slow_nats(model, song)]
    mean = sum(nats) / len(nats)
    assert model.val_loss.compute().item() == pytest.approx(mean, rel=1e-4)
    assert model.val_metrics.compute()["nll"].item() == pytest.approx(mean, rel=1e-4)


@EVERY_HEAD
def test_the_last_frame_alone_can_be_scored(name: str) -> None:
    """As in the lab: windows of one length, each for the frame at its end."""
    model = predictor(keyboard(KEYS, lookback=(1,)), name, supervise="last")
    songs = songs_for(model)
    table = song_table([entry(song) for song in songs], model.encoding)
    starts = torch.tensor([2, 9 + 3, 9 + 8])
    batch = table.gather(starts, torch.full((3,), 6)) | {"song": torch.tensor([0, 1, 1])}
    batch["targets"][:, :-1] = IGNORED
    with torch.no_grad():
        scored = model.test_step(batch, 0)
    expected = [(0, 7), (1, 8), (1, 13)]
    assert scored["frames"].tolist() == [songs[n][step].tolist() for n, step in expected]
    assert scored["previous"].tolist() == [songs[n][step - 1].tolist() for n, step in expected]
    assert scored["song"].tolist() == [0, 1, 1]
    assert not scored["first"].any()
    for row in range(3):
        context = batch["context"][row : row + 1]
        features = model.encoding.features(context, batch["positions"][row : row + 1])
        with torch.no_grad():
            inputs = model.net(features)[0][0, -1]
        cost = -log_p(model.head, inputs, context[0, -1], batch["targets"][row, -1:])
        assert scored["nll"][row].item() == pytest.approx(cost.item(), rel=1e-4)
    with torch.no_grad():
        loss = model.training_step(batch, 0)["loss"].item()
    assert loss == pytest.approx(scored["nll"].mean().item(), rel=1e-5)


@EVERY_HEAD
def test_what_comes_later_costs_nothing_earlier(name: str) -> None:
    model = predictor(keyboard(KEYS, lookback=(1,)), name)
    songs = songs_for(model)
    changed = [song.copy() for song in songs]
    changed[1][5] = 2 - changed[1][5]  # what was struck is off, and the other way round
    changed[1] = model.encoding.from_states(model.encoding.states(changed[1][None]))[0]
    with torch.no_grad():
        was, now = (model.test_step(batch_of(model, s), 0)["nll"] for s in (songs, changed))
    same = (was == now).tolist()
    assert same[: 9 + 5] == [True] * (9 + 5)
    assert not any(same[9 + 5 : 9 + 14])
    assert same[9 + 14 :] == [True] * 6


@EVERY_HEAD
def test_going_on_from_a_state_is_predicting_everything_at_once(name: str) -> None:
    model = predictor(keyboard(KEYS, lookback=(1, 2), match=True), name)
    bars = np.stack([possible_song(model.encoding, 10, seed=seed) for seed in (1, 2)])
    frames = torch.from_numpy(np.concatenate([bars[:, :6], bars, bars[:, :4]], axis=1))
    positions = torch.from_numpy(places(2, 20))
    state, parts = None, []
    with torch.no_grad():
        whole, _ = model(frames, positions)
        for first, last in ((0, 1), (1, 9), (9, 20)):
            inputs, state = model(frames, positions[:, :last], first=first, state=state)
            parts.append(inputs)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)
