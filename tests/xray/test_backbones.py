"""Other people's networks, cut before the pooling: the same function, finer maps, safe maps."""

import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torchvision import models

from dlcourse.errors import InputError
from dlcourse.training import make
from dlcourse.xray.backbones import chain, timm_net, torchvision_net
from dlcourse.xray.cam import class_activation_maps
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.normalise import ImageNet

NETS = sorted((Path(__file__).resolve().parents[2] / "conf/net").glob("*.yaml"))
OPTIONS = [path for path in NETS if "dlcourse.xray." in path.read_text(encoding="utf-8")]
# One of each way in which a network of torchvision is put together.
CUT = ["convnext_tiny", "efficientnet_b0", "mnasnet0_5", "mobilenet_v3_small", "regnet_x_400mf"]
CUT += ["resnet18", "shufflenet_v2_x0_5"]
FINER = ["alexnet", "mobilenet_v2", "regnet_x_400mf", "resnet18", "resnet50", "shufflenet_v2_x0_5"]
FINER += ["vgg11_bn"]


def radiographs(num: int = 2, size: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (num, 1, size, size), dtype=torch.uint8, generator=generator)


def lively(net: nn.Module) -> nn.Module:
    """Statistics and shifts of batch normalisation that are not those of a network just made."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1, generator=generator)
                layer.running_var.uniform_(0.1, 0.4, generator=generator)
                layer.bias.normal_(0, 0.2, generator=generator)
    return net.eval()


def small_densenet() -> models.DenseNet:
    torch.manual_seed(0)
    return lively(models.DenseNet(4, (2, 2, 2, 2), 8))


@pytest.mark.parametrize("path", OPTIONS, ids=lambda path: path.stem)
def test_every_shipped_network_is_built_without_weights(path: Path) -> None:
    if path.stem == "timm":
        pytest.importorskip("timm")
    config = OmegaConf.load(path)
    assert "weights" in config
    config.weights = None
    net = make(config)(3)
    assert isinstance(net, GapCNN)
    assert net.eval()(radiographs()).shape == (2, 3)
    logits, cams = class_activation_maps(net.eval(), radiographs())
    sums = cams.mean((-2, -1)) + net.head.bias
    assert torch.allclose(sums, logits, atol=1e-5 * max(1.0, float(logits.abs().max())))


def test_the_shipped_networks_are_all_there() -> None:
    found = {path.stem for path in OPTIONS}
    assert found >= {"lab2018", "small", "resnet18", "densenet121", "torchvision", "timm"}


@pytest.mark.parametrize("name", CUT)
def test_cut_and_put_together_again_it_is_torchvisions_network(name: str) -> None:
    torch.manual_seed(0)
    net = lively(models.get_model(name, weights=None))
    head = net.classifier if hasattr(net, "classifier") else net.fc
    images = ImageNet()(radiographs())
    with torch.no_grad():
        means = chain(net)(images).mean((-2, -1))
        means = means[..., None, None] if name.startswith("convnext") else means
        torch.testing.assert_close(head(means), net(images))


def test_densenets_maps_are_after_the_relu_and_stay_so() -> None:
    net, images = small_densenet(), ImageNet()(radiographs())
    with torch.no_grad():
        ours = GapCNN(chain(net), 16, 2, normalise=ImageNet()).eval()
        before_relu = net.features(images)
        maps = ours.forward_features(radiographs())
        kept = maps.clone()
        ours.forward_head(maps)
        assert torch.equal(maps, kept)
        assert torch.equal(ours.forward_features(radiographs()), kept)
        assert before_relu.min() < 0 <= maps.min()
        torch.testing.assert_close(maps, before_relu.clamp(min=0))
        torch.testing.assert_close(net.classifier(maps.mean((-2, -1))), net(images))


@pytest.mark.parametrize("name", [*FINER, "densenet121"])
def test_every_second_cell_of_the_finer_maps_is_one_of_the_coarser(name: str) -> None:
    torch.manual_seed(0)
    coarse = lively(torchvision_net(2, name=name))
    fine = torchvision_net(2, name=name, stride=16).eval()
    fine.load_state_dict(coarse.state_dict())
    images = radiographs(1, 96 if name == "alexnet" else 64)
    with torch.no_grad():
        few, many = coarse.forward_features(images), fine.forward_features(images)
    assert many.shape[-1] >= 2 * few.shape[-1] - 1
    scale = few.abs().max()
    assert scale > 0
    torch.testing.assert_close(many[..., ::2, ::2] / scale, few / scale, atol=1e-5, rtol=0)
    others = many[..., 1::2, 1::2]
    assert (others - few[..., : others.shape[-2], : others.shape[-1]]).abs().max() > 0.01 * scale


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0", "resnet18"])
def test_stride_16_gives_16_x_16_cells_at_256_pixels(name: str) -> None:
    with torch.device("meta"):
        images = torch.empty(1, 1, 256, 256, dtype=torch.uint8)
    for stride, cells in ((32, 8), (16, 16)):
        net = torchvision_net(2, name=name, stride=stride).to("meta").eval()
        assert net.forward_features(images).shape == (1, net.head.in_features, cells, cells)


def test_training_reaches_every_weight_of_a_finer_network() -> None:
    net = torchvision_net(2, name="resnet18", stride=16)
    net(radiographs()).square().sum().backward()
    assert all(parameter.grad.any() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "vit_b_16"}, "vit_b_16: no convolutional network of torchvision: .*densenet121"),
        ({"name": "swin_t"}, "swin_t: no convolutional network"),
        ({"name": "inception_v3"}, "inception_v3: no convolutional network"),
        ({"name": "densenet"}, "densenet: no convolutional network"),
        ({"name": "resnet18", "stride": 8}, "stride=8: resnet18 can have 32 or 16"),
        ({"name": "squeezenet1_1"}, "stride=32: squeezenet1_1 can have 16 or 8"),
        ({"name": "resnet18", "normalise": "grey"}, "normalise=grey"),
        ({"name": "resnet18", "weights": "nih"}, "weights=nih: choose imagenet, a run folder"),
    ],
)
def test_what_cannot_be_had_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        torchvision_net(2, **options)
    assert "\n" not in str(error.value)


def test_timms_network_is_the_same_function() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = lively(timm.create_model("resnet10t", num_classes=2))
    for stride, cells in ((32, 2), (16, 4)):
        ours = timm_net(2, name="resnet10t", stride=stride).eval()
        weights = theirs.state_dict()
        ours.head.load_state_dict(theirs.fc.state_dict())
        ours.backbone.net.load_state_dict(
            {name: weights[name] for name in ours.backbone.net.state_dict()}
        )
        with torch.no_grad():
            assert ours.forward_features(radiographs()).shape == (2, 512, cells, cells)
            if stride == 32:
                torch.testing.assert_close(ours(radiographs()), theirs(ImageNet()(radiographs())))


def test_timm_normalises_as_the_network_was_trained() -> None:
    pytest.importorskip("timm")
    net = timm_net(2, name="tf_efficientnet_lite0")  # 0.5 and 0.5, unlike most
    assert net.normalise(torch.tensor([0, 255]).view(1, 1, 1, 2)).unique().tolist() == [-1, 1]
    usual = timm_net(2, name="resnet10t").normalise
    torch.testing.assert_close(usual(radiographs()), ImageNet()(radiographs()))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet19"}, "timm has no such network; near: .*resnet"),
        ({"name": "vit_tiny_patch16_224"}, "choose a convolutional"),
        ({"name": "swin_s3_tiny_224"}, "choose a convolutional"),
        ({"name": "vgg11", "stride": 16}, "vgg11 of timm only has 32"),
    ],
)
def test_what_timm_cannot_give_is_said(options: dict[str, object], message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(InputError, match=message) as error:
        timm_net(2, **options)
    assert "\n" not in str(error.value)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"pip install 'dlcourse\[timm\]'"):
        timm_net(2, name="resnet10t")
