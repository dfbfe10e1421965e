"""The lab's network to the parameter, the small one, and what activation maps need of both."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dlcourse.errors import InputError
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.own_backbones import lab2018, small

OWN = [lab2018, small]


def radiographs(num: int = 2, size: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (num, 1, size, size), dtype=torch.uint8, generator=generator)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_the_labs_network_has_5145026_parameters() -> None:
    assert sum(parameter.numel() for parameter in lab2018(2).parameters()) == 5_145_026


def test_the_labs_network_against_its_description() -> None:
    """Written from the lab's sheet: pairs of convolutions, sums pooled, mean over space, dense."""
    net, images = lab2018(2).double(), radiographs().double()
    w = [parameter for name, parameter in net.named_parameters() if name.endswith("weight")]
    assert [tuple(kernel.shape[2:]) for kernel in w[:8]] == [(5, 5)] * 4 + [(3, 3)] * 4
    b = [torch.linspace(-1, 1, len(kernel)).double() for kernel in w]
    biases = [parameter for name, parameter in net.named_parameters() if name.endswith("bias")]
    with torch.no_grad():
        for parameter, value in zip(biases, b, strict=True):
            parameter.copy_(value)
    x = (images - images.mean((1, 2, 3), True)) / images.std((1, 2, 3), False, keepdim=True)
    for i in range(0, 8, 2):
        pad = w[i].shape[-1] // 2
        first = functional.relu(functional.conv2d(x, w[i], b[i], padding=pad))
        second = functional.relu(functional.conv2d(first, w[i + 1], b[i + 1], padding=pad))
        x = functional.max_pool2d(first + second, 2)
    torch.testing.assert_close(net.forward_features(images), x)
    logits = x.flatten(2).mean(2) @ w[8].T + b[8]
    torch.testing.assert_close(net(images), logits)


def test_the_labs_initialisation_is_tensorflows() -> None:
    """Glorot: uniform up to sqrt(6 / (fan in + fan out)), which the largest weight is close to."""
    for module in lab2018(2).requires_grad_(False).modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            area = module.weight[0, 0].numel()
            limit = math.sqrt(6 / (area * sum(module.weight.shape[:2])))
            assert 0.97 * limit < module.weight.abs().max() <= limit
            assert module.weight.std() == pytest.approx(limit / math.sqrt(3), rel=0.06)
            assert not module.bias.any()


def test_the_lab_sees_16_x_16_cells_at_256_pixels_and_the_small_net_at_128() -> None:
    small_net = small(2).eval()
    assert small_net.forward_features(radiographs(1, 128)).shape == (1, 96, 16, 16)
    assert sum(parameter.numel() for parameter in small_net.parameters()) == 73218
    lab = lab2018(2).to("meta")
    assert lab.forward_features(radiographs(1, 256).to("meta")).shape == (1, 512, 16, 16)


@pytest.mark.parametrize("make", OWN)
def test_a_logit_is_the_mean_over_cells_of_their_contributions(make: Callable[..., GapCNN]) -> None:
    net, images = make(3).eval(), radiographs()
    with torch.no_grad():
        maps = net.forward_features(images)
        cam = torch.einsum("ck,nkhw->nchw", net.head.weight, maps)
        torch.testing.assert_close(net(images), cam.mean((-2, -1)) + net.head.bias)


@pytest.mark.parametrize("make", OWN)
def test_maps_stay_as_they_are_and_so_do_the_images(make: Callable[..., GapCNN]) -> None:
    net, images = make(2).eval(), radiographs()
    images_before = images.clone()
    maps = net.forward_features(images)
    before = maps.clone()
    net.forward_head(maps)
    assert torch.equal(maps, before)
    assert torch.equal(net.forward_features(images), before)
    assert torch.equal(images, images_before)
    assert maps.min() >= 0 < maps.max()


def test_dropout_is_between_the_means_and_the_head_while_training() -> None:
    net, maps = small(2, dropout=0.5).requires_grad_(False), torch.ones(400, 96, 2, 2)
    assert torch.equal(net.eval().forward_head(maps)[0], net.forward_head(maps)[1])
    net.head.weight.fill_(1.0)
    net.head.bias.zero_()
    sums = net.train().forward_head(maps)[:, 0]  # each of 96 ones is now 0 or 2
    assert sums.mean() == pytest.approx(96, rel=0.02)
    assert sums.std() == pytest.approx(math.sqrt(96), rel=0.15)


def test_the_small_network_learns_to_tell_where_nothing_is() -> None:
    net, generator = (
        small(2, channels=[8, 8, 8], kernels=[3, 3, 3]),
        torch.Generator().manual_seed(2),
    )
    images = torch.randint(100, 156, (32, 1, 32, 32), generator=generator, dtype=torch.uint8)
    targets = torch.arange(32) % 2
    images[targets == 1, :, 8:20, 4:12] = 20
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        functional.cross_entropy(net(images), targets).backward()
        optimizer.step()
    assert (net(images).argmax(1) == targets).all()


def test_the_small_networks_channels_are_an_option() -> None:
    assert small(2, channels=[4, 5], kernels=[3, 1]).forward_features(radiographs()).shape == (
        2,
        5,
        16,
        16,
    )
    with pytest.raises(InputError, match=r"net\.channels"):
        small(2, channels=[])


def test_the_small_networks_maps_lie_where_the_image_is() -> None:
    """With turned weights a turned image has turned maps: no cell looks half a pixel aside."""
    net = small(2).eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_((module.weight + module.weight.flip((-2, -1))) / 2)
    images = radiographs(2, 64)
    with torch.inference_mode():
        turned = net.forward_features(images.flip((-2, -1)))
        maps = net.forward_features(images)
    assert maps.std() > 0
    assert torch.allclose(turned, maps.flip((-2, -1)), atol=1e-4)


@pytest.mark.parametrize("kernels", [[3], [3, 2], [3, 1, 1]])
def test_every_pair_of_convolutions_needs_an_odd_kernel(kernels: list[int]) -> None:
    with pytest.raises(InputError, match="one odd kernel for each pair"):
        small(2, channels=[4, 5], kernels=kernels)
