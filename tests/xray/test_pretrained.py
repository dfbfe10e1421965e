"""Weights from elsewhere: all arrive and compute the same, or one line says what is wrong."""

import hashlib
import io
import logging
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from dlcourse.errors import InputError
from dlcourse.xray.backbones import chain, timm_net, torchvision_net
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.normalise import Fixed, ImageNet, Standardise, normaliser
from dlcourse.xray.own_backbones import lab2018, small
from dlcourse.xray.pretrained import load_pretrained
from tests.serving import serving

IMAGES = torch.randint(
    0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
)
Weights = dict[str, Tensor]


def densenet(num_classes: int = 2, *, seed: int = 0) -> models.DenseNet:
    """DenseNet-121 in small, with statistics that a mistaken load would change."""
    torch.manual_seed(seed)
    net = models.DenseNet(4, (2, 2, 2, 2), 8, num_classes=num_classes).eval()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return net


def wrapped(num_classes: int = 2, *, seed: int = 9, normalise: nn.Module | None = None) -> GapCNN:
    backbone = chain(densenet(seed=seed))
    return GapCNN(backbone, 16, num_classes, normalise=normalise or ImageNet()).eval()


def as_in_2018(weights: Weights, *, head: str = "classifier.0.") -> Weights:
    """As CheXNet's reproductions saved it: wrapped twice, dotted names, no counters."""
    old = {}
    for name, tensor in weights.items():
        for layer in ("norm", "conv"):
            for number in "12":
                name = name.replace(f".{layer}{number}.", f".{layer}.{number}.")
        if not name.endswith("num_batches_tracked"):
            old["module.densenet121." + name.replace("classifier.", head)] = tensor
    assert any(".norm.1.weight" in name for name in old)
    return old


def saved(content: object, path: Path, **options: object) -> str:
    torch.save(content, path, **options)
    return str(path)


@pytest.mark.parametrize("zipped", [True, False], ids=["today's format", "the .tar of 2018"])
@pytest.mark.parametrize("num_classes", [2, 14])
def test_a_checkpoint_of_2018_computes_what_it_did(
    tmp_path: Path, num_classes: int, zipped: bool
) -> None:
    theirs, ours = densenet(num_classes), wrapped(num_classes)
    content = {"epoch": 3, "state_dict": as_in_2018(theirs.state_dict()), "best_loss": 0.5}
    content["best_auroc"] = np.float64(0.84)
    path = saved(content, tmp_path / "m.pth.tar", _use_new_zipfile_serialization=zipped)
    if not zipped:  # a number of NumPy, under the name that it had before NumPy 2
        old = Path(path).read_bytes().replace(b"numpy._core.multi", b"numpy.core.multi")
        Path(path).write_bytes(old)
    loaded = load_pretrained(ours, path)
    assert loaded.head
    assert not loaded.left
    assert loaded.tensors == len(content["state_dict"])
    torch.testing.assert_close(ours(IMAGES), theirs(ImageNet()(IMAGES)))


def test_a_head_of_another_shape_stays_new_and_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs, ours = densenet(14), wrapped(2)
    head = ours.head.weight.clone()
    path = saved(as_in_2018(theirs.state_dict()), tmp_path / "m.pth")
    with caplog.at_level(logging.INFO):
        loaded = load_pretrained(ours, path)
    assert not loaded.head
    assert [line.partition(":")[0] for line in loaded.left] == [
        "classifier.0.weight (14, 16)",
        "classifier.0.bias (14,)",
    ]
    assert "2 x 16" in loaded.left[0]
    assert str(loaded) in caplog.text
    assert torch.equal(ours.head.weight, head)
    means = theirs.features(ImageNet()(IMAGES)).relu().mean((-2, -1))
    torch.testing.assert_close(ours.forward_features(IMAGES).mean((-2, -1)), means)


def dropped(weights: Weights) -> None:
    del weights["features.denseblock2.denselayer1.norm1.bias"]


def added(weights: Weights) -> None:
    weights["features.denseblock9.weight"] = torch.zeros(1)
    weights["more"] = torch.zeros(1)


def misshapen(weights: Weights) -> None:
    weights["features.norm5.weight"] = torch.zeros(17)


def doubled(weights: Weights) -> None:
    weights["module.features.norm5.weight"] = torch.zeros(16)


