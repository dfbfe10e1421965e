"""Eager mode and torch.compile beside each other: the same values, and both times."""

import os
import time
import timeit
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from dlcourse.basics.failures import first_line, quiet

# From what compiles to C++ to what only captures; the last two need no compiler.
BACKENDS = ("inductor", "aot_eager", "eager")
_CACHE = "TORCHINDUCTOR_CACHE_DIR"
REPEATS = 5  # of a timing, whose median counts


@dataclass(frozen=True)
class Case:
    """A model and the inputs it is timed with."""

    name: str
    model: nn.Module
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Timing:
    """Seconds of the first call, and of a later one: the median of some means."""

    first: float
    steady: float


@dataclass(frozen=True)
class Comparison:
    """One case both ways.

    Attributes:
        compiled: None where no backend worked.
        backend: The one that did.
        difference: The largest between the two values, absolute.
        failures: One line for every backend that did not work.
    """

    case: Case
    eager: Timing
    compiled: Timing | None = None
    backend: str = ""
    difference: float = float("nan")
    failures: list[str] = field(default_factory=list)


def timed(
    function: Callable[..., Tensor], inputs: Sequence[Tensor], *, seconds: float = 0.2
) -> tuple[Tensor, Timing]:
    """A function's value and its times.

    Args:
        seconds: For how long it is called again.
    """
    with torch.no_grad():
        start = time.perf_counter()
        value = function(*inputs)
        first = time.perf_counter() - start
        timer = timeit.Timer(lambda: function(*inputs))
        once = timer.timeit(10) / 10
        number = max(1, int(seconds / REPEATS / once))
        return value, Timing(first, median(timer.repeat(REPEATS, number)) / number)


def compared(case: Case, *, backends: Iterable[str] = BACKENDS, seconds: float = 0.2) -> Comparison:
    """A case in eager mode and through torch.compile, with the first backend that works."""
    expected, eager = timed(case.model, case.inputs, seconds=seconds)
    failures: list[str] = []
    for backend in backends:
        try:
            with quiet():
                torch.compiler.reset()  # so that the first call compiles
                compiled = torch.compile(case.model, backend=backend, dynamic=False)
                value, timing = timed(compiled, case.inputs, seconds=seconds)
        except Exception as error:  # compilers fail with anything
            failures.append(f"backend {backend} does not work here: {first_line(error)}")
            continue
        difference = (value - expected).abs().max().item()
        return Comparison(case, eager, timing, backend, difference, failures)
    return Comparison(case, eager, failures=failures)


def comparisons(
    cases: Iterable[Case], *, backend: str = "inductor", seconds: float = 0.2
) -> list[Comparison]:
    """All cases; a backend that has failed once is not asked again.

    Args:
        backend: The first to try; those after it in `BACKENDS` stand in for it.
    """
    left, found = list(BACKENDS[BACKENDS.index(backend) :]), []
    with _empty_cache():
        for case in cases:
            found.append(compared(case, backends=left, seconds=seconds))
            left = left[len(found[-1].failures) :]
    return found


@contextmanager
def _empty_cache() -> Iterator[None]:
    """Nothing compiled earlier is found on disk, so that first calls are first ones.

    Source: TORCHINDUCTOR_CACHE_DIR in PyTorch's tutorial on compile-time caching.
    """
    before = os.environ.get(_CACHE)
    # Windows does not delete libraries that are loaded.
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[_CACHE] = folder
        try:
            yield
        finally:
            os.environ.pop(_CACHE)
            if before is not None:
                os.environ[_CACHE] = before
