"""What the networks see: against NumPy, other libraries' formulas, and what must not matter."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torchvision.transforms.functional import normalize

from dlcourse.errors import InputError
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.normalise import Fixed, ImageNet, Standardise, normaliser
from dlcourse.xray.own_backbones import lab2018

GREY = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 17), dtype=np.uint8)
IMAGES = torch.from_numpy(GREY)
ALL = [Standardise(), Standardise(channels=3), Fixed(), Fixed(100, 20, channels=3), ImageNet()]


@given(
    hnp.arrays(
        np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 255)
    )
)
def test_standardise_is_tensorflows_per_image_standardization(image: np.ndarray) -> None:
    values = image.astype(np.float64)
    expected = (values - values.mean()) / max(values.std(), 1 / np.sqrt(values.size))
    standardised = Standardise()(torch.from_numpy(image)[None, None]).numpy()[0, 0]
    np.testing.assert_allclose(standardised, expected, atol=2e-4)


def test_a_blank_image_is_zero_and_others_of_the_batch_do_not_matter() -> None:
    blank = torch.full((1, 1, 20, 17), 200, dtype=torch.uint8)
    together = Standardise()(torch.cat([blank, IMAGES]))
    assert not together[0].any()
    torch.testing.assert_close(together[1:], Standardise()(IMAGES))


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.0), (1.0, 55.0), (2.0, -70.0)])
def test_brightness_and_contrast_do_not_change_standardised_logits(a: float, b: float) -> None:
    torch.manual_seed(0)
    net, images = lab2018(2).double().eval(), IMAGES.double()
    torch.testing.assert_close(net(a * images + b), net(images))
    fixed = lab2018(2, normalise="fixed").double().eval()
    assert (fixed(a * images + b) - fixed(images)).abs().max() > 1e-3


def test_fixed_is_the_same_for_all_images_and_xrv_is_torchxrayvisions() -> None:
    torch.testing.assert_close(Fixed(100, 20)(IMAGES), (IMAGES.float() - 100) / 20)
    theirs = (2 * (GREY.astype(np.float32) / 255) - 1.0) * 1024
    ours = normaliser("xrv", channels=1)
    torch.testing.assert_close(ours(IMAGES), torch.from_numpy(theirs), atol=1e-3, rtol=0)
    ends = ours(torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2))
    torch.testing.assert_close(ends.flatten(), torch.tensor([-1024.0, 1024.0]))


def test_imagenet_is_torchvisions_normalisation_of_three_equal_channels() -> None:
    weights_say = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    colour = IMAGES.repeat(1, 3, 1, 1) / 255
    torch.testing.assert_close(ImageNet()(IMAGES), normalize(colour, *weights_say))


def test_a_colour_stem_on_grey_is_a_grey_stem_with_summed_kernels() -> None:
    torch.manual_seed(0)
    stem = nn.Conv2d(3, 8, 5, stride=2, padding=2, bias=False).double()
    images, layer = IMAGES.double(), ImageNet().double()
    scaled = stem.weight / layer.std  # (8, 3, 5, 5): each channel's kernel, in grey values

    def grey(pictures: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        return nn.functional.conv2d(pictures, kernels.sum(1, keepdim=True), stride=2, padding=2)

    expected = grey(images, scaled) - grey(torch.ones_like(images), scaled * layer.mean)
    torch.testing.assert_close(stem(layer(images)), expected)
    alike = Fixed(channels=3).double()
    torch.testing.assert_close(stem(alike(images)), grey(alike(images)[:, :1], stem.weight))


@pytest.mark.parametrize("layer", ALL)
def test_whole_numbers_and_floating_point_are_the_same_image(layer: nn.Module) -> None:
    kept = IMAGES.clone()
    torch.testing.assert_close(layer(IMAGES), layer(IMAGES.float()), rtol=0, atol=0)
    assert layer(IMAGES).shape == (3, layer.channels, 20, 17)
    assert torch.equal(IMAGES, kept)


def test_what_a_fixed_normalisation_subtracts_travels_with_the_weights() -> None:
    there = GapCNN(nn.Identity(), 1, 2, normalise=Fixed(10, 3))
    here = GapCNN(nn.Identity(), 1, 2, normalise=Fixed())
    here.load_state_dict(there.state_dict())
    torch.testing.assert_close(here(IMAGES), there(IMAGES))


@pytest.mark.parametrize(("name", "channels"), [("imagenet", 1), ("per_image", 3), ("", 1)])
def test_another_name_is_an_error_that_lists_the_allowed(name: str, channels: int) -> None:
    with pytest.raises(InputError, match=f"normalise={name}: this network takes image, fixed, xrv"):
        normaliser(name, channels=channels)
    with pytest.raises(InputError, match=r"std=0.*above 0"):
        Fixed(0, 0)
