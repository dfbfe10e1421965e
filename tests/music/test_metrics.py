"""Metrics against numpy, in batches and at once; undefined where there is nothing to say."""

import math

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from sklearn.metrics import recall_score
from torch import Tensor
from torchmetrics import MetricCollection

from dlcourse.cli import conf_path
from dlcourse.metrics import metric_collection

K = 6
BATCHES = [7, 0, 1, 30]


def note_metrics() -> MetricCollection:
    """Those of the course."""
    config = OmegaConf.load(f"{conf_path()}/metrics/notes.yaml")
    return metric_collection(instantiate(config, _convert_="all"), K)


def some_frames(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    size = sum(BATCHES)
    probabilities = rng.dirichlet(np.full(K, 0.4), size)
    return probabilities, rng.choice([0, 1, 2, 4], size), rng.random(size) < 0.3


def asked(p: Tensor, targets: Tensor, changes: Tensor) -> dict[str, Tensor]:
    """What a task gives to metrics."""
    nats = -p[torch.arange(len(targets)), targets].log()
    return {"probabilities": p, "targets": targets, "changes": changes, "nats": nats}


def measured(*, empty: bool = False) -> dict[str, float]:
    """All metrics, updated batch by batch; one batch has no frame."""
    metrics = note_metrics()
    arrays = some_frames()
    first = 0
    for size in [0] if empty else BATCHES:
        p, targets, changes = (torch.from_numpy(a[first : first + size]) for a in arrays)
        metrics.update(**asked(p, targets, changes))
        first += size
    return {name: value.item() for name, value in metrics.compute().items()}


def test_every_metric_is_what_numpy_says() -> None:
    p, targets, changes = some_frames()
    right = p.argmax(axis=1) == targets
    in_top3 = [t in np.argsort(-row)[:3] for row, t in zip(p, targets, strict=True)]
    nll = -np.log(p[np.arange(len(p)), targets]).mean()
    # A class that is predicted but never comes has no recall, and no share of the mean.
    assert set(p.argmax(axis=1)) - set(targets)
    expected = {
        "nll": nll,
        "perplexity": math.exp(nll),
        "top1": right.mean(),
        "top3": np.mean(in_top3),
        "per_class": recall_score(
            targets, p.argmax(axis=1), labels=[*set(targets)], average="macro"
        ),
        "change": right[changes].mean(),
    }
    assert measured() == pytest.approx(expected, rel=1e-6)


def test_perplexity_is_exp_of_the_nll_and_uniform_guessing_has_as_many_choices() -> None:
    values = measured()
    assert values["perplexity"] == pytest.approx(math.exp(values["nll"]), rel=1e-5)
    metrics = note_metrics()
    uniform = torch.full((5, K), 1 / K, dtype=torch.float64)
    metrics.update(**asked(uniform, torch.arange(5), torch.ones(5, dtype=torch.bool)))
    assert metrics["perplexity"].compute().item() == pytest.approx(K, rel=1e-6)


def test_without_a_frame_every_metric_is_undefined() -> None:
    assert all(math.isnan(value) for value in measured(empty=True).values())


def test_where_nothing_changes_only_the_change_accuracy_is_undefined() -> None:
    p, targets, changes = map(torch.from_numpy, some_frames())
    metrics = note_metrics()
    metrics.update(**asked(p, targets, torch.zeros_like(changes)))
    undefined = {name for name, value in metrics.compute().items() if math.isnan(value)}
    assert undefined == {"change"}


def test_a_reset_forgets_everything() -> None:
    p, targets, changes = map(torch.from_numpy, some_frames())
    metrics = note_metrics()
    metrics.update(**asked(p.flip(1), targets, changes))
    metrics.reset()
    metrics.update(**asked(p, targets, changes))
    assert {n: v.item() for n, v in metrics.compute().items()} == pytest.approx(measured())
