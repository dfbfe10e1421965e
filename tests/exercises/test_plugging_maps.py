"""A student's own maps, and network, in the lab of radiographs."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.training import make, train
from dlcourse.xray.cam import class_activation_maps, compute_cam
from dlcourse.xray.own_backbones import small
from dlcourse.xray.own_maps import made_net, own_cam
from dlcourse.xray.predictions import predict
from dlcourse.xray.studies import Study
from tests.composing import QUICK_XRAY, composed

HERE = __name__


def of_all(feature_maps: Tensor, dense_weights: Tensor, bias: Tensor | None = None) -> Tensor:
    maps = torch.tensordot(dense_weights.T, feature_maps, dims=([1], [1])).transpose(0, 1)
    return maps if bias is None else maps + bias[:, None, None]


def of_image(feature_maps: Tensor, dense_weights: Tensor) -> Tensor:
    K, h, w = feature_maps.shape
    return (dense_weights.T @ feature_maps.reshape(K, h * w)).reshape(-1, h, w)


def of_class(feature_maps: Tensor, weights: Tensor) -> Tensor:
    assert weights.ndim == 1
    return sum(w * f for w, f in zip(weights, feature_maps, strict=True))


def by_mean(feature_maps: Tensor, dense_weights: Tensor) -> Tensor:
    return of_all(feature_maps, dense_weights) / feature_maps.shape[1]


def upside_down(feature_maps: Tensor, dense_weights: Tensor) -> Tensor:
    return of_all(feature_maps, dense_weights).transpose(-2, -1)


def unfinished(feature_maps: Tensor, dense_weights: Tensor) -> Tensor:
    raise NotImplementedError


class OwnCNN(nn.Module):
    """All that maps need."""

    def __init__(self, num_classes: int, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, stride=4)
        self.head = nn.Linear(channels, num_classes)

    def forward_features(self, images: Tensor) -> Tensor:
        return self.conv(images.float() / 255).relu()

    def forward_head(self, maps: Tensor) -> Tensor:
        return self.head(maps.mean((-2, -1)))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


class Headless(OwnCNN):
    def __init__(self, num_classes: int) -> None:
        super().__init__(num_classes)
        self.head = nn.Sequential(self.head)


class Plain(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()


@pytest.mark.parametrize("function", [of_all, of_image, of_class])
def test_maps_of_all_of_an_image_or_of_a_class_are_those_of_ours(
    function: object, caplog: pytest.LogCaptureFixture
) -> None:
    draws = torch.Generator().manual_seed(1)
    features, weights = (torch.randn(*s, generator=draws) for s in ((3, 5, 2, 4), (5, 2)))
    cam = own_cam(f"{HERE}.{function.__name__}")
    torch.testing.assert_close(cam(features, weights), compute_cam(features, weights))
    assert not caplog.text


def test_wrong_maps_are_drawn_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    cam = own_cam(f"{HERE}.by_mean")
    assert "the mean of its maps and the bias are not the logits" in caplog.text
    ones = cam(torch.ones(1, 5, 2, 2), torch.ones(5, 2))
    torch.testing.assert_close(ones, torch.ones(1, 2, 2, 2))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("upside_down", r"gave no maps \(N, C, h, w\).*maps of shape \(2, 6, 5, 4\)"),
        ("unfinished", r"test_plugging_maps.py, line \d+: NotImplementedError$"),
    ],
)
def test_what_gives_no_maps_is_one_clear_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        own_cam(f"{HERE}.{name}")
    assert "\n" not in str(error.value)


def test_predictions_hold_its_maps_and_logits_are_untouched() -> None:
    torch.manual_seed(0)
    net = small(2, channels=(4, 8), kernels=(3, 1))
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    studies = [Study(str(i), Path(str(i)), patient="") for i in range(3)]
    ours, own = (
        predict(net, studies, lambda part: images[part], findings=("Pneumothorax",), cam=cam)
        for cam in (None, lambda features, weights: -compute_cam(features, weights))
    )
    np.testing.assert_allclose(own.cams, -ours.cams)
    np.testing.assert_array_equal(own.probabilities, ours.probabilities)


def test_own_maps_and_an_own_network_go_through_the_whole_training(tmp_path: Path) -> None:
    options = [o for o in QUICK_XRAY if not o.startswith(("net.", "steps", "~callbacks"))]
    named = ["net=student", f"net._target_={HERE}.OwnCNN", "+net.channels=6", "steps=5"]
    config = composed(
        tmp_path / "run", *options, *named, f"cam={HERE}.of_class", "callbacks.evaluation.atlas=2",
        quick=False,
    )  # fmt: skip
    task = make(config.task, loss=None, optimizer=None, scheduler=None)
    images = torch.randint(0, 256, (2, 1, 32, 32))
    logits, maps = class_activation_maps(task.net, images, cam=task.cam)
    torch.testing.assert_close(maps.mean((-2, -1)) + task.net.head.bias, logits)
    train(config)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert "model" in results["test"]
    assert list((tmp_path / "run" / "maps").glob("*.png"))


@pytest.mark.parametrize(
    ("own", "message"),
    [(Plain, "no forward_features: maps need"), (Headless, "its head is Sequential")],
)
def test_a_network_without_what_maps_need_says_what_is_missing(own: type, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made_net(partial(own), 2)
