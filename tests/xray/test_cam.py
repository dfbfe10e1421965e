"""Maps add up to the logits, and are what Grad-CAM finds by gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcourse.xray.cam import (
    class_activation_maps,
    compute_cam,
    evidence,
    extract_features_weights,
    upsample,
)
from tests.xray.tiny_gap import TinyGap, random_images


@settings(max_examples=40)
@given(
    count=st.integers(1, 5),
    classes=st.integers(1, 14),
    features=st.integers(1, 9),
    size=st.tuples(st.integers(4, 21), st.integers(4, 21)),
    stride=st.integers(1, 4),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    training=st.booleans(),
)
def test_the_mean_of_a_map_and_the_bias_are_the_logit(
    count: int,
    classes: int,
    features: int,
    size: tuple[int, int],
    stride: int,
    dtype: torch.dtype,
    training: bool,
) -> None:
    net = TinyGap(classes, num_features=features, stride=stride).to(dtype).train(training)
    images = random_images(count, *size)
    logits, cams = class_activation_maps(net, images)
    feature_maps, weights, bias = extract_features_weights(net, images)
    assert cams.shape == (count, classes, *feature_maps.shape[-2:])
    for maps in (cams, compute_cam(feature_maps, weights)):
        torch.testing.assert_close(maps.mean((-2, -1)) + bias, logits, rtol=0, atol=1e-5)
    # Without dropout and with running statistics, whatever mode the network was in before.
    torch.testing.assert_close(logits, net.eval()(images), rtol=0, atol=1e-6)


def test_a_map_is_the_weighted_sum_of_the_feature_maps_of_equation_2() -> None:
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(3, 4, 2, 5)), rng.normal(size=(4, 6))
    expected = np.zeros((3, 6, 2, 5))
    for n, c, k in np.ndindex(3, 6, 4):
        expected[n, c] += weights[k, c] * features[n, k]
    cams = compute_cam(torch.from_numpy(features), torch.from_numpy(weights))
    np.testing.assert_allclose(cams.numpy(), expected, atol=1e-12)


def test_an_image_has_the_same_map_alone_as_in_a_batch() -> None:
    net, images = TinyGap(3), random_images(4, 20)
    _, together = class_activation_maps(net, images)
    for i in range(4):
        _, alone = class_activation_maps(net, images[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=0, atol=1e-6)


def test_every_layer_gets_its_own_mode_back_also_after_an_error() -> None:
    net = TinyGap().train()
    net.backbone[1].eval()  # a frozen batch normalisation
    before, running = [m.training for m in net.modules()], net.backbone[1].running_mean.clone()
    class_activation_maps(net, random_images(2, 8))
    extract_features_weights(net, random_images(2, 8))
    with pytest.raises(RuntimeError):
        class_activation_maps(net, torch.zeros(2, 3, 8, 8))
    assert [m.training for m in net.modules()] == before
    assert torch.equal(net.backbone[1].running_mean, running)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_the_evidence_of_two_classes_sums_to_the_log_odds_of_their_softmax() -> None:
    net = TinyGap(2)
    logits, cams = class_activation_maps(net, random_images(3, 16))
    probability = logits.softmax(-1)[:, 1].double()
    odds = (probability / (1 - probability)).log()
    bias = (net.head.bias[1] - net.head.bias[0]).detach()
    for found in (evidence(cams).mean((-2, -1)) + bias, evidence(logits)):
        torch.testing.assert_close(found.double(), odds, rtol=0, atol=1e-5)


def test_the_evidence_of_one_of_several_findings_is_its_own_map() -> None:
    logits, cams = class_activation_maps(TinyGap(14), random_images(3, 16))
    assert torch.equal(evidence(cams, finding=7), cams[:, 7])
    assert torch.equal(evidence(logits, finding=7), logits[:, 7])


def bilinear(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Written from the definition: the middles of the cells are at (i + 0.5) / h."""
    out = np.empty(size)
    for i, j in np.ndindex(*size):
        places = []
        for at, cells, pixels in ((i, values.shape[0], size[0]), (j, values.shape[1], size[1])):
            place = np.clip((at + 0.5) * cells / pixels - 0.5, 0, cells - 1)
            low = min(int(place), max(cells - 2, 0))
            places.append((low, min(low + 1, cells - 1), place - low))
        (top, bottom, y), (left, right, x) = places
        out[i, j] = (1 - y) * ((1 - x) * values[top, left] + x * values[top, right]) + y * (
            (1 - x) * values[bottom, left] + x * values[bottom, right]
        )
    return out


@settings(max_examples=25)
@given(
    cells=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    more=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    seed=st.integers(0, 9),
)
def test_upsampling_is_bilinear_between_the_middles_of_the_cells(
    cells: tuple[int, int], more: tuple[int, int], seed: int
) -> None:
    maps = np.random.default_rng(seed).normal(size=(2, 3, *cells))
    size = (cells[0] + more[0], cells[1] + more[1])
    large = upsample(torch.from_numpy(maps), size).numpy()
    for n, c in np.ndindex(2, 3):
        np.testing.assert_allclose(large[n, c], bilinear(maps[n, c], size), atol=1e-12)


@pytest.mark.parametrize(("cells", "size"), [(7, 224), (8, 256), (16, 512), (7, 35), (1, 9)])
def test_upsampling_to_a_multiple_of_the_grid_keeps_the_mean(cells: int, size: int) -> None:
    maps = torch.randn(2, 3, cells, cells, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(upsample(maps, size).mean((-2, -1)), maps.mean((-2, -1)))


def grad_cam(net: nn.Module, images: Tensor, target: int) -> Tensor:
    """Selvaraju et al., ICCV 2017, equations 1 and 2, before the ReLU."""
    maps = net.eval().forward_features(images).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(net.forward_head(maps)[:, target].sum(), maps)
    return (gradient.mean((-2, -1), keepdim=True) * maps).sum(dim=1).detach()


@pytest.mark.parametrize("classes", [2, 14])
def test_grad_cam_is_the_map_over_the_number_of_cells(classes: int) -> None:
    net, images = TinyGap(classes), random_images(3, 24, 32)
    _, cams = class_activation_maps(net, images)
    cells = cams.shape[-2] * cams.shape[-1]
    for target in range(classes):
        found = grad_cam(net, images, target) * cells
        torch.testing.assert_close(found, cams[:, target], rtol=1e-5, atol=1e-6)


def test_pytorch_grad_cam_agrees_as_far_as_it_shows() -> None:
    """It takes the ReLU, stretches each image to 0..1 and resizes: here to the same size."""
    library = pytest.importorskip("pytorch_grad_cam")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    net, images = TinyGap(4, stride=1).eval(), random_images(3, 12).float()
    _, cams = class_activation_maps(net, images)
    shown = 0
    with library.GradCAM(model=net, target_layers=[net.backbone]) as cam:
        for target in range(4):
            theirs = cam(images, [targets.ClassifierOutputTarget(target)] * len(images))
            ours = cams[:, target].clamp(min=0)
            ours = ours - ours.amin((-2, -1), keepdim=True)
            highest = ours.amax((-2, -1), keepdim=True)
            # Theirs adds 1e-7 to what it divides by, which makes it wrong for faint maps.
            np.testing.assert_allclose(theirs, ours / highest.clamp(min=1e-3), atol=1e-3)
            shown += int((theirs > 0.5).any())
    assert shown, "where a map is negative throughout there is nothing to compare"
