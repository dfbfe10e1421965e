"""Progress bars on standard error, where a person is watching and nowhere else."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress_bar(items: Iterable[T], what: str, *, total: int | None = None) -> Iterable[T]:
    """The same items, with a bar that names the work once it has taken half a second."""
    return tqdm(items, desc=what, total=total, delay=0.5, leave=False, disable=None)
