"""Right answers of lab 2 that are written otherwise than ours pass; wrong ones are told apart."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import auc, roc_curve
from torch import Tensor, nn

from dlcourse.exercises.exercise import Finding
from dlcourse.exercises.judging import Wrong, judging
from dlcourse.exercises.lab2 import cam, cost, features, predict, roc, standardise, upsample
from dlcourse.exercises.lab2.curves import first_fault
from dlcourse.exercises.lab2.diagnosis import Slip, compare


def with_numpy(images: Tensor) -> Tensor:
    done = []
    for image in images.numpy().astype(float):
        done.append((image - image.mean()) / (image.std() + 1e-6))
    return torch.tensor(np.array(done))


def in_place(images: Tensor) -> Tensor:
    images = images.double()
    images -= images.flatten(1).mean(1)[:, None, None, None]
    images /= images.square().flatten(1).mean(1).sqrt().clamp(min=1e-5)[:, None, None, None]
    return images


def by_logsumexp(logits: Tensor, targets: Tensor) -> Tensor:
    rows = torch.arange(len(targets))
    return (torch.logsumexp(logits, 1) - logits[rows, targets]).mean()


def by_softplus(logits: Tensor, targets: Tensor) -> Tensor:
    sign = 1 - 2.0 * targets
    return nn.functional.softplus(sign * (logits[:, 1] - logits[:, 0])).sum() / len(logits)


def by_tanh(logits: Tensor) -> Tensor:
    return 0.5 + 0.5 * torch.tanh((logits[:, 1] - logits[:, 0]) / 2)


def roc_by_counting(y_true: np.ndarray, y_score: np.ndarray) -> tuple[list, list, float]:
    score = [pair[1] for pair in y_score]
    positives, negatives = sum(y_true), len(y_true) - sum(y_true)
    fpr, tpr, area = [0.0], [0.0], 0.0
    for threshold in sorted(set(score), reverse=True):
        called = [truth for truth, s in zip(y_true, score, strict=True) if s >= threshold]
        tpr.append(sum(called) / positives)
        fpr.append((len(called) - sum(called)) / negatives)
        area += (fpr[-1] - fpr[-2]) * (tpr[-1] + tpr[-2]) / 2
    return fpr, tpr, area


def roc_by_sklearn(drop: bool) -> Callable[[np.ndarray, np.ndarray], tuple[Any, ...]]:
    def compute_roc(y_true: np.ndarray, y_score: np.ndarray) -> tuple[Any, ...]:
        fpr, tpr, _ = roc_curve(y_true, y_score[:, 1], drop_intermediate=drop)
        return fpr, tpr, auc(fpr, tpr)

    return compute_roc


def by_hook(model: nn.Module, images: Tensor) -> list[Tensor]:
    kept = []
    handle = model.backbone.register_forward_hook(lambda *parts: kept.append(parts[-1].detach()))
    model.eval()
    model(images)
    handle.remove()
    return [kept[0], model.head.weight.data.t(), model.head.bias.data.clone()]


def cam_by_loops(feature_maps: Tensor, dense_weights: Tensor, bias: Tensor | None = None) -> Tensor:
    batch, channels, height, width = feature_maps.shape
    maps = torch.zeros(batch, dense_weights.shape[1], height, width)
    for place in range(dense_weights.shape[1]):
        for channel in range(channels):
            maps[:, place] += feature_maps[:, channel] * dense_weights[channel, place]
        if bias is not None:
            maps[:, place] += bias[place]
    return maps


def cam_by_convolution(
    feature_maps: Tensor, dense_weights: Tensor, bias: Tensor | None = None
) -> Tensor:
    return nn.functional.conv2d(feature_maps, dense_weights.T[:, :, None, None], bias)


def by_formula(cams: Tensor, size: tuple[int, int]) -> Tensor:
    """The formula of the exercise, an axis after the other, as products of matrices."""
    matrices = []
    for cells, pixels in zip(cams.shape[-2:], size, strict=True):
        middle = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
        matrix = [np.interp(middle, np.arange(cells), row) for row in np.eye(cells)]
        matrices.append(torch.tensor(np.array(matrix), dtype=cams.dtype))
    return matrices[0].T @ cams @ matrices[1]


ANSWERS = [
    (standardise, with_numpy),
    (standardise, in_place),
    (cost, by_logsumexp),
    (cost, by_softplus),
    (predict, by_tanh),
    (roc, roc_by_counting),
    (roc, roc_by_sklearn(True)),
    (roc, roc_by_sklearn(False)),
    (features, by_hook),
    (cam, cam_by_loops),
    (cam, cam_by_convolution),
    (upsample, by_formula),
]


@pytest.mark.parametrize(("module", "answer"), ANSWERS)
def test_an_answer_written_otherwise_is_right(module: Any, answer: Callable[..., Any]) -> None:
    findings = module.check(answer)
    assert [finding.text for finding in findings if not finding.ok] == []


def test_checking_neither_draws_from_the_global_generator_nor_depends_on_it() -> None:
    texts = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        texts.append(
            [finding.text for module, answer in ANSWERS for finding in module.check(answer)]
        )
        assert torch.equal(torch.get_rng_state(), state)
    assert texts[0] == texts[1]


def test_what_is_said_of_a_wrong_answer_gives_neither_source_nor_values_away() -> None:
    modules = {module for module, _ in ANSWERS}
    mistakes = [mistake for module in modules for mistake in module.EXERCISES[0].mistakes]
    for module in modules:
        exercise = module.EXERCISES[0]
        for mistake in exercise.mistakes:
            names: dict[str, Any] = {}
            exec(mistake.source, names)
            text = exercise.check(names[exercise.name])[-1].text
            assert "\n" not in text
            assert "tensor([" not in text
            assert len(text) < 250
            assert text.endswith((".", "?"))
    assert len(mistakes) > 60


@judging
def compared(got: Tensor) -> Iterator[Finding]:
    want = torch.tensor([1.0, -2.0, 3.0])
    slip = Slip(want.abs(), "The sign is gone.")
    yield compare(got, want, what="It", axes="(N,)", right="Right.", slips=[slip])


@pytest.mark.parametrize(
    ("got", "says"),
    [
        ([1.0, -2, 3], "Right."),
        ([1.0, 2, 3], "The sign is gone."),
        ([2.7, -0.3, 4.7], "It is 1.7 too high everywhere."),
        ([0.5, -2.5, 2.5], "It is 0.5 too low everywhere."),
        ([-3.0, 6, -9], "It is -3 times what it should be, everywhere."),
        ([1.0, -2, 4], "33% of its values are wrong, by up to 1 "),
        ([1.0, -2, float("inf")], "It holds nan or infinite values"),
        ([[1.0, -2, 3]], "It has the shape (1, 3); (N,) is (3,) here."),
        ([0.0, 0, 0], "100% of its values are wrong"),
    ],
)
def test_the_difference_is_said_in_the_plainest_way_that_is_true(got: list, says: str) -> None:
    assert says in compared(torch.tensor(got))[-1].text


def test_points_on_a_straight_stretch_of_a_curve_may_be_there_or_not() -> None:
    truths = np.array([1, 0, 1, 1, 0, 0])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    both = np.stack([1 - scores, scores], axis=-1)
    third = 1 / 3
    corners = np.array([[0, 0], [0, third], [third, third], [third, 1], [1, 1]])
    more = np.insert(corners, 4, [[0.5, 1], [0.5, 1], [2 / 3, 1]], axis=0)
    for points in (corners, more):
        assert first_fault((*points.T, 0.0), truths=truths, scores=both) is None
    moved = corners + np.array([[0, 0], [0.1, -0.1], [0, 0], [0, 0], [0, 0]])
    assert "(0.1, 0.23)" in first_fault((*moved.T, 0.0), truths=truths, scores=both)
    without = np.delete(corners, 2, axis=0)
    assert "(0.33, 0.33)" in first_fault((*without.T, 0.0), truths=truths, scores=both)


def test_a_map_with_the_bias_of_one_class_wrong_names_the_class_and_by_how_much() -> None:
    def shifted(feature_maps: Tensor, dense_weights: Tensor, bias: Tensor | None = None) -> Tensor:
        maps = cam_by_loops(feature_maps, dense_weights, bias)
        return maps if bias is None else maps + torch.tensor([-2.5, 0.0])[:, None, None]

    text = cam.check(shifted)[-1].text
    assert text.startswith("Your map of class 0 is 2.5 logits too low everywhere")


def test_a_wrong_answer_ends_the_check_with_what_was_right_before() -> None:
    def overflows(logits: Tensor) -> Tensor:
        return logits.exp()[:, 1] / logits.exp().sum(-1)

    findings = predict.check(overflows)
    assert [finding.ok for finding in findings] == [True, True, False]
    with pytest.raises(Wrong, match="None"):
        compare(None, torch.zeros(1), what="It", axes="(N,)", right="")
