"""The prediction: the probability of pneumothorax."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding
from dlcourse.exercises.judging import judging
from dlcourse.exercises.lab2.diagnosis import Slip, compare, wrong
from dlcourse.xray.cam import evidence

_SKELETON = '''
def predict(logits: Tensor) -> Tensor:
    """The probability of pneumothorax for every image of a batch.

    Formula: p_n = exp(z_n1) / (exp(z_n0) + exp(z_n1)), the softmax of the two logits z_n, of which
    column 1 is pneumothorax. Stays right for logits of hundreds.

    Source: 2018 lab 2, part 2, the prediction function.

    Args:
        logits: (N, 2) of "no pneumothorax" and "pneumothorax".

    Returns:
        (N,) in [0, 1].
    """
    raise NotImplementedError
'''
_SOLUTION = """
def predict(logits):
    from dlcourse.xray.cam import evidence

    return evidence(logits).sigmoid()  # of the log-odds
"""
_WHAT, _AXES = "Your prediction", "(N,)"


@judging
def check(predict: Callable[[Tensor], Tensor]) -> Iterator[Finding]:
    """A batch, a batch of one, and logits of hundreds."""
    generator = torch.Generator().manual_seed(29)
    logits = 2 * torch.randn((6, 2), generator=generator) + 0.5
    yield compare(
        predict(logits.clone()),
        evidence(logits).sigmoid(),
        what=_WHAT,
        axes=_AXES,
        right="The prediction is the softmax's column of pneumothorax.",
        slips=_slips(logits),
    )
    yield compare(
        predict(logits[:1].clone()),
        evidence(logits[:1]).sigmoid(),
        what="For a single image, your prediction",
        axes=_AXES,
        right="A batch of one image works.",
    )
    sure = torch.tensor([[300.0, -100.0], [-250.0, 150.0], [400.0, 400.0]])
    yield compare(
        predict(sure.clone()),
        evidence(sure).sigmoid(),
        what="With logits of hundreds (where exp overflows, but softmax does not), your prediction",
        axes=_AXES,
        right="Logits of hundreds do not overflow.",
    )


def _slips(logits: Tensor) -> list[Slip]:
    p = logits.softmax(-1)
    raw = "Your prediction is no probability: softmax is missing, the logits come out as they are."
    column = "Your prediction is column 0, the probability of no pneumothorax: column 1 is asked."
    batch = "Softmax runs over the images of the batch: it belongs over the two classes, dim=-1."
    sigmoid = "Your prediction is the sigmoid of one logit, which forgets the other: use softmax."
    return [
        Slip(p[:, 0], column),
        *(Slip(values, raw) for values in (logits[:, 1], logits[:, 0], logits, evidence(logits))),
        *(Slip(logits.softmax(0)[:, column_], batch) for column_ in (0, 1)),
        *(Slip(logits[:, column_].sigmoid(), sigmoid) for column_ in (0, 1)),
        Slip(p, "Your prediction has both classes: return column 1 alone, of shape (N,)."),
        Slip(p[:, 1:], "Your prediction has the shape (N, 1): (N,) is asked, index with [:, 1]."),
        Slip(
            logits.argmax(-1),
            "Your prediction is a decision (0 or 1): the probability is asked, from which a ROC "
            "curve can be drawn.",
        ),
        Slip(p[:, 1].log(), "Your prediction is the logarithm of the probability."),
        Slip(p.amax(-1), "Your prediction is that of the likelier class, whichever it is."),
    ]


_SIGNATURE = "def predict(logits):"
_MISTAKES = (
    ("no softmax", "return logits[:, 1]", "softmax is missing"),
    ("column 0", "return logits.softmax(-1)[:, 0]", "column 0"),
    ("softmax over the batch", "return logits.softmax(0)[:, 1]", "over the images of the batch"),
    ("sigmoid of one logit", "return logits[:, 1].sigmoid()", "forgets the other"),
    ("both columns", "return logits.softmax(-1)", "both classes"),
    ("decision", "return logits.argmax(-1)", "decision"),
    ("likelier class", "return logits.softmax(-1).max(-1).values", "likelier class"),
    ("squeezed", "return logits.softmax(-1)[:, 1].squeeze()", r"single image.*shape \(\)"),
    (
        "overflow",
        "e = logits.exp()\nreturn e[:, 1] / e.sum(-1)",
        "logits of hundreds.*nan",
    ),
)

EXERCISES = (
    Exercise(
        name="predict",
        lab=2,
        title="The probability of pneumothorax",
        source="2018 lab 2, part 2: cost and prediction",
        skeleton=_SKELETON.strip() + "\n",
        solution=_SOLUTION.strip() + "\n",
        check=check,
        mistakes=tuple(
            wrong(name, says, signature=_SIGNATURE, body=body) for name, body, says in _MISTAKES
        ),
    ),
)
