"""Nats of a frame, summed over its decisions, in whatever batches they come."""

import math

import pytest
import torch
from torch import Tensor

from dlcourse.metrics import metric_collection
from dlcourse.music.roll_metrics import ChangeNLL, FrameNLL


def scored(frames: int, *, seed: int = 0) -> dict[str, Tensor]:
    """Frames of 1 to 5 decisions each, over 4 options; some of the frames go on as they were."""
    rng = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, 6, (frames,), generator=rng)
    frame = torch.arange(frames).repeat_interleave(counts)
    previous = torch.randint(0, 3, (frames, 7), generator=rng)
    drawn = torch.randint(0, 3, (frames, 7), generator=rng)
    goes_on = torch.rand(frames, 1, generator=rng) < 0.5
    p = torch.randn(len(frame), 4, generator=rng).double().softmax(-1)
    targets = torch.randint(0, 4, (len(frame),), generator=rng)
    return {
        "probabilities": p,
        "targets": targets,
        "nats": -p.gather(-1, targets[:, None])[:, 0].log(),
        "frame": frame,
        "frames": torch.where(goes_on, previous.clamp(max=1), drawn),
        "previous": previous,
    }


def nats_by_frame(batch: dict[str, Tensor]) -> list[float]:
    nats = [0.0] * len(batch["frames"])
    for p, target, frame in zip(
        batch["probabilities"].tolist(), batch["targets"].tolist(), batch["frame"].tolist(),
        strict=True,
    ):  # fmt: skip
        nats[frame] -= math.log(p[target])
    return nats


def changes(batch: dict[str, Tensor]) -> list[bool]:
    """By the words of the definition: a key that sounded is held, one that was silent is off."""
    return [
        any(now != (1 if before else 0) for now, before in zip(*pair, strict=True))
        for pair in zip(batch["frames"].tolist(), batch["previous"].tolist(), strict=True)
    ]


def test_batches_of_any_size_have_the_mean_over_their_frames() -> None:
    metrics = metric_collection({"nll": FrameNLL(), "change_nll": ChangeNLL()}, 4)
    batches = [scored(n, seed=n) for n in (1, 9, 40)]
    for batch in batches:
        metrics.update(**batch, song=torch.zeros(len(batch["frames"])))
    nats = [value for batch in batches for value in nats_by_frame(batch)]
    changed = [value for batch in batches for value in changes(batch)]
    assert 0 < sum(changed) < len(changed)
    found = metrics.compute()
    assert found["nll"].item() == pytest.approx(sum(nats) / 50)
    some = [value for value, change in zip(nats, changed, strict=True) if change]
    assert found["change_nll"].item() == pytest.approx(sum(some) / len(some))


def test_without_frames_or_changes_there_is_no_mean() -> None:
    held = scored(5)
    held["frames"] = held["previous"].clamp(max=1)
    change, nothing = ChangeNLL(), FrameNLL()
    change.update(*(held[key] for key in ("nats", "frame", "frames", "previous")))
    assert math.isnan(change.compute())
    nothing.update(*(held[key][:0] for key in ("nats", "frames")))
    assert math.isnan(nothing.compute())