def no_tensor(weights: Weights) -> None:
    weights["features.norm5.weight"] = "lost"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dropped, r"another network: features\.denseblock2\.\S*norm1\.bias is missing \(1 in all"),
        (added, r"features\.denseblock9\.weight is not in this network \(2 in all\)"),
        (misshapen, r"features\.norm5\.weight has shape \(17,\), here \(16,\) \(1 in all\)"),
        (doubled, "holds several networks"),
        (no_tensor, r"'features\.norm5\.weight' is no plain tensor"),
        (dict.clear, "holds no weights"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(
    tmp_path: Path, change: Callable[[Weights], None], message: str
) -> None:
    weights, ours = dict(densenet().state_dict()), wrapped()
    change(weights)
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    path = saved(weights, tmp_path / "m.pth")
    with pytest.raises(InputError, match=message) as error:
        load_pretrained(ours, path)
    assert str(error.value).startswith(path)
    assert "\n" not in str(error.value)
    assert all(torch.equal(before[name], t) for name, t in ours.state_dict().items())


def test_every_single_tensor_of_the_backbone_matters(tmp_path: Path) -> None:
    full = dict(densenet().state_dict())
    for name in full:
        if not name.endswith("num_batches_tracked") and not name.startswith("classifier."):
            path = saved({k: t for k, t in full.items() if k != name}, tmp_path / "m.pth")
            with pytest.raises(InputError, match=f"{name} is missing"):
                load_pretrained(wrapped(), path)


class Malicious:
    """A pickle that makes a file when it is opened carelessly."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, (f"open({str(self.victim)!r}, 'w').close()",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused_unrun(tmp_path: Path, zipped: bool) -> None:
    victim = tmp_path / "owned"
    content = {"state_dict": densenet().state_dict(), "best_loss": Malicious(victim)}
    path = saved(content, tmp_path / "m.tar", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="exec, which could run code") as error:
        load_pretrained(wrapped(), path)
    assert "\n" not in str(error.value)
    assert not victim.exists()
    torch.load(path, weights_only=False)  # it is armed
    assert victim.exists()


def test_a_pickled_network_is_refused_with_advice(tmp_path: Path) -> None:
    path = saved({"model": densenet()}, tmp_path / "checkpoint")
    with pytest.raises(InputError, match=r"DenseNet, which could run code.*state_dict\(\)"):
        load_pretrained(wrapped(), path)


@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps({"a": 1}), b"PK\x03\x04cut"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load_pretrained(wrapped(), str(path))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)
    assert "In PyTorch 2.6" not in str(error.value)


def test_a_name_that_is_nothing_lists_what_there_is() -> None:
    with pytest.raises(InputError, match="weights=nowhere: choose a run folder, a file or null"):
        small(2, weights="nowhere")
    with pytest.raises(InputError, match="choose imagenet, nih, a run folder"):
        torchvision_net(2, name="densenet121", weights="nowhere")


def run_folder(folder: Path, net: GapCNN) -> str:
    """What a training leaves: see `runs`."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra/config.yaml").write_text("seed: 0\n")
    (folder / "checkpoints").mkdir()
    weights = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    weights["loss.weight"] = torch.ones(2)
    saved({"state_dict": weights, "epoch": 1}, folder / "checkpoints/best.ckpt")
    return str(folder)


@pytest.mark.parametrize("make", [lab2018, small])
def test_a_run_goes_on_in_another_network(tmp_path: Path, make: Callable[..., GapCNN]) -> None:
    torch.manual_seed(0)
    there = make(2).eval()
    folder = run_folder(tmp_path / "run", there)
    assert torch.equal(make(2, weights=folder).eval()(IMAGES), there(IMAGES))
    bare = saved(there.state_dict(), tmp_path / "net.pth")
    assert torch.equal(make(2, weights=bare).eval()(IMAGES), there(IMAGES))
    other = make(3, weights=f"{folder}/checkpoints/best.ckpt").eval()
    assert torch.equal(other.forward_features(IMAGES), there.forward_features(IMAGES))
    with pytest.raises(InputError, match="weights of another network"):
        (small if make is lab2018 else lab2018)(2, weights=folder)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        (ImageNet(), Standardise(channels=3)),
        (Standardise(channels=3), ImageNet()),
        (Fixed(100, channels=3), Fixed(channels=3)),
    ],
)
def test_a_run_on_images_normalised_otherwise_is_refused(
    tmp_path: Path, there: nn.Module, here: nn.Module
) -> None:
    folder = run_folder(tmp_path, wrapped(normalise=there))
    with pytest.raises(InputError, match=r"normalised otherwise: set net\.normalise"):
        load_pretrained(wrapped(normalise=here), folder)
    assert load_pretrained(wrapped(normalise=there), folder).head


def test_an_unfinished_run_is_an_error(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, wrapped())
    (tmp_path / "checkpoints/best.ckpt").unlink()
    with pytest.raises(InputError, match="no such checkpoint"):
        load_pretrained(wrapped(), folder)


def grey_densenet() -> models.DenseNet:
    theirs = densenet(18)
    stem = theirs.features.conv0
    theirs.features.conv0 = nn.Conv2d(1, 8, 7, stride=2, padding=3, bias=False)
    theirs.features.conv0.weight = nn.Parameter(stem.weight.sum(1, keepdim=True))
    return theirs


def test_a_stem_that_reads_grey_becomes_one_for_three_equal_channels(tmp_path: Path) -> None:
    theirs, ours = grey_densenet(), wrapped(normalise=normaliser("xrv", channels=3))
    path = saved(theirs.state_dict(), tmp_path / "m.pth")
    load_pretrained(ours, path)
    means = theirs.features(normaliser("xrv", channels=1)(IMAGES)).relu().mean((-2, -1))
    found = ours.forward_features(IMAGES).mean((-2, -1))
    torch.testing.assert_close(found, means, rtol=1e-4, atol=1e-3)
    with pytest.raises(InputError, match=r"conv0\.weight has shape \(8, 1.*net\.normalise=image"):
        load_pretrained(wrapped(), path)


