"""What an exercise is: a function that students write, and what is known of wrong ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        ok: Whether it is as it has to be.
        text: A plain sentence for the student: what was checked; or what is wrong and what to look
            at. It holds no source and no whole input, so that nobody reads the answer from it.
    """

    ok: bool
    text: str


@dataclass(frozen=True)
class Mistake:
    """A classic way to get an exercise wrong, which the check has to name.

    Attributes:
        name: "argmax instead of sampling".
        source: Python source of the function or class with this mistake.
        says: A regular expression that one of the findings that are not ok matches.
    """

    name: str
    source: str
    says: str


@dataclass(frozen=True)
class Exercise:
    """A small function or class with a contract.

    Attributes:
        name: Of the function or class, "sample_note".
        lab: 1 or 2.
        title: A line for tables, "Sample one note".
        source: Where the lab asks for it.
        skeleton: Python source: signature with annotations, docstring with shapes, formula and
            source; the body is `raise NotImplementedError`.
        solution: Python source of a solution that calls this package.
        check: Looks at a student's function or class. It may raise whatever that raises: the
            runner tells the student where.
        mistakes: The classic ones.
    """

    name: str
    lab: int
    title: str
    source: str
    skeleton: str
    solution: str
    check: Callable[[Any], list[Finding]]
    mistakes: tuple[Mistake, ...] = ()
