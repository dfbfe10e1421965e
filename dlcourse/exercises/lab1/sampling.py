"""Exercise: draw one note from the distribution that logits mean."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, right

DRAWS = 1500
FAR = 0.08  # in total variation; chance alone comes to 0.02, see the tests

SKELETON = '''
def sample_note(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    """Draw one class from softmax(logits / temperature).

    A high temperature makes all classes alike, a low one prefers the likeliest. All randomness
    comes from the generator: equal generators draw equal notes.

    Args:
        logits: (K,), any real numbers.
        temperature: Above 0; 1 is the network's own distribution.
        generator: Handed on to torch.multinomial or torch.rand.

    Returns:
        The class, 0 to K - 1.

    Source: 2018 lab 1, part 2: a draw from the softmax, where argmax sings one note for ever.
    """
    raise NotImplementedError
'''

SOLUTION = """
def sample_note(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    from dlcourse.music.sampling import Sampler

    uniform = torch.rand((), generator=generator, dtype=torch.float64).numpy()
    return int(Sampler(temperature=temperature).draw(logits.detach().numpy(), uniform))
"""


def _mistaken(body: str) -> str:
    return (
        "\ndef sample_note(logits: Tensor, temperature: float, generator: torch.Generator) -> int:"
        f"\n    p = (logits / temperature).softmax(-1)\n    {body}\n"
    )


Student = Callable[[Tensor, float, Generator], Any]


@judging
def check(student: Student) -> Iterator[Finding]:
    """How often each class is drawn at three temperatures, and where the randomness is from."""
    logits = torch.tensor([-1.0, -0.5, 1.0, 2.0, 0.3])
    counts = {t: _shares(student, logits, t) for t in (1.0, 0.4, 2.5)}
    _look_at_constants(counts, logits)
    for temperature, shares in counts.items():
        _look_at_shares(shares, logits, temperature)
        yield right(f"At temperature {temperature} every class is drawn as often as it should be.")
    shifted = _shares(student, logits - 100.0, 1.0)
    if _distance(shifted, logits.softmax(-1)) > FAR:
        raise Wrong(
            "With 100 taken from every logit other notes are drawn, though the softmax is the "
            "same: are the probabilities divided by their sum?"
        )
    yield right("A constant added to all logits changes nothing.")
    first, second = (_draws(student, logits, 1.0, seed=5, count=40) for _ in range(2))
    if first != second:
        raise Wrong(
            "Equal generators draw other notes: the generator is not used. Hand it on: "
            "torch.multinomial(..., generator=generator)."
        )
    yield right("All randomness comes from the generator.")


def _draws(
    student: Student, logits: Tensor, temperature: float, *, seed: int, count: int
) -> list[int]:
    generator = torch.Generator().manual_seed(seed)
    return [_class(student(logits, temperature, generator), len(logits)) for _ in range(count)]


def _class(value: Any, num_classes: int) -> int:
    if value is None:
        raise Wrong("sample_note returned None: is the return missing?")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise Wrong(f"sample_note returned {value.numel()} numbers; one class is asked for.")
    number = float(value)
    if number != int(number):
        raise Wrong("sample_note returned a fraction: the class is asked for, not its probability.")
    if not 0 <= number < num_classes:
        raise Wrong(f"With K classes they are 0 to K - 1, and sample_note returned {int(number)}.")
    return int(number)


def _shares(student: Student, logits: Tensor, temperature: float) -> Tensor:
    drawn = torch.tensor(_draws(student, logits, temperature, seed=3, count=DRAWS))
    return torch.bincount(drawn, minlength=len(logits)) / DRAWS


def _distance(shares: Tensor, p: Tensor) -> float:
    """Total variation."""
    return float((shares - p).abs().sum()) / 2


def _look_at_constants(counts: dict[float, Tensor], logits: Tensor) -> None:
    if any(shares.max() < 1 for shares in counts.values()):
        return
    if all(int(shares.argmax()) == int(logits.argmax()) for shares in counts.values()):
        raise Wrong(
            "Always the likeliest note comes: that is argmax instead of sampling, and a song of "
            "one note for ever. Draw a class with its probability."
        )
    raise Wrong("Every draw is the same: is a seed set inside the function?")


def _look_at_shares(shares: Tensor, logits: Tensor, temperature: float) -> None:
    p = (logits / temperature).softmax(-1)
    if _distance(shares, p) <= FAR:
        return
    reached = (logits / temperature).exp().cumsum(-1).clamp(max=1)
    causes = {
        "the temperature acts the wrong way round: divide the logits by it": (
            (logits * temperature).softmax(-1)
        ),
        "the temperature is not used, or cancels: divide the logits by it, not the probabilities": (
            logits.softmax(-1)
        ),
        "the softmax is applied twice, which makes all notes nearly alike": p.softmax(-1),
        "the probabilities are not normalised: divide exp(logits) by its sum": (
            torch.diff(reached, prepend=torch.zeros(1))
        ),
        "the logits themselves are used as probabilities: the softmax is missing": (
            F.normalize(logits.clamp(min=0), p=1, dim=-1)
        ),
        "every note is as likely as any other: the logits are not used": torch.full_like(p, 0.2),
    }
    cause, nearest = min(causes.items(), key=lambda item: _distance(shares, item[1]))
    if _distance(shares, nearest) > FAR:
        cause = f"class {int((shares - p).abs().argmax())} is drawn far too often or too seldom"
    raise Wrong(f"At temperature {temperature} the notes come in the wrong shares: {cause}.")


MISTAKES = (
    Mistake("argmax instead of sampling", _mistaken("return int(p.argmax())"), "argmax"),
    Mistake("not normalised",
            _mistaken("reached = (logits / temperature).exp().cumsum(-1)\n"
                      "    u = torch.rand((), generator=generator)\n"
                      "    return int((reached > u).int().argmax())"), "not normalised"),
    Mistake("temperature the wrong way round",
            _mistaken("p = (logits * temperature).softmax(-1)\n"
                      "    return int(torch.multinomial(p, 1, generator=generator))"),
            "wrong way round"),
    Mistake("temperature not used",
            _mistaken("return int(torch.multinomial(logits.softmax(-1), 1, generator=generator))"),
            "not used"),
    Mistake("softmax twice",
            _mistaken("return int(torch.multinomial(p.softmax(-1), 1, generator=generator))"),
            "applied twice"),
    Mistake("logits as probabilities",
            _mistaken("p = logits.clamp(min=0)\n"
                      "    return int(torch.multinomial(p, 1, generator=generator))"),
            "softmax is missing"),
    Mistake("another source of randomness",
            _mistaken("return int(torch.multinomial(p, 1))"), "generator is not used"),
    Mistake("a seed inside",
            _mistaken("torch.manual_seed(1)\n    return int(torch.multinomial(p, 1))"),
            "seed set inside|argmax"),
    Mistake("uniform", _mistaken("return int(torch.randint(len(p), (), generator=generator))"),
            "logits are not used"),
    Mistake("the probability", _mistaken("return float(p.max())"), "not its probability"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="sample_note",
        lab=1,
        title="Sample one note",
        source="2018 lab 1, part 2: generation",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
