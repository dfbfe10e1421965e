"""What is scored in a batch, against a loop over its songs and steps."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from dlcourse.metrics import MeanNLL
from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.encoding import IGNORED, Encoding
from dlcourse.music.grid import bar_positions
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.melody import Melody
from dlcourse.music.notes import Metre
from dlcourse.music.predictor import NotePredictor


def predictor(encoding: Encoding, supervise: str) -> NotePredictor:
    torch.manual_seed(0)
    net = partial(NoteLSTM, hidden=8, head_std=1.0, layers=2)
    options = {"loss": nn.CrossEntropyLoss(), "optimizer": torch.optim.SGD, "scheduler": None}
    options["metrics"] = {"nll": MeanNLL()}
    return NotePredictor(encoding=encoding, net=net, supervise=supervise, seed=0, **options).eval()


def some_batch() -> dict[str, torch.Tensor]:
    """Three songs of twelve steps; the second has padding, the first a silence of the lab's."""
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 5, (3, 13), generator=generator)
    frames[:, 0] = NO_CLASS
    frames[0, 4] = NO_CLASS
    previous, targets = frames[:, :-1], frames[:, 1:].clone()
    targets[1, 9:] = IGNORED
    targets[targets == NO_CLASS] = IGNORED
    positions = torch.arange(12)[None, :, None].expand(3, 12, 3) % 4
    song = torch.tensor([7, 8, 9])
    context = previous[..., None]
    return {"context": context, "positions": positions, "targets": targets, "song": song}


@pytest.mark.parametrize("supervise", ["every", "last"])
@pytest.mark.parametrize("encoding", [Melody(), Lab2018()])
def test_what_is_scored_is_every_step_with_a_target(encoding: Encoding, supervise: str) -> None:
    model, batch = predictor(encoding, supervise), some_batch()
    scored = model.score(batch)
    rows = []
    for song in range(3):
        for step in range(12) if supervise == "every" else [11]:
            target = int(batch["targets"][song, step])
            if target != IGNORED:
                before = batch["context"][song : song + 1, : step + 1]
                places = batch["positions"][song : song + 1, : step + 1]
                logits = model.net(encoding.features(before, places))[0][0, -1]
                last = int(before[0, -1, 0])
                change = target > 0 if isinstance(encoding, Melody) else target != last
                rows.append((logits, target, change, int(batch["song"][song])))
    assert len(rows) == (12 * 3 - 3 - 1 if supervise == "every" else 2)
    logits, targets, changes, songs = zip(*rows, strict=True)
    assert torch.allclose(scored["logits"], torch.stack(logits), atol=1e-5)
    assert scored["targets"].tolist() == list(targets)
    assert scored["changes"].tolist() == list(changes)
    assert scored["song"].tolist() == list(songs)


@pytest.mark.parametrize("lookback", [[], [1, 2]])
def test_going_on_from_a_state_is_predicting_everything_at_once(lookback: list[int]) -> None:
    model = predictor(Melody(lookback=lookback), "every")
    frames = torch.randint(0, 80, (2, 30), generator=torch.Generator().manual_seed(2))
    positions = torch.from_numpy(np.stack([bar_positions(Metre(0, 3, 8), 30)] * 2))
    whole, _ = model(frames, positions)
    state, parts = None, []
    for first, last in ((0, 1), (1, 9), (9, 30)):
        logits, state = model(frames, positions[:, :last], first=first, state=state)
        parts.append(logits)
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)
    changed = frames.clone()
    changed[:, 14] = (changed[:, 14] + 1) % 80
    assert torch.equal(model(changed, positions)[0][:, :15], whole[:, :15])
    assert not torch.equal(model(changed, positions)[0][:, 15], whole[:, 15])


def test_a_training_step_gives_the_loss_and_the_accuracy_of_what_is_scored() -> None:
    model, batch = predictor(Melody(), "every"), some_batch()
    step, scored = model.training_step(batch, 0), model.score(batch)
    log_p = scored["logits"].log_softmax(-1)
    nll = -torch.stack([row[t] for row, t in zip(log_p, scored["targets"], strict=True)]).mean()
    assert step["loss"].item() == pytest.approx(nll.item(), rel=1e-6)
    hits = [
        int(row.argmax()) == t for row, t in zip(log_p, scored["targets"].tolist(), strict=True)
    ]
    assert step["top1"].item() == pytest.approx(sum(hits) / len(hits))
    assert step["loss"].requires_grad


def test_evaluation_hands_on_probabilities_that_do_not_underflow() -> None:
    model, batch = predictor(Melody(), "every"), some_batch()
    with torch.no_grad():
        model.net.head.bias[:5] = -300.0  # the classes that come are made all but impossible
        scored = model.test_step(batch, 0)
    assert "logits" not in scored
    assert scored["probabilities"].sum(dim=-1).numpy() == pytest.approx(1)
    true = scored["probabilities"].gather(-1, scored["targets"][:, None])
    assert 0 < true.max() < 1e-100
    value = model.test_metrics["nll"].compute().item()
    assert value == pytest.approx(-true.log().mean().item(), rel=1e-6)
    assert model.val_metrics["nll"].frames == 0


@pytest.mark.filterwarnings("error")
def test_a_batch_in_which_nothing_is_scored_harms_nobody() -> None:
    """A window of the lab may end in silence, and be alone in the last batch."""
    model, batch = predictor(Lab2018(), "last"), some_batch()
    model.validation_step(batch, 0)
    before = {name: value.item() for name, value in model.val_metrics.compute().items()}
    loss = model.val_loss.compute().item()
    silent = batch | {"targets": torch.full_like(batch["targets"], IGNORED)}
    model.validation_step(silent, 1)
    after = {name: value.item() for name, value in model.val_metrics.compute().items()}
    assert after == pytest.approx(before, nan_ok=True)
    assert model.val_loss.compute().item() == loss
    model.training_step(silent, 0)["loss"].backward()
    gradients = [p.grad for p in model.net.parameters() if p.grad is not None]
    assert gradients
    assert not any(gradient.any() for gradient in gradients)


def test_dropout_is_keyed_by_seed_and_step() -> None:
    model, batch = predictor(Melody(), "every"), some_batch()
    model.net.dropout.p = 0.5
    model.train()
    losses = []
    for _ in range(2):
        torch.manual_seed(123)
        torch.rand(5)
        model.on_train_batch_start(batch, 0)
        losses.append(model.training_step(batch, 0)["loss"].item())
    assert losses[0] == losses[1]
    model.seed = 1
    model.on_train_batch_start(batch, 0)
    assert model.training_step(batch, 0)["loss"].item() != losses[0]