def published_at(monkeypatch: pytest.MonkeyPatch, hub: Path, url: str) -> Path:
    """Pretend that torchvision's weights are at another address; where they are kept."""
    weights = SimpleNamespace(DEFAULT=SimpleNamespace(url=url))
    monkeypatch.setattr(models, "get_model_weights", lambda name: weights)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(hub))
    return hub / "checkpoints" / url.rpartition("/")[2]


def test_imagenet_weights_are_fetched_once_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    theirs = models.shufflenet_v2_x0_5(num_classes=5).eval()
    content = io.BytesIO()
    torch.save(theirs.state_dict(), content)
    whole = content.getvalue()
    digits = hashlib.sha256(whole).hexdigest()[:8]
    files = {f"/net-{digits}.pth": whole, "/net-00000000.pth": whole}
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(files) as server:
        options = {"name": "shufflenet_v2_x0_5", "weights": "imagenet"}
        kept = published_at(monkeypatch, tmp_path / "hub", f"{server.url}/net-00000000.pth")
        with pytest.raises(InputError, match=r"wrong content: sha256 .* what came was removed"):
            torchvision_net(2, **options)
        assert not kept.exists()
        kept = published_at(monkeypatch, tmp_path / "hub", f"{server.url}/net-{digits}.pth")
        server.forget()
        for _ in range(2):
            ours = torchvision_net(2, **options).eval()
            means = chain(theirs)(ImageNet()(IMAGES)).mean((-2, -1))
            torch.testing.assert_close(ours.forward_features(IMAGES).mean((-2, -1)), means)
        assert len(server.asked) == 1
    kept.write_bytes(whole[:9000] + bytes([whole[9000] ^ 64]) + whole[9001:])
    with pytest.raises(InputError, match=r"wrong content: sha256 .* move it away"):
        torchvision_net(2, **options)


def test_offline_it_says_where_to_put_which_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:9/models/resnet18-f37072fd.pth"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    kept = published_at(monkeypatch, tmp_path / "hub", url)
    with pytest.raises(InputError) as error:
        torchvision_net(2, name="resnet18", weights="imagenet")
    assert "cannot be reached (Connection refused)" in str(error.value)
    assert url in str(error.value)
    assert f"net.weights=imagenet: put the file at {kept}" in str(error.value)
    assert "\n" not in str(error.value)


def test_timms_weights_go_through_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    create, made = timm.create_model, []

    def pretrained(name: str, *, pretrained: bool, **options: object) -> nn.Module:
        net = create(name, pretrained=False, **options)
        made.extend([net] if pretrained else [])
        return net

    monkeypatch.setattr(timm, "create_model", pretrained)
    ours = timm_net(2, name="resnet10t", weights="imagenet", stride=16).eval()
    for name, tensor in made[0].state_dict().items():
        assert torch.equal(ours.backbone.net.state_dict()[name], tensor)

    def offline(name: str, *, pretrained: bool, **options: object) -> nn.Module:
        if pretrained:
            raise OSError("offline\nhint")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InputError, match=r"http\S+ cannot be had \(offline\)") as error:
        timm_net(2, name="resnet10t", weights="imagenet")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("zipped", [True, False], ids=["today's format", "that of 2020"])
def test_torchxrayvisions_network_computes_the_same_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    torch.manual_seed(0)
    theirs = models.densenet121(num_classes=18).eval()
    theirs.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    theirs.register_buffer("op_threshs", torch.zeros(18))
    saved(theirs, tmp_path / "nih.pt", _use_new_zipfile_serialization=zipped)
    package = SimpleNamespace(
        models=SimpleNamespace(
            model_urls={"densenet121-res224-nih": {"weights_url": "https://localhost/nih.pt"}}
        ),
        utils=SimpleNamespace(get_cache_dir=lambda: f"{tmp_path}/"),
    )
    monkeypatch.setitem(sys.modules, "torchxrayvision", package)
    ours = torchvision_net(2, name="densenet121", weights="nih", normalise="xrv").eval()
    grey = (2 * (IMAGES / 255) - 1) * 1024  # as the package normalises
    with torch.no_grad():
        expected = theirs.features(grey).relu()
        found = ours.forward_features(IMAGES)
    torch.testing.assert_close(found / expected.max(), expected / expected.max())
    with pytest.raises(InputError, match=r"weights=nih.*net\.normalise=xrv"):
        torchvision_net(2, name="densenet121", weights="nih")
    monkeypatch.setitem(sys.modules, "torchxrayvision", None)
    with pytest.raises(InputError, match=r"pip install 'dlcourse\[xrv\]'"):
        torchvision_net(2, name="densenet121", weights="nih", normalise="xrv")
