"""Progress bars on standard error, where a person is watching and nowhere else."""

import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def watched() -> bool:
    """Whether a person sees standard error, and no other job of a sweep draws on the same lines."""
    alone = not multiprocessing.current_process().name.startswith("Loky")  # joblib's workers
    return sys.stderr.isatty() and alone


def progress_bar(items: Iterable[T], what: str, *, total: int | None = None) -> Iterable[T]:
    """The same items, with a bar that names the work once it has taken half a second."""
    return tqdm(items, desc=what, total=total, delay=0.5, leave=False, disable=not watched())


@contextmanager
def download_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar in bytes; yields a function to call with each read's bytes and the total, if known."""
    with tqdm(
        desc=what, unit="B", unit_scale=True, delay=0.5, leave=False, disable=not watched()
    ) as bar:

        def progress(got: int, total: int | None) -> None:
            bar.total = total
            bar.update(got)

        yield progress
