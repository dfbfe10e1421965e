"""Exercise: restrict the output to notes near the previous one."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, matched, right, same, tensor_from
from dlcourse.music.notes import STRUCK
from dlcourse.music.priors.interval import IntervalFromPrevious
from dlcourse.music.priors.prior import Moment

KEYS = 20

SKELETON = '''
def near_previous(logits: Tensor, previous: int, largest: int) -> Tensor:
    """Probabilities of the next note, of which only those near the previous one are possible.

    p_k = exp(logits_k) / sum over |j - previous| <= largest of exp(logits_j) where
    |k - previous| <= largest, and 0 elsewhere: what is left of the softmax, with sum 1 again.

    Args:
        logits: (K,) one for each key, from low to high.
        previous: The key before, 0 to K - 1.
        largest: The largest leap in semitones, 0 or more; a leap of exactly that is allowed.

    Returns:
        (K,) probabilities.

    Source: 2018 lab 1, part 2, "restrict the output to notes near the previous one".
    """
    raise NotImplementedError
'''

SOLUTION = """
def near_previous(logits: Tensor, previous: int, largest: int) -> Tensor:
    from dlcourse.exercises.lab1.nearness import reference

    return reference(logits, previous, largest)
"""


def _mistaken(body: str) -> str:
    return (
        "\ndef near_previous(logits: Tensor, previous: int, largest: int) -> Tensor:\n"
        "    distance = torch.arange(len(logits)) - previous\n"
        f"    near = distance.abs() <= largest\n    {body}\n"
    )


def reference(logits: Tensor, previous: int, largest: int) -> Tensor:
    """(K,) probabilities, by the package's prior."""
    states = np.zeros((1, 1, len(logits)), dtype=np.uint8)
    states[0, 0, previous] = STRUCK
    nothing = np.zeros((1, len(logits)), dtype=np.uint8)
    moment = Moment(states, np.zeros((1, 3)), np.zeros(1), 24, 4, nothing)
    weights = IntervalFromPrevious(largest=largest, hard=True).log_weights(moment)[0, :, STRUCK]
    return (logits + torch.from_numpy(weights).to(logits)).softmax(-1)


@judging
def check(student: Callable[..., Tensor]) -> Iterator[Finding]:
    """In the middle of the keyboard, at its ends, without room to leap, and with large logits."""
    logits = torch.randn(KEYS, generator=torch.Generator().manual_seed(2)) * 2
    _look_at_middle(_restricted(student, logits, 9, 3), logits)
    yield right("Keys within the leap keep their odds, all others are 0, and the sum is 1.")
    for previous in (1, KEYS - 2):
        if not same(_restricted(student, logits, previous, 3), reference(logits, previous, 3)):
            raise Wrong(
                "Near the end of the keyboard it is wrong: an index below 0 counts from the other "
                "end, and one beyond the last is cut. Compare distances instead of slicing."
            )
    yield right("Near both ends of the keyboard too.")
    if not same(_restricted(student, logits, 9, 0), torch.eye(KEYS)[9]):
        raise Wrong("With a largest leap of 0 only the previous key itself is possible.")
    far = logits.clone()
    far[15] += 30.0
    if not same(_restricted(student, far, 9, 3), reference(far, 9, 3)):
        raise Wrong(
            "When a far key is very likely the near ones come out wrong: set the far logits to "
            "minus infinity before the softmax, then nothing has to be added or divided."
        )
    yield right("However likely the far keys were.")


def _restricted(
    student: Callable[..., Tensor], logits: Tensor, previous: int, largest: int
) -> Tensor:
    given = logits.clone()
    p = tensor_from(student(given, previous, largest), tuple(logits.shape), "near_previous")
    if not same(given, logits):
        raise Wrong("The logits that were handed in are changed: work on a copy.")
    return p


