"""One file gives the logits and the maps that the network gives, for any number of images."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.xray.cam import class_activation_maps
from dlcourse.xray.export import WithMaps, export
from tests.xray.tiny_gap import TinyGap, random_images

SIZE = 16
DTYPES = [torch.uint8, torch.float32]


def assert_same(found: tuple, net: TinyGap, images: Tensor) -> None:
    for theirs, ours in zip(found, class_activation_maps(net, images), strict=True):
        np.testing.assert_allclose(np.asarray(theirs), ours.numpy(), rtol=0, atol=1e-5)


def trained() -> TinyGap:
    """In training mode, and with running statistics that are not those of the beginning."""
    net = TinyGap(3).train()
    net(random_images(8, SIZE, seed=1))
    return net


def test_with_maps_is_one_graph_of_logits_and_maps_that_can_be_trained() -> None:
    net = TinyGap(3).eval()
    logits, maps = WithMaps(net)(random_images(2, SIZE))
    assert_same((logits.detach(), maps.detach()), net, random_images(2, SIZE))
    maps.square().mean().backward()
    assert net.head.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_pt2_file_agrees_for_any_number_of_images(tmp_path: Path, dtype: torch.dtype) -> None:
    net = trained()
    export(WithMaps(net), tmp_path / "net.pt2", size=SIZE, dtype=dtype)
    assert net.training
    loaded = torch.export.load(tmp_path / "net.pt2").module()
    for count in (1, 2, 5):
        images = random_images(count, SIZE, seed=count).to(dtype)
        assert_same([part.detach() for part in loaded(images)], net, images)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_onnx_file_agrees_for_any_number_of_images(tmp_path: Path, dtype: torch.dtype) -> None:
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    onnxruntime = pytest.importorskip("onnxruntime")
    net = trained()
    export(WithMaps(net), tmp_path / "net.onnx", size=SIZE, dtype=dtype)
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"], "weights are inside"
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    assert [part.name for part in session.get_inputs()] == ["images"]
    assert [part.name for part in session.get_outputs()] == ["logits", "maps"]
    for count in (1, 2, 5):
        images = random_images(count, SIZE, seed=count).to(dtype)
        assert_same(session.run(None, {"images": images.numpy()}), net, images)


def test_what_cannot_be_exported_is_an_error_in_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"cannot export to '.pth': choose .pt2 or .onnx"):
        export(WithMaps(TinyGap()), tmp_path / "net.pth", size=SIZE)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"pip install -e '.\[onnx\]'"):
        export(WithMaps(TinyGap()), tmp_path / "net.onnx", size=SIZE)
    assert not list(tmp_path.iterdir())
