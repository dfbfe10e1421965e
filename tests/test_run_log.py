"""A run's log in its own folder."""

import logging
from pathlib import Path

import pytest

from dlcourse.run_log import logged_apart


def test_what_is_logged_goes_to_the_file_and_warnings_come_through_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("dlcourse.somewhere")
    caplog.set_level(logging.INFO)
    for name in ("one", "two"):
        with logged_apart(tmp_path / "train.log"):
            log.info("quiet %s", name)
            log.warning("loud %s", name)
        log.info("after %s", name)
    assert caplog.messages == ["loud one", "after one", "loud two", "after two"]
    lines = (tmp_path / "train.log").read_text().splitlines()
    said = [line.partition(" - ")[2] for line in lines]
    assert said == ["quiet one", "loud one", "quiet two", "loud two"]


def test_an_error_gives_the_log_back(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    with pytest.raises(RuntimeError), logged_apart(tmp_path / "train.log"):
        raise RuntimeError
    assert logging.getLogger().handlers == before
    assert not any(handler.filters for handler in before)
