"""From a student's wrong tensor to the sentence that helps: which known slip gives just this?"""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlcourse.exercises.exercise import Finding, Mistake
from dlcourse.exercises.judging import Wrong
from dlcourse.exercises.judging import right as passed

_CLOSE = 1e-4  # of the largest value: single precision and another order of sums


@dataclass(frozen=True, eq=False)
class Slip:
    """What comes out when one known thing is wrong.

    Attributes:
        answer: Of any shape.
        text: The sentence for whoever returns it.
    """

    answer: Tensor
    text: str


def compare(
    got: Any, want: Tensor, *, what: str, axes: str, right: str, slips: Iterable[Slip] = ()
) -> Finding:
    """What was checked, if a tensor is the wanted one.

    Args:
        what: Its name at the beginning of a sentence, "Your map".
        axes: Its shape in letters, "(N, C, h, w)".
        right: What was checked, for a right answer.
        slips: Those that are tried, the likeliest first.

    Raises:
        Wrong: It is another: the sentence of the slip that gives it, or in what they differ.
    """
    if not isinstance(got, Tensor):
        raise Wrong(f"{what} is {_kind(got)}: return a torch.Tensor of shape {axes}.")
    if same(got, want):
        return passed(right)
    for slip in slips:
        if same(got, slip.answer):
            raise Wrong(slip.text)
    if got.shape != want.shape:
        raise Wrong(f"{what} has the shape {tuple(got.shape)}; {axes} is {tuple(want.shape)} here.")
    raise Wrong(f"{what} {_difference(got.detach().double(), want.double())}.")


def same(got: Tensor, want: Tensor) -> bool:
    """Of one shape, and no farther apart than rounding explains."""
    if got.shape != want.shape:
        return False
    got, want = got.detach().double(), want.detach().double()
    atol = _CLOSE * float(want.abs().max()) if want.numel() else 0.0
    return torch.allclose(got, want, rtol=_CLOSE, atol=atol)


def offset(got: Tensor, want: Tensor) -> float | None:
    """By how much all values are too high alike; None when they are not wrong by one number."""
    apart = got.detach().double() - want.double()
    spread = float(apart.max() - apart.min())
    alike = spread <= _CLOSE * max(float(want.abs().max()), float(apart.abs().max()))
    return float(apart.mean()) if alike else None


def wrong(name: str, says: str, *, signature: str, body: str) -> Mistake:
    """A classic mistake as source: the imports, the signature and this body.

    Args:
        says: Regular expression of the sentence.
        signature: "def cost(logits, targets):".
        body: Its lines, not indented.
    """
    imports = "import numpy as np\nimport torch\nfrom torch.nn import functional as F\n"
    return Mistake(name, f"{imports}\n\n{signature}\n{textwrap.indent(body, '    ')}\n", says)


def _kind(value: Any) -> str:
    if value is None:
        return "None (is the `return` missing?)"
    return "a numpy array" if isinstance(value, np.ndarray) else f"of type {type(value).__name__}"


def _difference(got: Tensor, want: Tensor) -> str:
    if not bool(torch.isfinite(got).all()):
        return "holds nan or infinite values: look for a division by zero or an overflowing exp"
    constant = offset(got, want)
    if constant is not None:
        return f"is {abs(constant):.3g} too {'high' if constant > 0 else 'low'} everywhere"
    factor = float((got * want).sum() / want.square().sum().clamp(min=1e-12))
    if same(got, factor * want) and factor != 0:
        return f"is {factor:.3g} times what it should be, everywhere"
    apart = (got - want).abs()
    share = float((apart > _CLOSE * float(want.abs().max())).double().mean())
    return (
        f"has the right shape, but {share:.0%} of its values are wrong, by up to "
        f"{float(apart.max()):.2g} (right values reach {float(want.abs().max()):.2g})"
    )
