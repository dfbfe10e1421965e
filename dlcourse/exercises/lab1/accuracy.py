"""Exercise: the accuracy, how often the likeliest note is the one that came."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, matched, right, same, tensor_from

SKELETON = '''
def note_accuracy(logits: Tensor, targets: Tensor) -> float:
    """The share of the N notes for which the likeliest class is the one that came.

    1/N sum_n [argmax_k logits_nk = targets_n], between 0 and 1.

    Args:
        logits: (N, K).
        targets: (N,) int64 classes.

    Source: 2018 lab 1, part 2 ("75 % to 90 % is a good range").
    """
    raise NotImplementedError
'''

SOLUTION = """
def note_accuracy(logits: Tensor, targets: Tensor) -> float:
    from dlcourse.exercises.lab1.accuracy import reference

    return reference(logits, targets)
"""


def _mistaken(body: str) -> str:
    return f"\ndef note_accuracy(logits: Tensor, targets: Tensor) -> float:\n    return {body}\n"


def reference(logits: Tensor, targets: Tensor) -> float:
    """By the package's metric, which sees probabilities."""
    from dlcourse.metrics import Accuracy  # torchmetrics takes a second to import

    accuracy = Accuracy(num_classes=logits.shape[-1], average="micro")
    accuracy.update(logits.softmax(-1), targets)
    return float(accuracy.compute())


@judging
def check(student: Callable[[Tensor, Tensor], Any]) -> Iterator[Finding]:
    """The share against the package's, where N = K and where not, and its ends."""
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(8, 8, generator=generator)
    targets = logits.argmax(-1)
    targets[:3] = (targets[:3] + 1) % 8  # 5 of 8 are right
    _look_at_share(_share(student, logits, targets), logits, targets)
    yield right("5 of 8 right notes are an accuracy of 0.625.")
    logits = torch.randn(30, 4, generator=generator)
    targets = torch.randint(4, (30,), generator=generator)
    if not same(_share(student, logits, targets), reference(logits, targets)):
        raise Wrong("For 30 notes of 4 classes the share is wrong: look at the axes.")
    if not same(_share(student, logits, logits.argmax(-1)), 1.0):
        raise Wrong("When every note is right the accuracy has to be 1.")
    if not same(_share(student, logits, logits.argmin(-1)), 0.0):
        raise Wrong("When no note is right the accuracy has to be 0.")
    yield right("So are other sizes, all right and all wrong.")


def _share(student: Callable[[Tensor, Tensor], Any], logits: Tensor, targets: Tensor) -> Tensor:
    value = student(logits.clone(), targets.clone())
    if isinstance(value, Tensor) and value.shape == targets.shape:
        raise Wrong("There is an answer for each note: take their mean.")
    return tensor_from(value, (), "note_accuracy")


def _look_at_share(share: Tensor, logits: Tensor, targets: Tensor) -> None:
    hits = (logits.argmax(-1) == targets).float()
    if same(share, hits.mean()):
        return
    recall = torch.stack([hits[targets == k].mean() for k in targets.unique()]).mean()
    causes = {
        "it is the number of right notes; divide it by N": hits.sum(),
        "it is in percent; a share between 0 and 1 is asked for": 100 * hits.mean(),
        "it is the share of wrong notes": 1 - hits.mean(),
        "it is divided by N x K; divide the number of right notes by N": hits.sum() / 64,
        "argmax goes over the wrong axis: over the notes of the batch instead of over the classes "
        "(dim=-1)": (logits.argmax(0) == targets).float().mean(),
        "argmin instead of argmax": (logits.argmin(-1) == targets).float().mean(),
        "it is the mean accuracy of the classes; every note has to count alike": recall,
        "it is 0: is something rounded down, or are numbers compared that are not classes": 0.0,
    }
    found = matched(share, causes, f"it is {float(share):.3g}")
    raise Wrong(f"With 5 of 8 notes right the accuracy has to be 0.625, and is not: {found}.")


MISTAKES = (
    Mistake("argmax over the wrong axis",
            _mistaken("(logits.argmax(0) == targets).float().mean()"), "wrong axis"),
    Mistake("a count", _mistaken("int((logits.argmax(-1) == targets).sum())"), "divide it by N"),
    Mistake("percent", _mistaken("100 * (logits.argmax(-1) == targets).float().mean()"),
            "in percent"),
    Mistake("the error", _mistaken("(logits.argmax(-1) != targets).float().mean()"),
            "share of wrong notes"),
    Mistake("divided by N x K",
            _mistaken("(logits.argmax(-1) == targets).sum() / logits.numel()"), "N x K"),
    Mistake("rounded down", _mistaken("(logits.argmax(-1) == targets).sum() // len(targets)"),
            "rounded down"),
    Mistake("max instead of argmax",
            _mistaken("(logits.max(-1).values == targets).float().mean()"), "not classes"),
    Mistake("not averaged", _mistaken("(logits.argmax(-1) == targets).float()"),
            "take their mean"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="note_accuracy",
        lab=1,
        title="The accuracy",
        source="2018 lab 1, part 2: the accuracy",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
