"""Each loss against numpy, an invariance, and the special cases in which it is another loss."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from dlcourse.errors import InputError
from dlcourse.losses import BinaryCrossEntropy, BrierLoss, ClassWeightedCrossEntropy, FocalLoss

COUNTS = torch.tensor([50, 3, 0, 1, 1000])
LOSSES = [FocalLoss(), FocalLoss(0.5), ClassWeightedCrossEntropy(COUNTS), BrierLoss()]
LOSSES += [BinaryCrossEntropy(), BinaryCrossEntropy(3.0)]


def some(seed: int = 0, *, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(40, 5, generator=generator, dtype=torch.float64)
    return logits, torch.tensor([0, 1, 3, 4] * 10)


def probabilities(logits: torch.Tensor) -> np.ndarray:
    powers = np.exp(logits.numpy() - logits.numpy().max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_equation_4(gamma: float) -> None:
    logits, targets = some()
    p = probabilities(logits)[np.arange(40), targets.numpy()]
    expected = np.mean(-((1 - p) ** gamma) * np.log(p))
    assert FocalLoss(gamma)(logits, targets).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("beta", [0.0, 0.9, 0.999, 0.999999])
def test_class_weights_are_equation_3_scaled_to_a_mean_of_1(beta: float) -> None:
    logits, targets = some()
    raw = {k: (1 - beta) / (1 - beta**n) for k, n in enumerate(COUNTS.tolist()) if n}
    mean = sum(raw.values()) / len(raw)
    weights = [raw[k] / mean for k in targets.tolist()]
    nll = -np.log(probabilities(logits)[np.arange(40), targets.numpy()])
    loss = ClassWeightedCrossEntropy(COUNTS, beta=beta).double()
    assert loss(logits, targets).item() == pytest.approx(
        np.dot(weights, nll) / sum(weights), rel=1e-6
    )
    assert loss.weight[2] == 0
    assert loss.weight.sum().item() == pytest.approx(4, rel=1e-6)


def test_brier_loss_is_the_squared_distance_to_one_hot() -> None:
    logits, targets = some()
    one_hot = np.eye(5)[targets.numpy()]
    expected = ((probabilities(logits) - one_hot) ** 2).sum(axis=1).mean()
    assert BrierLoss()(logits, targets).item() == pytest.approx(expected, rel=1e-12)


def test_without_gamma_or_beta_it_is_cross_entropy() -> None:
    logits, targets = some()
    plain = F.cross_entropy(logits, targets).item()
    assert FocalLoss(0)(logits, targets).item() == pytest.approx(plain, rel=1e-12)
    unweighted = ClassWeightedCrossEntropy(COUNTS, beta=0)
    assert unweighted.double()(logits, targets).item() == pytest.approx(plain, rel=1e-12)
    assert FocalLoss(2)(logits, targets).item() < plain


def test_beta_near_1_weights_by_inverse_frequency() -> None:
    weight = ClassWeightedCrossEntropy(torch.tensor([1, 2, 4]), beta=1 - 1e-9).weight
    assert weight.tolist() == pytest.approx([12 / 7, 6 / 7, 3 / 7], rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@given(seed=st.integers(0, 50), shift=st.floats(-50, 50))
def test_adding_the_same_to_all_logits_changes_nothing(
    loss: nn.Module, seed: int, shift: float
) -> None:
    logits, targets = some(seed)
    before = loss.double()(logits, targets).item()
    assert loss(logits + shift, targets).item() == pytest.approx(before, rel=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_renaming_the_classes_or_reordering_the_frames_changes_nothing(loss: nn.Module) -> None:
    logits, targets = some()
    before = loss.double()(logits, targets).item()
    assert loss(logits.flip(0), targets.flip(0)).item() == pytest.approx(before, rel=1e-12)
    if not isinstance(loss, ClassWeightedCrossEntropy):
        assert loss(logits.flip(1), 4 - targets).item() == pytest.approx(before, rel=1e-12)


@pytest.mark.parametrize("loss", [*LOSSES, FocalLoss(0), FocalLoss(1)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0, 1e4])
def test_gradients_are_finite_however_sure_the_network_is(loss: nn.Module, scale: float) -> None:
    logits, targets = some(scale=scale)
    logits = logits.float().requires_grad_()
    value = loss.float()(logits, targets)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_finite_differences(loss: nn.Module) -> None:
    logits, targets = some()
    loss = loss.double()
    inputs = logits[:4].requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, targets[:4]), inputs)


def test_brier_lies_between_0_and_2_and_rewards_honesty() -> None:
    sure = torch.tensor([[100.0, 0.0]])
    assert BrierLoss()(sure, torch.tensor([0])).item() == pytest.approx(0)
    assert BrierLoss()(sure, torch.tensor([1])).item() == pytest.approx(2)
    # Seven of ten targets are class 0: of all distributions, (0.7, 0.3) has the lowest loss.
    targets = torch.tensor([0] * 7 + [1] * 3)
    said = [0.5, 0.6, 0.7, 0.8, 0.9]
    values = [
        BrierLoss()(torch.tensor([[p, 1 - p]]).log().expand(10, 2), targets).item() for p in said
    ]
    assert np.argmin(values) == 2


@pytest.mark.parametrize("beta", [-0.1, 1.0, 1.5])
def test_a_beta_outside_its_range_is_an_error(beta: float) -> None:
    with pytest.raises(InputError, match="at least 0, below 1"):
        ClassWeightedCrossEntropy(COUNTS, beta=beta)


def test_class_weights_are_no_part_of_a_checkpoint() -> None:
    assert ClassWeightedCrossEntropy(COUNTS).state_dict() == {}


def test_bce_asks_every_class() -> None:
    logits, targets = some()
    p, truth = probabilities(logits), np.eye(5)[targets.numpy()]
    for weight in (1.0, 3.0):
        expected = -(weight * truth * np.log(p) + (1 - truth) * np.log(1 - p)).sum(axis=1).mean()
        loss = BinaryCrossEntropy(weight).double()
        assert loss(logits, targets).item() == pytest.approx(expected, rel=1e-9)


def test_bce_of_two_classes_is_cross_entropy_but_for_the_weight() -> None:
    logits, targets = some()[0][:, :2], torch.tensor([0, 1] * 20)
    plain = F.cross_entropy(logits, targets)
    assert BinaryCrossEntropy().double()(logits, targets) == pytest.approx(plain.item(), rel=1e-9)
    each = F.cross_entropy(logits, targets, reduction="none")
    weighted = (each * torch.where(targets == 1, 5.0, 1.0)).mean().item()
    loss = BinaryCrossEntropy(5.0).double()
    assert loss(logits, targets).item() == pytest.approx(weighted, rel=1e-9)


def test_a_weight_of_nothing_is_an_error() -> None:
    with pytest.raises(InputError, match="pos_weight=0"):
        BinaryCrossEntropy(0)
