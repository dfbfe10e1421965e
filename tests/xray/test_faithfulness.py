"""Maps that tell where the network looks, and what it learnt, pass; others do not."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcourse.xray.cam import class_activation_maps, evidence
from dlcourse.xray.faithfulness import pixel_order_areas
from dlcourse.xray.model_randomisation import (
    cascade,
    layers_from_head,
    randomisation_check,
    spearman,
)
from tests.xray.tiny_gap import TinyGap, random_images


class Brightness(nn.Module):
    """Log-odds: the mean grey value of every image, from -5 for black to 5 for white."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(1, 2)
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([[0.0], [10 / 255]]))
            self.head.bias.copy_(torch.tensor([0.0, -5.0]))

    def forward_features(self, images: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(images.float(), 4)

    def forward_head(self, maps: Tensor) -> Tensor:
        return self.head(maps.mean((-2, -1)))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))


def white_corner(count: int = 3) -> Tensor:
    """Black, but for a quarter of every image."""
    images = torch.zeros(count, 1, 16, 16)
    images[:, :, :8, :8] = 255
    return images


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def evidence_of(net: nn.Module, images: Tensor) -> Tensor:
    return evidence(class_activation_maps(net, images)[1])


def test_areas_of_a_network_that_adds_up_pixels_against_a_loop() -> None:
    """Pixel by pixel in the order of the map, replaced by the mean; areas by the trapezoid rule."""
    net, image = Brightness(), random_images(1, 6, seed=3).float()
    values = torch.randn(1, 6, 6, generator=generator())
    found = pixel_order_areas(
        net, image, values, generator=generator(), steps=36, replacement="mean"
    )
    order = np.argsort(-values.numpy().ravel(), kind="stable")
    deleted = image.numpy().ravel().astype(float)
    inserted = np.full(36, deleted.mean())
    curves: list[list[float]] = [[], []]
    for place in [None, *order]:
        if place is not None:
            deleted[place], inserted[place] = inserted[place], deleted[place]
        for curve, pixels in zip(curves, (deleted, inserted), strict=True):
            # The network pools blocks of 4 x 4 pixels and leaves the rest out.
            mean = pixels.reshape(6, 6)[:4, :4].mean()
            curve.append(1 / (1 + np.exp(5 - mean * 10 / 255)))
    areas = [np.mean([(a + b) / 2 for a, b in zip(c[1:], c[:-1], strict=True)]) for c in curves]
    np.testing.assert_allclose([found.deletion[0], found.insertion[0]], areas, atol=1e-5)


@pytest.mark.parametrize("replacement", ["mean", "blur"])
def test_the_true_map_deletes_faster_and_inserts_faster_than_chance_and_than_its_opposite(
    replacement: str,
) -> None:
    class Peak(Brightness):
        """Bright cells count more than in proportion: an image's mean alone says little."""

        def forward_features(self, images: Tensor) -> Tensor:
            return 4 * super().forward_features(images).pow(2) / 255

    net, images = Peak(), white_corner()
    maps = evidence_of(net, images)
    options = {"replacement": replacement, "steps": 16}
    right = pixel_order_areas(net, images, maps, generator=generator(), **options)
    wrong = pixel_order_areas(net, images, -maps, generator=generator(), **options)
    for areas in (right, wrong):
        assert all(values.shape == (3,) for values in vars(areas).values())
        assert (areas.random_deletion > right.deletion).all()
        assert (areas.random_insertion < right.insertion).all()
    assert (wrong.deletion > wrong.random_deletion).all()
    assert (wrong.insertion < wrong.random_insertion).all()
    assert (right.random_deletion == wrong.random_deletion).all(), "the generator decides alone"


def test_areas_need_a_known_replacement_and_leave_the_network_as_it_was() -> None:
    net, images = TinyGap(3).train(), random_images(2, 16)
    maps = class_activation_maps(net, images)[1][:, 2]
    areas = pixel_order_areas(net, images, maps, generator=generator(), finding=2, steps=4)
    assert net.training
    # A map ranks the same at any scale.
    scaled = pixel_order_areas(net, images, 9 * maps, generator=generator(), finding=2, steps=4)
    np.testing.assert_allclose(areas.deletion, scaled.deletion, atol=1e-6)
    with pytest.raises(ValueError, match="replacement='black': one of"):
        pixel_order_areas(net, images, maps, generator=generator(), replacement="black")


@settings(max_examples=60)
@given(seed=st.integers(0, 999), levels=st.integers(2, 40), size=st.integers(2, 30))
def test_the_rank_correlation_is_that_of_scipy(seed: int, levels: int, size: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    a, b = np.random.default_rng(seed).integers(0, levels, (2, size)).astype(float)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert math.isnan(spearman(a, b))
        return
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert spearman(a.reshape(1, -1), np.exp(a)) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)


def test_layers_are_made_random_from_the_head_down_and_stay_so() -> None:
    net = TinyGap()
    assert layers_from_head(net) == ["head", "backbone.3", "backbone.1", "backbone.0"]
    before, state = copy.deepcopy(net.state_dict()), torch.random.get_rng_state()
    net.backbone[1].running_mean += 1
    before["backbone.1.running_mean"] += 1
    heads = []
    for count, random in zip((1, 2, 4), cascade(net, (1, 2, 4), seed=0), strict=True):
        for place, name in enumerate(layers_from_head(net)):
            same = [
                torch.equal(value, before[f"{name}.{key}"])
                for key, value in random.get_submodule(name).state_dict().items()
            ]
            assert all(same) == (place >= count), name
        heads.append(random.head.weight.clone())
    assert torch.equal(heads[0], heads[2])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_parameters_outside_of_known_layers_are_shuffled() -> None:
    net = TinyGap()
    net.scale = nn.Module()
    net.scale.values = nn.Parameter(torch.arange(50.0).view(5, 10))
    (random,) = cascade(net, [5], seed=0)
    assert layers_from_head(net)[1] == "scale"
    assert not torch.equal(random.scale.values, net.scale.values)
    assert torch.equal(random.scale.values.flatten().sort()[0], torch.arange(50.0))


def test_maps_of_a_random_network_have_nothing_in_common_with_the_trained_ones() -> None:
    net, images = TinyGap(num_features=12, stride=2), random_images(6, 24)
    found = randomisation_check(net, images, seed=0, stages=4, repeats=40)
    assert [(stage.layers, stage.down_to) for stage in found] == [
        (1, "head"),
        (2, "backbone.3"),
        (3, "backbone.1"),
        (4, "backbone.0"),
    ]
    # The sign of one random network is chance: the mean over 40 has a standard error.
    for stage in found:
        assert abs(stage.correlation) < 4 * stage.spread / 40**0.5
    assert abs(found[-1].correlation) < 0.1
    assert found == randomisation_check(net, images, seed=0, stages=4, repeats=40)
    assert found != randomisation_check(net, images, seed=1, stages=4, repeats=40)


def test_a_map_of_the_image_alone_is_found_out() -> None:
    """A network of which only the head's sign was learnt: its maps are the image, or its negative.

    The correlation of every copy is 1 or -1, which the spread shows.
    """
    found = randomisation_check(Brightness(), white_corner(), seed=0, stages=3, repeats=10)
    assert [stage.down_to for stage in found] == ["head"]
    assert found[0].correlation ** 2 + found[0].spread ** 2 == pytest.approx(1)
