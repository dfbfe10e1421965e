"""A file appears whole and verified; what broke off goes on where it was."""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dlcourse.downloads.remote_files import SPARE, RemoteFile, fetch_file, part_of
from dlcourse.errors import InputError
from tests.serving import FileServer, serving

pytestmark = pytest.mark.trust
CONTENT = hashlib.shake_128(b"content").digest(1_000_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({"/x": CONTENT}) as server:
        yield server


def remote(server: FileServer, **changes: object) -> RemoteFile:
    file = RemoteFile(url=f"{server.url}/x", md5=MD5, size=len(CONTENT), advice="do this")
    return replace(file, **changes)


def refused(file: RemoteFile, path: Path) -> str:
    """The message of a fetch that has to fail and to leave nothing under the name itself."""
    with pytest.raises(InputError) as caught:
        fetch_file(file, path)
    assert not path.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_file_arrives_whole_and_alone(
    server: FileServer, tmp_path: Path, told: bool, size: int | None
) -> None:
    server.told = told
    path = tmp_path / "new" / "x.bin"
    assert fetch_file(remote(server, size=size), path) == path
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["x.bin"]


def test_a_file_that_is_right_is_not_fetched_again(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    fetch_file(remote(server), tmp_path / "x")
    assert server.asked == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[:-1] + b"?"])
def test_another_file_under_the_name_is_named_and_not_touched(
    server: FileServer, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match=r"x: wrong (size|content): .* move it away"):
        fetch_file(remote(server), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content
    assert server.asked == []


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_what_broke_off_is_resumed_from_its_last_byte(
    server: FileServer, tmp_path: Path, size: int | None
) -> None:
    path, file = tmp_path / "x", remote(server, size=size)
    server.break_after = 600_000
    message = refused(file, path)
    assert f"interrupted: got 600000 of {len(CONTENT)} bytes" in message
    assert message.endswith("do this")
    assert part_of(path).read_bytes() == CONTENT[:600_000]
    server.break_after = None
    server.forget()
    fetch_file(file, path)
    assert path.read_bytes() == CONTENT
    assert server.asked == [("/x", "bytes=600000-")]
    assert server.sent == len(CONTENT) - 600_000
    assert not part_of(path).exists()


def test_a_break_without_an_announced_length_is_resumed_too(
    server: FileServer, tmp_path: Path
) -> None:
    server.told, server.break_after = False, 300_000
    assert "interrupted: got 300000" in refused(remote(server), tmp_path / "x")
    server.break_after = None
    fetch_file(remote(server), tmp_path / "x")
    assert server.asked[-1] == ("/x", "bytes=300000-")
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_over_and_says_so(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part_of(tmp_path / "x").write_bytes(b"?" * 700_000)  # would be wrong, were it kept
    server.ranges = False
    fetch_file(remote(server), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert caplog.messages == ["x: the server cannot send the rest alone: starting over"]


def test_a_web_page_instead_of_the_file_is_not_kept(server: FileServer, tmp_path: Path) -> None:
    server.kind = "text/html; charset=utf-8"
    assert "a web page came instead of the file" in refused(remote(server), tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_noticed_before_it_is_full(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SPARE + len(CONTENT) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    assert "101 MB are needed, 101 MB are free; make room" in refused(
        remote(server), tmp_path / "x"
    )
    part_of(tmp_path / "x").write_bytes(CONTENT[:1])  # so that one byte less is to come
    fetch_file(remote(server), tmp_path / "x")


def test_damage_within_a_resumed_part_is_found_and_thrown_away(
    server: FileServer, tmp_path: Path
) -> None:
    part_of(tmp_path / "x").write_bytes(b"?" + CONTENT[1:500_000])
    message = refused(remote(server), tmp_path / "x")
    assert f"expected {MD5}; what came was removed" in message
    assert not list(tmp_path.iterdir())
    fetch_file(remote(server), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_a_part_that_is_complete_needs_no_request(
    server: FileServer, tmp_path: Path, size: int | None
) -> None:
    part_of(tmp_path / "x").write_bytes(CONTENT)
    fetch_file(remote(server, size=size), tmp_path / "x")
    assert server.asked == []


def test_a_part_longer_than_the_file_starts_over(server: FileServer, tmp_path: Path) -> None:
    part_of(tmp_path / "x").write_bytes(CONTENT + b"more")
    fetch_file(remote(server, size=None), tmp_path / "x")
    assert [asked for _, asked in server.asked] == [f"bytes={len(CONTENT) + 4}-", ""]
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_wrong_content_is_thrown_away(server: FileServer, tmp_path: Path) -> None:
    message = refused(remote(server, md5="0" * 32), tmp_path / "x")
    assert f"wrong content: md5 {MD5}, expected {'0' * 32}" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("digits", [8, 64])
def test_the_first_digits_of_a_sha_256_do_too(
    server: FileServer, tmp_path: Path, digits: int
) -> None:
    known = hashlib.sha256(CONTENT).hexdigest()[:digits]
    file = remote(server, md5="", sha256=known)
    assert fetch_file(file, tmp_path / "x").read_bytes() == CONTENT
    assert fetch_file(file, tmp_path / "x") == tmp_path / "x"
    (tmp_path / "x").write_bytes(b"?" + CONTENT[1:])
    with pytest.raises(InputError, match=f"wrong content: sha256 .*expected {known}; move it away"):
        fetch_file(file, tmp_path / "x")
    (tmp_path / "x").unlink()
    message = refused(remote(server, md5="", sha256="0" * digits), tmp_path / "x")
    assert f"expected {'0' * digits}; what came was removed" in message


@pytest.mark.parametrize("change", [-1, 1])
def test_an_announced_wrong_size_costs_nothing_of_what_is_there(
    server: FileServer, tmp_path: Path, change: int
) -> None:
    part_of(tmp_path / "x").write_bytes(CONTENT[:1000])
    message = refused(remote(server, size=len(CONTENT) + change), tmp_path / "x")
    assert f"wrong size: {len(CONTENT)} bytes are offered" in message
    assert part_of(tmp_path / "x").read_bytes() == CONTENT[:1000]


def test_an_answer_that_is_too_long_is_not_read_to_its_end(
    server: FileServer, tmp_path: Path
) -> None:
    server.told = False
    server.files["/x"] = CONTENT * 20
    assert "wrong size" in refused(remote(server), tmp_path / "x")
    assert server.sent < 15 * len(CONTENT)
    assert not list(tmp_path.iterdir())


def test_not_found_and_not_reached_say_what_to_do(server: FileServer, tmp_path: Path) -> None:
    missing = remote(server, url=f"{server.url}/y")
    assert "the server answers 404" in refused(missing, tmp_path / "x")
    offline = remote(server, url="http://127.0.0.1:9/x")
    message = refused(offline, tmp_path / "x")
    assert message == "x: cannot be reached (Connection refused) (http://127.0.0.1:9/x); do this"
    assert "only https" in refused(remote(server, url="http://example.org/x"), tmp_path / "x")


def test_a_place_that_cannot_be_written_is_one_line(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match="cannot be written"):
        fetch_file(remote(server), tmp_path / "file" / "x")
