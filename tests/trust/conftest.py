"""What several trust tests need."""

from collections.abc import Iterator

import pytest

from tests.trust.killing import Zygote, zygote


@pytest.fixture(scope="session")
def processes() -> Iterator[Zygote]:
    """Where real processes come from."""
    with zygote() as process:
        yield process