def _look_at_middle(p: Tensor, logits: Tensor) -> None:
    """Previous key 9, largest leap 3."""
    expected = reference(logits, 9, 3)
    if same(p, expected):
        return
    distance = torch.arange(KEYS) - 9
    near = distance.abs() <= 3
    whole, masked = logits.softmax(-1), torch.where(near, logits, -torch.inf)
    causes = {
        "the probabilities do not sum to 1: renormalise what is left": whole * near,
        "these are logits, not probabilities: the softmax is missing": masked,
        "these are log-probabilities: take exp": masked.log_softmax(-1),
        "the far logits are set to 0, and exp(0) is 1, not 0: set them to minus infinity": (
            (logits * near).softmax(-1)
        ),
        "far probabilities are set to 0 and the softmax is applied to that once more": (
            (whole * near).softmax(-1)
        ),
        "the logits are normalised as if they were probabilities: the softmax is missing": (
            logits * near / (logits * near).sum()
        ),
        "a leap of exactly the largest is allowed, too (<= instead of <)": reference(logits, 9, 2),
        "one key too many is possible: a leap of at most the largest": reference(logits, 9, 4),
        "only upward leaps are possible: take the absolute distance": torch.where(
            (distance >= 0) & near, logits, -torch.inf
        ).softmax(-1),
        "every lower key is possible: take the absolute distance": torch.where(
            distance <= 3, logits, -torch.inf
        ).softmax(-1),
        "the upper end is missing: a slice ends before its last index": torch.where(
            near & (distance < 3), logits, -torch.inf
        ).softmax(-1),
        "near and far are exchanged": torch.where(near, -torch.inf, logits).softmax(-1),
        "nothing is restricted": whole,
        "all near keys are made alike: keep their odds": near / near.sum(),
    }
    total = float(p.sum())
    otherwise = "the near keys do not keep their odds, or a far one is possible"
    if not same(total, 1.0):
        otherwise = f"the sum is {total:.3g}, not 1"
    raise Wrong(f"The probabilities are wrong: {matched(p, causes, otherwise)}.")


MISTAKES = (
    Mistake("not renormalised", _mistaken("return logits.softmax(-1) * near"), "renormalise"),
    Mistake("logits, not probabilities",
            _mistaken("return logits.masked_fill(~near, -torch.inf)"), "logits, not prob"),
    Mistake("far logits set to 0", _mistaken("return (logits * near).softmax(-1)"), "exp\\(0\\)"),
    Mistake("logits taken for probabilities",
            _mistaken("return logits * near / (logits * near).sum()"), "as if they were prob"),
    Mistake("softmax twice", _mistaken("return (logits.softmax(-1) * near).softmax(-1)"),
            "once more"),
    Mistake("one semitone too few",
            _mistaken("near = distance.abs() < largest\n"
                      "    return logits.masked_fill(~near, -torch.inf).softmax(-1)"), "<="),
    Mistake("no absolute distance",
            _mistaken("near = distance <= largest\n"
                      "    return logits.masked_fill(~near, -torch.inf).softmax(-1)"),
            "absolute distance"),
    Mistake("the slice ends early",
            _mistaken("p = torch.full_like(logits, -torch.inf)\n"
                      "    near = slice(previous - largest, previous + largest)\n"
                      "    p[near] = logits[near]\n    return p.softmax(-1)"), "ends before"),
    Mistake("the slice wraps around",
            _mistaken("p = torch.full_like(logits, -torch.inf)\n"
                      "    near = slice(previous - largest, previous + largest + 1)\n"
                      "    p[near] = logits[near]\n    return p.softmax(-1)"),
            "end of the keyboard|NaN"),
    Mistake("a constant against division by 0", _mistaken("p = logits.softmax(-1) * near\n"
            "    return p / (p.sum() + 1e-8)"), "very likely"),
    Mistake("the odds are lost", _mistaken("return near / near.sum()"), "made alike"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="near_previous",
        lab=1,
        title="Only notes near the previous one",
        source="2018 lab 1, part 2: exercises",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
