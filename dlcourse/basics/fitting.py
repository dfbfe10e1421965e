"""Training the perceptron on a toy problem whose best possible loss is known."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from dlcourse.basics.models import Perceptron

TRUE_WEIGHT, TRUE_BIAS = (2.0, -1.0), 0.5


@dataclass(frozen=True)
class Points:
    """Inputs (N, 2) and their classes (N,), 0.0 or 1.0."""

    x: Tensor
    y: Tensor


def source() -> Perceptron:
    """The perceptron that the classes are drawn from; no model can do better on new points."""
    perceptron = Perceptron()
    with torch.no_grad():
        perceptron.weight.copy_(torch.tensor(TRUE_WEIGHT))
        perceptron.bias.fill_(TRUE_BIAS)
    return perceptron


def toy_problem(points: int, generator: torch.Generator) -> Points:
    """Normal inputs, and classes by a coin with the probability that `source` gives."""
    x = torch.randn(points, 2, generator=generator)
    with torch.no_grad():
        y = torch.bernoulli(source()(x), generator=generator)
    return Points(x, y)


@torch.no_grad()
def loss_of(perceptron: Perceptron, points: Points) -> float:
    """Mean cross-entropy in nats a point."""
    return binary_cross_entropy(perceptron(points.x), points.y).item()


@torch.no_grad()
def accuracy_of(perceptron: Perceptron, points: Points) -> float:
    """The share of points on whose class the perceptron would bet."""
    return ((perceptron(points.x) > 0.5) == points.y.bool()).float().mean().item()


def baseline(train: Points, test: Points) -> tuple[float, float]:
    """Loss and accuracy on test points of who only knows how frequent the classes are in training.

    The frequency is (ones + 1) / (points + 2), Laplace's, which is never 0 or 1.
    """
    rate = (train.y.sum().item() + 1) / (len(train.y) + 2)
    ones = test.y.mean().item()
    loss = -ones * math.log(rate) - (1 - ones) * math.log(1 - rate)
    return loss, ones if rate > 0.5 else 1 - ones


def fit(
    perceptron: Perceptron, train: Points, test: Points, *, steps: int, rate: float
) -> list[tuple[float, float]]:
    """Gradient descent on all training points at once; returns both losses before every step.

    Source: Lab 1, part 1 (training), with the loop spelled out.
    """
    optimizer = torch.optim.SGD(perceptron.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        loss = binary_cross_entropy(perceptron(train.x), train.y)
        losses.append((loss.item(), loss_of(perceptron, test)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses
