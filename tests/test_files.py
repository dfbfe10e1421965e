"""Files and folders appear whole or not at all."""

import csv
import errno
import os
import subprocess
from pathlib import Path

import pytest

from dlcourse.errors import InputError
from dlcourse.files import (
    clear_partials,
    disk_refusal,
    write_json,
    write_rows,
    write_text,
    written_whole,
)


class Stopped(BaseException):
    """Even a stop that nothing catches leaves no half file."""


def test_a_file_appears_at_the_end_under_its_name_and_keeps_its_suffix(tmp_path: Path) -> None:
    path = tmp_path / "new" / "song.mid"
    with written_whole(path) as partial:
        partial.write_bytes(b"half")
        assert (partial.suffix, partial.parent) == (".mid", path.parent)
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")

    def fail() -> None:
        with written_whole(path) as partial:
            if kind == "folder":
                (partial / "deep").mkdir(parents=True)
            else:
                partial.write_text("new")
            raise Stopped

    with pytest.raises(Stopped):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_somebody_else_finished_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "songs"
    with written_whole(path) as partial:
        partial.mkdir()
        (partial / "ours").touch()
        path.mkdir()
        (path / "theirs").touch()
    assert [p.name for p in path.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf_8_and_json_refuses_nan(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "♪ é\n")
    assert (tmp_path / "a.txt").read_bytes() == "♪ é\n".encode()
    write_json(tmp_path / "a.json", {"é": [1, None]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8").startswith('{\n  "é": [')
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_text(encoding="utf-8").startswith("{")


def partial_name(path: Path) -> str:
    with written_whole(path) as partial:
        partial.touch()
    path.unlink()
    return partial.name


def test_what_a_killed_process_of_the_same_number_left_is_not_taken_in(tmp_path: Path) -> None:
    name = partial_name(tmp_path / "songs")
    (tmp_path / name).mkdir()  # as the first process of every container has the number 1
    (tmp_path / name / "half").touch()
    with written_whole(tmp_path / "songs") as partial:
        partial.mkdir()
        (partial / "whole").touch()
    assert [path.name for path in (tmp_path / "songs").iterdir()] == ["whole"]


@pytest.mark.parametrize(
    ("claimed", "kept"), [(False, {"living", "elsewhere"}), (True, {"living"})]
)
def test_what_killed_processes_left_is_cleared_and_nothing_else(
    tmp_path: Path, claimed: bool, kept: set[str]
) -> None:
    ours = partial_name(tmp_path / "a.csv")
    dead = subprocess.Popen(["true"])
    dead.wait()
    numbers = {"dead": dead.pid, "living": os.getppid(), "reused": os.getpid()}
    names = {key: ours.replace(str(os.getpid()), str(n)) for key, n in numbers.items()}
    names["elsewhere"] = names["dead"].replace("@", "@another-")
    for key, name in names.items():
        (tmp_path / key).mkdir()
        (tmp_path / key / name).mkdir()
        (tmp_path / key / name / "half").touch()
        (tmp_path / key / "other.partial").touch()
    clear_partials(tmp_path, "**/", claimed=claimed)
    assert {key for key, name in names.items() if (tmp_path / key / name).exists()} == kept
    assert all((tmp_path / key / "other.partial").exists() for key in names)


def test_a_full_disk_names_the_file_that_was_to_be_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "song.mid"

    def fill(inner: str | None) -> None:
        with written_whole(path) as partial:
            name = None if inner is None else str(partial / inner)
            raise OSError(errno.ENOSPC, "No space left", name)

    for inner in (None, "", "deep.csv"):
        with pytest.raises(OSError, match="No space left") as error:
            fill(inner)
        assert disk_refusal(error.value) == f"{path}: No space left: free some space there"


def test_only_what_the_disk_refuses_is_told_as_such() -> None:
    full = OSError(errno.ENOSPC, "No space left")
    wrapped, mended = ValueError("no log"), InputError("a better word")
    wrapped.__cause__ = mended.__cause__ = full
    assert disk_refusal(wrapped) == "No space left: free some space there"
    assert disk_refusal(mended) is None
    assert disk_refusal(FileNotFoundError(errno.ENOENT, "No such file")) is None


def test_names_that_are_no_text_are_written_as_escapes(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    write_text(tmp_path / "a.md", name)
    write_rows(tmp_path / "a.csv", [["file", "note"], [name, 'a, "b"']])
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "caf\\udce9"
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as lines:
        assert [*csv.reader(lines)] == [["file", "note"], ["caf\\udce9", 'a, "b"']]
