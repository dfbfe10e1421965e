"""Exercise: the loss, mean cross-entropy of the next note."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, matched, right, same, tensor_from
from dlcourse.losses import FocalLoss

SKELETON = '''
def next_note_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of the notes that came, in nats.

    -1/N sum_n log p_n[targets_n], where p_n = softmax(logits_n) over the K classes.

    Args:
        logits: (N, K), any real numbers; also large ones.
        targets: (N,) int64 classes.

    Returns:
        A scalar tensor () through which gradients flow.

    Source: 2018 lab 1, part 2; Bishop, Pattern Recognition and Machine Learning, 2006,
    equation 4.108.
    """
    raise NotImplementedError
'''

SOLUTION = """
def next_note_loss(logits: Tensor, targets: Tensor) -> Tensor:
    from dlcourse.losses import FocalLoss

    return FocalLoss(gamma=0.0)(logits, targets)  # which is cross-entropy
"""


def _mistaken(body: str) -> str:
    return f"\ndef next_note_loss(logits: Tensor, targets: Tensor) -> Tensor:\n    {body}\n"


@judging
def check(student: Callable[[Tensor, Tensor], Tensor]) -> Iterator[Finding]:
    """The value against the package's, what large logits do, and the gradient."""
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(1)) * 2
    targets = torch.tensor([0, 3, 3, 5, 1, 2])
    _look_at_value(_value(student, logits, targets), logits, targets)
    short = logits[:4]
    if not same(_value(student, short, targets[:4]), FocalLoss(gamma=0.0)(short, targets[:4])):
        raise Wrong("The value is right for N = K only: which axis are the classes?")
    yield right("The value is the mean cross-entropy.")
    large = torch.tensor([[1000.0, 0.0], [0.0, -1000.0]])
    value = student(large, torch.tensor([1, 0]))
    if not same(torch.as_tensor(value).detach(), 500.0):
        raise Wrong(
            "For logits of 1000 the loss is not finite, or wrong: exp overflows. Take log_softmax "
            "(or F.cross_entropy) instead of the log of a softmax."
        )
    yield right("Large logits do no harm.")
    _look_at_gradient(student, logits, targets)
    yield right("The gradient is (p - truth) / N.")


def _value(student: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor) -> Tensor:
    value = student(logits.clone(), targets)
    if isinstance(value, Tensor) and value.shape == targets.shape:
        raise Wrong("There is a loss for each target: take their mean.")
    return tensor_from(value, (), "next_note_loss")


def _look_at_value(value: Tensor, logits: Tensor, targets: Tensor) -> None:
    each = F.cross_entropy(logits, targets, reduction="none")
    if same(value, each.mean()):
        return
    rows, truth = torch.arange(len(targets)), F.one_hot(targets, logits.shape[1])
    p = logits.softmax(-1)
    causes = {
        "the softmax goes over the wrong axis: over the N notes of the batch instead of over the K "
        "classes (dim=-1)": -logits.log_softmax(0)[rows, targets].mean(),
        "it is the sum over the N targets; take the mean, or the loss grows with the batch": (
            each.sum()
        ),
        "the softmax is applied twice: F.cross_entropy wants logits, not probabilities": (
            F.cross_entropy(p, targets)
        ),
        "it is the mean over all N x K entries: sum over the classes, then take the mean over N": (
            -(truth * p.log()).mean()
        ),
        "its sign is wrong: minus the log-probability": -each.mean(),
        "it is in bits: take the natural logarithm": each.mean() / math.log(2),
        "the logits are used as if they were log-probabilities: the softmax is missing": (
            -logits[rows, targets].mean()
        ),
        "it is 1 - p of the target: the logarithm is missing": 1 - p[rows, targets].mean(),
        "every class counts as a question of its own: binary cross-entropy instead of that of a "
        "softmax": F.binary_cross_entropy_with_logits(logits, truth.float()),
    }
    otherwise = f"it is {float(value) / float(each.mean()):.3g} times the mean cross-entropy"
    raise Wrong(f"The value is wrong: {matched(value, causes, otherwise)}.")


def _look_at_gradient(
    student: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor
) -> None:
    logits = logits.clone().requires_grad_()
    loss = student(logits, targets)
    if not (isinstance(loss, Tensor) and loss.requires_grad):
        raise Wrong(
            "No gradient flows through the loss: it has to be a tensor made of the logits, without "
            "item(), detach() or numpy()."
        )
    loss.backward()
    expected = (logits.detach().softmax(-1) - F.one_hot(targets, logits.shape[1])) / len(targets)
    if not same(logits.grad, expected):
        raise Wrong("The value is right and the gradient is not: is a part of it detached?")


MISTAKES = (
    Mistake("softmax over the wrong axis",
            _mistaken("return F.nll_loss(logits.log_softmax(0), targets)"), "wrong axis"),
    Mistake("sum instead of mean",
            _mistaken("return F.cross_entropy(logits, targets, reduction='sum')"), "is the sum"),
    Mistake("applied to probabilities",
            _mistaken("return F.cross_entropy(logits.softmax(-1), targets)"), "applied twice"),
    Mistake("mean over the classes too",
            _mistaken("return -(F.one_hot(targets, logits.shape[1]) * "
                      "logits.log_softmax(-1)).mean()"), "N x K"),
    Mistake("wrong sign", _mistaken("return -F.cross_entropy(logits, targets)"), "sign"),
    Mistake("no mean", _mistaken("return F.cross_entropy(logits, targets, reduction='none')"),
            "take their mean"),
    Mistake("bits", _mistaken("return F.cross_entropy(logits, targets) / math.log(2)"), "in bits"),
    Mistake("no softmax", _mistaken("return F.nll_loss(logits, targets)"), "softmax is missing"),
    Mistake("no logarithm", _mistaken("return 1 + F.nll_loss(logits.softmax(-1), targets)"),
            "logarithm is missing"),
    Mistake("binary cross-entropy",
            _mistaken("return F.binary_cross_entropy_with_logits(logits, "
                      "F.one_hot(targets, logits.shape[1]).float())"), "question of its own"),
    Mistake("overflows", _mistaken("return F.nll_loss((logits.exp() / "
                                   "logits.exp().sum(-1, keepdim=True)).log(), targets)"),
            "exp overflows"),
    Mistake("detached", _mistaken("return F.cross_entropy(logits.detach(), targets)"),
            "No gradient"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="next_note_loss",
        lab=1,
        title="The loss: mean cross-entropy",
        source="2018 lab 1, part 2: the loss",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
