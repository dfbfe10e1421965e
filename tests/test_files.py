"""Files and folders appear whole or not at all."""

from pathlib import Path

import pytest

from dlcourse.files import write_json, write_text, written_whole


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
