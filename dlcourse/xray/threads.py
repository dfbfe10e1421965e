"""Work on many files at once, for what lets go of Python's lock: reading, hashing, decoding."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dlcourse.progress import progress_bar

S, T = TypeVar("S"), TypeVar("T")


def in_threads(work: Callable[[S], T], items: Sequence[S], what: str) -> Iterator[T]:
    """The results in order, a few ahead of who takes them, so that memory stays bounded.

    Args:
        what: Is done, as the bar says that shows how far it is.
    """
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque = deque()
        for item in progress_bar(items, f"{what} radiographs"):
            ahead.append(pool.submit(work, item))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
