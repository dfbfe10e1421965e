"""How a check speaks: it yields findings, and stops where nothing more can be looked at."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlcourse.exercises.exercise import Finding


class Wrong(Exception):
    """Ends a check with a last finding: the student's answer cannot be looked at any further."""


def judging(check: Callable[[Any], Iterator[Finding]]) -> Callable[[Any], list[Finding]]:
    """A check that yields its findings, as one that returns them; `Wrong` is the last of them."""

    @wraps(check)
    def judge(student: Any) -> list[Finding]:
        findings: list[Finding] = []
        try:
            for finding in check(student):
                findings.append(finding)  # one by one: those before a `Wrong` stay
        except Wrong as wrong:
            findings.append(Finding(False, str(wrong)))
        return findings

    return judge


def right(text: str) -> Finding:
    """Something that is as it has to be."""
    return Finding(True, text)


def tensor_from(value: Any, shape: tuple[int, ...], what: str) -> Tensor:
    """What a student returned, as a tensor of that shape.

    Args:
        value: A tensor, an array or a number.
        shape: What it has to be.
        what: Begins the sentence: "generate_notes".

    Raises:
        Wrong: It is nothing of the kind, has another shape, or holds NaN.
    """
    if value is None:
        raise Wrong(f"{what} returned None: is the return missing?")
    try:
        tensor = value if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))
    except TypeError:
        raise Wrong(f"{what} returned a {type(value).__name__}, not a tensor") from None
    if tuple(tensor.shape) != shape:
        raise Wrong(f"{what} returned the shape {tuple(tensor.shape)}; it has to be {shape}")
    if tensor.is_floating_point() and tensor.isnan().any():
        raise Wrong(f"{what} returned NaN (not a number)")
    return tensor.detach()


def same(value: Any, reference: Any, *, tolerance: float = 1e-4) -> bool:
    """Whether two numbers or arrays are the same but for rounding."""
    value, reference = np.asarray(value, dtype=float), np.asarray(reference, dtype=float)
    return value.shape == reference.shape and bool(
        np.allclose(value, reference, rtol=tolerance, atol=tolerance)
    )


def matched(value: Any, causes: Mapping[str, Any], otherwise: str) -> str:
    """The text of the mistake that leads to this value, or another one when none does.

    Args:
        value: What the student's function returned.
        causes: From the text to what the mistake would have led to.
        otherwise: The text for a value that no known mistake leads to.
    """
    return next((text for text, led_to in causes.items() if same(value, led_to)), otherwise)
