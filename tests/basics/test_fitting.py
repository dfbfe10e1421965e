"""Training the perceptron: against the baseline, the best possible, and an independent optimum."""

import math

import pytest
import torch

from dlcourse.basics.fitting import (
    TRUE_BIAS,
    TRUE_WEIGHT,
    Points,
    accuracy_of,
    baseline,
    fit,
    loss_of,
    source,
    toy_problem,
)
from dlcourse.basics.models import Perceptron


def problem(points: int, seed: int = 0) -> Points:
    return toy_problem(points, torch.Generator().manual_seed(seed))


def test_training_beats_the_baseline_and_comes_near_the_best() -> None:
    train, test, model = problem(400), problem(4000, 1), Perceptron()
    losses = fit(model, train, test, steps=200, rate=1.0)
    best = loss_of(source(), test)
    assert losses[-1][0] < losses[0][0]
    assert best < loss_of(model, test) < best + 0.02 < baseline(train, test)[0]
    assert accuracy_of(model, test) > baseline(train, test)[1] + 0.1


def test_with_many_points_it_learns_the_perceptron_that_drew_the_classes() -> None:
    train, model = problem(20_000), Perceptron()
    fit(model, train, problem(2), steps=300, rate=2.0)
    learned = [*model.weight.tolist(), model.bias.item()]
    assert learned == pytest.approx([*TRUE_WEIGHT, TRUE_BIAS], abs=0.1)


def test_it_finds_what_logistic_regression_of_scikit_learn_finds() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    train, model = problem(200), Perceptron()
    fit(model, train, train, steps=2000, rate=1.0)
    other = linear_model.LogisticRegression(C=1e9).fit(train.x.numpy(), train.y.numpy())
    assert model.weight.tolist() == pytest.approx(other.coef_[0].tolist(), abs=1e-2)
    assert model.bias.item() == pytest.approx(float(other.intercept_[0]), abs=1e-2)


def test_the_first_loss_is_the_untrained_one_and_the_first_step_follows_the_gradient() -> None:
    train, model = problem(50), Perceptron()
    before = loss_of(model, train)
    error = torch.sigmoid(train.x.sum(1)) - train.y  # the gradient of cross-entropy, by hand
    losses = fit(model, train, train, steps=1, rate=0.5)
    assert losses == [pytest.approx((before, before))]
    expected = 1 - 0.5 * (error[:, None] * train.x).mean(0)
    assert model.weight.tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert model.bias.item() == pytest.approx(-0.5 * error.mean().item(), abs=1e-6)


def test_the_baseline_bets_on_the_frequent_class_of_training() -> None:
    x = torch.zeros(8, 2)
    train = Points(x, torch.tensor([1.0] * 6 + [0.0] * 2))
    test = Points(x[:4], torch.tensor([1.0, 0.0, 0.0, 0.0]))
    loss, accuracy = baseline(train, test)
    assert accuracy == 0.25
    assert loss == pytest.approx(-0.25 * math.log(0.7) - 0.75 * math.log(0.3))


def test_one_class_alone_leaves_the_baseline_finite() -> None:
    points = Points(torch.zeros(3, 2), torch.ones(3))
    assert math.isfinite(baseline(points, Points(points.x, torch.zeros(3)))[0])


def test_the_problem_is_a_function_of_its_generator() -> None:
    assert torch.equal(problem(30).x, problem(30).x)
    assert not torch.equal(problem(30).x, problem(30, 1).x)
