"""The benchmark's contenders do the same work as ours. Nothing is timed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from dlcourse.splits import TRAIN
from dlcourse.training import build, make
from dlcourse.xray.backbones import torchvision_net
from dlcourse.xray.benchmark import EPOCH
from dlcourse.xray.cam import class_activation_maps, upsample
from dlcourse.xray.rivals import decoded_by_pil, grad_cam, plain_loop
from tests.composing import QUICK_XRAY, composed


@pytest.fixture
def parts(tmp_path: Path) -> tuple:
    """Data, detector and trainer, without dropout, whose masks only ours keys by the step."""
    quick = [o for o in QUICK_XRAY if not o.startswith(("steps", "validate", "~callbacks"))]
    options = [*EPOCH, *quick, "net.dropout=0", "steps=10", "validate_every=10"]
    config = composed(tmp_path / "run", *options, quick=False)
    return *build(config), make(config.trainer)


def test_the_plain_loop_learns_what_the_trainer_learns(parts: tuple) -> None:
    data, detector, trainer = parts
    start = {name: value.clone() for name, value in detector.state_dict().items()}
    plain_loop(detector, data, steps=10)
    looped = {name: value.clone() for name, value in detector.net.state_dict().items()}
    detector.load_state_dict(start)
    trainer.fit(detector, datamodule=data)
    for name, value in detector.net.state_dict().items():
        assert torch.allclose(value.float(), looped[name].float(), atol=1e-6), name
    assert not torch.equal(start["net.head.weight"], looped["head.weight"])


def test_pil_decodes_what_the_cache_holds(parts: tuple) -> None:
    data = parts[0]
    paths = [study.path for study in data.studies(TRAIN)[:4]]
    again = decoded_by_pil(paths, size=data.size).astype(int)
    assert np.abs(again - data.images(TRAIN, slice(0, 4)).astype(int)).max() <= 2


def test_the_peers_maps_are_ours_after_relu_and_scaling() -> None:
    torch.manual_seed(0)
    net = torchvision_net(3, name="resnet18", weights=None).eval()
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    theirs = grad_cam(net, images.float(), classes=[0, 2])  # (N, 2, H, W)
    _, cams = class_activation_maps(net, images)
    ours = functional.relu(cams[:, [0, 2]])
    large = upsample(ours, (64, 64)).numpy()
    for peer, own in zip(theirs.reshape(4, -1), large.reshape(4, -1), strict=True):
        if own.max() > 0:
            assert np.corrcoef(peer, own)[0, 1] > 0.9
