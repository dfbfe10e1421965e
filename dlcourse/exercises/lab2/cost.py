"""The cost: the mean cross-entropy of two logits."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import Wrong, judging, right
from dlcourse.exercises.lab2.diagnosis import Slip, compare, same, wrong
from dlcourse.losses import BinaryCrossEntropy

_SKELETON = '''
def cost(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the images of a batch, in nats.

    Formula: cost = -1/N sum_n log p_n[t_n], with p_n = softmax(logits_n) over the two classes and
    t_n the true class. It is minimised, so its gradient has to reach the logits; and it has to be
    right for a network that is very sure, where exp(logits) overflows: log_softmax does not.

    Source: 2018 lab 2, part 2, the cost function.

    Args:
        logits: (N, 2) of "no pneumothorax" and "pneumothorax", any real numbers.
        targets: (N,) int64, 1 for pneumothorax, else 0.

    Returns:
        A scalar tensor.
    """
    raise NotImplementedError
'''
_SOLUTION = """
def cost(logits, targets):
    from dlcourse.losses import BinaryCrossEntropy

    return BinaryCrossEntropy()(logits, targets)  # with two classes: cross-entropy
"""


@judging
def check(cost: Callable[[Tensor, Tensor], Tensor]) -> Iterator[Finding]:
    """A batch against the reference; logits of hundreds; the gradient."""
    generator = torch.Generator().manual_seed(23)
    logits = 2 * torch.randn((7, 2), generator=generator) + torch.tensor([0.5, -0.4])
    targets = torch.tensor([1, 0, 0, 1, 0, 0, 0])
    reference = BinaryCrossEntropy()
    got = cost(logits.clone(), targets.clone())
    if isinstance(got, float):
        raise Wrong("Your cost is a Python number: without a tensor there is no gradient.")
    yield compare(
        got,
        reference(logits, targets),
        what="Your cost",
        axes="() of a scalar",
        right="The cost is the mean of -log p of the true class.",
        slips=_slips(logits, targets),
    )
    yield _sure(cost(120 * logits, targets.clone()), reference(120 * logits, targets))
    yield _gradient(cost, logits, targets)


def _sure(got: Tensor, want: Tensor) -> Finding:
    if same(got, want):
        return right("Logits of hundreds do, too.")
    raise Wrong(
        f"With logits of hundreds your cost is {float(got):.3g}, not {float(want):.3g}: exp "
        f"overflows there and log(0) is infinite; log_softmax of the logits avoids both."
    )


def _gradient(cost: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor) -> Finding:
    leaf = logits.clone().requires_grad_()
    got = cost(leaf, targets.clone())
    if not got.requires_grad:
        raise Wrong(
            "Your cost has no gradient: nothing would be learnt. Is there a detach, an item() or "
            "a torch.tensor(...) on its way from the logits?"
        )
    (slope,) = torch.autograd.grad(got, leaf, allow_unused=True)
    want = (logits.softmax(-1) - F.one_hot(targets, 2)) / len(targets)
    return compare(
        torch.zeros_like(leaf) if slope is None else slope,
        want,
        what="The gradient of your cost by the logits",
        axes="(N, 2)",
        right="Its gradient by the logits is (p - truth) / N.",
    )


def _slips(logits: Tensor, targets: Tensor) -> list[Slip]:
    truth, log_p = F.one_hot(targets, 2).float(), logits.log_softmax(-1)
    each = -(truth * log_p).sum(-1)
    twice = F.cross_entropy(logits.softmax(-1), targets)
    other = "Your cost takes the probability of the other class: column 1 is pneumothorax."
    sigmoids = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    alone = "Your cost treats the columns as two questions (sigmoids): softmax ties them together."
    return [
        Slip(each.sum(), "Your cost is the sum over the batch, N times the mean: use the mean."),
        Slip(each, "Your cost has a value for every image: take the mean."),
        Slip(twice, "Softmax is applied twice: cross_entropy takes logits, not probabilities."),
        Slip(F.cross_entropy(logits, 1 - targets), other),
        Slip(
            -log_p[:, 1].mean(),
            "Your cost takes column 1 for every image, also for those without pneumothorax: take "
            "the column of the true class.",
        ),
        Slip(
            -log_p[:, 0].mean(),
            "Your cost takes column 0 for every image: take the column of the true class.",
        ),
        Slip(-each.mean(), "Your cost is negative: the minus before the logarithm is missing."),
        Slip(
            each.mean() / 2,
            "Your cost is half: the mean runs over N images and 2 classes. Sum over the classes, "
            "then take the mean over the images.",
        ),
        Slip(each.mean() / math.log(2), "Your cost is in bits: take the natural logarithm."),
        Slip(
            -(truth * logits).sum(-1).mean(),
            "Softmax is missing: your cost is the mean of the true class's logit itself.",
        ),
        Slip(
            -(truth * logits.log_softmax(0)).sum(-1).mean(),
            "Softmax runs over the images of the batch: it belongs over the two classes, dim=-1.",
        ),
        Slip(sigmoids.mean(), alone),
        Slip(sigmoids.sum(-1).mean(), alone),
        Slip(
            1 - each.neg().exp().mean(),
            "The logarithm is missing: your cost is 1 - p of the true class.",
        ),
    ]


_SIGNATURE = "def cost(logits, targets):"
_LOG_P = "log_p = torch.log_softmax(logits, dim=-1)\n"
_PICK = "log_p.gather(1, targets[:, None])"
_MISTAKES = (
    ("sum instead of mean", f"{_LOG_P}return -{_PICK}.sum()", "sum over the batch"),
    ("no mean", f"{_LOG_P}return -{_PICK}[:, 0]", "value for every image"),
    (
        "softmax applied twice",
        "return F.cross_entropy(logits.softmax(-1), targets)",
        "Softmax is applied twice",
    ),
    ("wrong column", "return F.cross_entropy(logits, 1 - targets)", "the other class"),
    ("always column 1", f"{_LOG_P}return -log_p[:, 1].mean()", "column 1 for every image"),
    ("minus missing", f"{_LOG_P}return {_PICK}.mean()", "minus .* is missing"),
    (
        "mean over the classes, too",
        f"{_LOG_P}return -(F.one_hot(targets, 2) * log_p).mean()",
        "N images and 2 classes",
    ),
    (
        "softmax over the batch",
        "log_p = torch.log_softmax(logits, dim=0)\nreturn -" + _PICK + ".mean()",
        "over the images of the batch",
    ),
    (
        "sigmoids",
        "truth = F.one_hot(targets, 2).float()\n"
        "return F.binary_cross_entropy_with_logits(logits, truth)",
        "two questions",
    ),
    (
        "overflow",
        "p = logits.exp() / logits.exp().sum(-1, keepdim=True)\n"
        "return -p.gather(1, targets[:, None]).log().mean()",
        "logits of hundreds.*log_softmax",
    ),
    ("no gradient", "return F.cross_entropy(logits.detach(), targets)", "no gradient"),
    ("a number", "return F.cross_entropy(logits, targets).item()", "Python number.*no gradient"),
)

EXERCISES = (
    Exercise(
        name="cost",
        lab=2,
        title="The cost function",
        source="2018 lab 2, part 2: cost and prediction",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
