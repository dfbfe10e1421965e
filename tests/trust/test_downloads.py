"""Servers that lie, dawdle, flood or lead elsewhere: one line, and nothing is left behind."""

import gzip
import io
import socket
import tarfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from hashlib import md5
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dlcourse.downloads import answers, git_folders, remote_files
from dlcourse.downloads.addresses import check_address, without_login
from dlcourse.downloads.git_folders import GitFolder, fetch_git_folder
from dlcourse.downloads.remote_files import RemoteFile, fetch_file, part_of
from dlcourse.downloads.tar_streams import MOST_HEADERS
from dlcourse.errors import InputError
from tests.reliability import Trials
from tests.serving import serving
from tests.trust.bounds import refused as refused_within
from tests.trust.mutating import mutated

CONTENT = b"twelve bytes"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
Script = Callable[[socket.socket, threading.Event], None]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def answering(script: Script) -> Iterator[str]:
    """A server of bare sockets that does what a script says; its address."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:  # closed
                return
            with connection:
                connection.settimeout(10)
                try:
                    connection.recv(65536)
                    script(connection, ended)
                except OSError:  # the reader has hung up
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def says(*parts: bytes) -> Script:
    """Sends these bytes, and closes."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        for part in parts:
            connection.sendall(part)

    return script


def drips(before: bytes) -> Script:
    """A byte every fiftieth of a second for ever."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(before)
        while not ended.wait(0.02):
            connection.sendall(b"x")

    return script


def floods(before: bytes, again: bytes) -> Script:
    """The same bytes for ever."""

    def script(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(before)
        while not ended.is_set():
            connection.sendall(again * (65536 // len(again)))

    return script


def falls_silent(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(GOOD + b"twelve")
    ended.wait(10)


def remote(url: str, *, size: int | None = len(CONTENT)) -> RemoteFile:
    return RemoteFile(url=url, md5=md5(CONTENT).hexdigest(), advice="do this", size=size)


def moved(to: str) -> Script:
    return says(f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode())


ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
HEADERS = b"".join(b"X-%d: y\r\n" % number for number in range(100_000))
LIARS: dict[str, tuple[Script, str]] = {
    "more than it told": (says(b"HTTP/1.1 200 OK\r\n\r\n", CONTENT * 2), "wrong size"),
    "less than it told": (says(GOOD, CONTENT[:5]), "interrupted: got 5 of 12"),
    "nothing at all": (says(b""), "cannot be reached"),
    "no http": (says(b"SSH-2.0-OpenSSH_9.6\r\n"), "cannot be reached"),
    "a length that is no number": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: twelve\r\n\r\n", CONTENT[:-1]),
        "interrupted",
    ),
    "a length of 5000 digits": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", CONTENT[:5]),
        "interrupted",
    ),
    "a length below zero": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: -12\r\n\r\n", CONTENT[:5]),
        "interrupted",
    ),
    "a length beyond all": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000\r\n\r\n"),
        "too large",
    ),
    "a range that was not asked for": (
        says(b"HTTP/1.1 206 x\r\nContent-Range: bytes 5-11/12\r\nContent-Length: 7\r\n\r\n"),
        "goes on from byte 5, it was asked for 0",
    ),
    "a range of 5000 digits": (
        says(b"HTTP/1.1 206 x\r\nContent-Range: bytes " + b"9" * 5000 + b"-\r\n\r\n", CONTENT[:5]),
        "interrupted",
    ),
    "packed on its way": (
        says(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n",
            gzip.compress(CONTENT)[:12],
        ),
        "wrong content",
    ),
    "a chunk of no size": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        "interrupted",
    ),
    "100,000 headers": (says(b"HTTP/1.1 200 OK\r\n", HEADERS, b"\r\n"), "cannot be reached"),
    "a header of a megabyte": (
        says(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10**6, b"\r\n\r\n"),
        "cannot be reached",
    ),
    "to a file of this machine": (moved("file:///etc/passwd"), "the server answers 302"),
    "to ftp": (moved("ftp://127.0.0.1/x"), "only https is safe"),
    "to data in the address": (moved("data:text/plain,twelve"), "the server answers 302"),
    "to plain http elsewhere": (moved("http://192.0.2.1/x"), "only https is safe"),
    "to an address with a password": (
        moved("http://me:secret@127.0.0.1/x"),
        "with a name or password",
    ),
    "in circles": (moved("/x"), "the server answers 302"),
    "to nothing that is an address": (moved("http://[::1/x"), "cannot be reached"),
}


@pytest.mark.parametrize("kind", LIARS)
def test_an_answer_that_lies_is_one_line_and_no_file(
    tmp_path: Path, kind: str, trials: Trials
) -> None:
    trials("wrong answers of servers", usual=1, nightly=1)
    script, expected = LIARS[kind]
    with answering(script) as url, pytest.raises(InputError) as caught:
        fetch_file(remote(url), tmp_path / "x")
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert message.endswith("do this")
    assert "secret" not in message
    assert {path.name for path in tmp_path.iterdir()} <= {"x.part"}


@pytest.mark.parametrize(
    ("script", "limit", "expected"),
    [
        (falls_silent, "TIMEOUT", "timed out"),
        (drips(GOOD.replace(b"12", b"1200")), "PATIENCE", "bytes in 0.3 seconds"),
        (drips(ENDLESS), "PATIENCE", "bytes in 0.3 seconds"),
    ],
    ids=["silence", "a drip", "a drip without an end"],
)
def test_nobody_waits_for_ever(
    tmp_path: Path, script: Script, limit: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, limit, 0.3)
    with answering(script) as url, pytest.raises(InputError, match=expected):
        fetch_file(remote(url, size=None), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_line_that_is_slow_but_alive_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "PATIENCE", 0.0)
    monkeypatch.setattr(answers, "LEAST", len(CONTENT) // 2)
    with (
        serving({"/x": CONTENT}) as server,
        answers.opened(f"{server.url}/x", lambda got, total: None) as body,
    ):
        got = [body.read(6), body.read(6)]
    assert b"".join(got) == CONTENT


def test_a_body_without_an_end_fills_no_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 2**22
    monkeypatch.setattr(answers, "MOST", most)
    with answering(floods(ENDLESS, b"x")) as url:
        with pytest.raises(InputError, match="wrong content"):
            fetch_file(remote(url, size=None), tmp_path / "x")
        assert not list(tmp_path.iterdir())
        left = iter(range(remote_files.SPARE + 5, 0, -1))
        room = lambda path: SimpleNamespace(free=next(left))  # noqa: E731
        monkeypatch.setattr(remote_files.shutil, "disk_usage", room)
        with pytest.raises(InputError, match="make room"):
            fetch_file(remote(url, size=None), tmp_path / "x")
        assert part_of(tmp_path / "x").stat().st_size < most


def test_an_encrypted_answer_leads_to_no_plain_one() -> None:
    """Not even to one of this machine: whoever answers does not choose what is asked here."""
    handler = answers._CheckedRedirects()
    for scheme, allowed in (("https", False), ("http", True)):
        request = urllib.request.Request(f"{scheme}://127.0.0.1/x")
        rest = (io.BytesIO(), 302, "Found", Message())
        if allowed:
            handler.redirect_request(request, *rest, "http://127.0.0.1/y")
        else:
            with pytest.raises(InputError, match="only https"):
                handler.redirect_request(request, *rest, "http://127.0.0.1/y")
        assert handler.redirect_request(request, *rest, "https://127.0.0.1/y") is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x", "http://127.0.0.1.example.org/x", "http://127.0.0.1@example.org/x",
        "http://localhost:80@example.org/", "file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x",
        "javascript:alert(1)", "//example.org/x", "/etc/passwd", "", "https://me@example.org/x",
        "https://me:secret@example.org/x", "https://[::1/x", "http://[::ffff:127.0.0.1]:9/x",
        "http://2130706433/x", "http://0/x", "HTTP://EXAMPLE.org/x",
    ],
)  # fmt: skip
def test_an_address_that_is_not_safe_is_refused_unasked(url: str) -> None:
    with pytest.raises(InputError, match="refused: "):
        check_address(url)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("url=https://me:secret@host/a@b?c=d@e", "url=https://***@host/a@b?c=d@e"),
        ("http://token@host", "http://***@host"),
        ("'a=[https://u:p@q@h/x,ftp://v:w@h/x]'", "'a=[https://***@h/x,ftp://***@h/x]'"),
        ("mail me@example.org, see https://host/x", "mail me@example.org, see https://host/x"),
    ],
)
def test_an_address_is_shown_without_its_password(given: str, shown: str) -> None:
    assert without_login(given) == shown


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


SMALL = archive(
    *((tarfile.TarInfo(f"top/lab/{name}"), name.encode() * 99) for name in ("a", "b/c", "d" * 120))
)
SOURCE = GitFolder("owner/name", "c" * 40, "lab", "0" * 40, "")


def fetched(
    body: bytes, folder: Path, source: GitFolder = SOURCE, keep: Callable[[str], bool] = bool
) -> Path:
    with serving({"/x": body}) as server:
        return fetch_git_folder(source, folder / "lab", url=f"{server.url}/x", keep=keep)


def header(kind: bytes, size: int, name: str = "top/lab/x") -> bytes:
    """A header of a file of this type and size, which may be a lie."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def squeezed(*parts: bytes, zeros: int = 0) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
        for _ in range(zeros >> 20):
            file.write(bytes(2**20))
    return out.getvalue()


BOMBS = {
    "a pax header": squeezed(header(b"x", 2**30), zeros=2**28),
    "a global pax header": squeezed(header(b"g", 2**30), zeros=2**28),
    "a long name": squeezed(header(b"L", 2**30), zeros=2**28),
    "a file": squeezed(header(b"0", 2**30), zeros=2**28),
    "a file beyond all": squeezed(header(b"0", 2**60), zeros=2**20),
    "long names of long names": squeezed(*[header(b"L", 1) + b"x".ljust(512, b"\0")] * 1500),
    "a deep name": archive((tarfile.TarInfo("top/lab/" + "a/" * 3000 + "x"), b"")),
    "a name with a zero": archive((tarfile.TarInfo(f"top/lab/{'a' * 120}\0b"), b"")),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_an_archive_takes_no_more_memory_than_its_files(
    tmp_path: Path, kind: str, trials: Trials
) -> None:
    trials("archives that claim or inflate to gigabytes", usual=2, nightly=2)
    for kept in (True, False):
        arguments = (BOMBS[kind], tmp_path, SOURCE, lambda name, kept=kept: kept)
        message = refused_within(fetched, *arguments, megabytes=150, seconds=20)
        assert message is not None
        assert len(message) < 500
        assert not list(tmp_path.iterdir())


def test_an_endless_sequence_of_empty_archives_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "MOST", 2**20)
    script = floods(ENDLESS, gzip.compress(b""))
    with answering(script) as url, pytest.raises(InputError, match="not a complete"):
        fetch_git_folder(SOURCE, tmp_path / "lab", url=url)


def test_a_damaged_archive_is_refused_or_is_the_same_folder(tmp_path: Path, trials: Trials) -> None:
    """Bytes changed after and before compression; git's hash says whether it mattered."""
    rng, kept, said = np.random.default_rng(6), 0, ""
    plain = gzip.decompress(SMALL)
    with pytest.raises(InputError) as caught:
        fetched(SMALL, tmp_path)
    tree = str(caught.value).partition("git tree ")[2][:40]
    source = GitFolder("owner/name", "c" * 40, "lab", tree, "")
    whole = fetched(SMALL, tmp_path / "whole", source)
    expected = {p.relative_to(whole): p.read_bytes() for p in whole.rglob("*") if p.is_file()}
    assert len(expected) == 3
    with serving({}) as server:
        for number in range(trials("mutated archives", usual=300, nightly=10_000)):
            body = mutated(SMALL, rng) if number % 2 else squeezed(mutated(plain, rng))
            server.files["/x"], folder = body, tmp_path / str(number)
            try:
                fetch_git_folder(source, folder, url=f"{server.url}/x")
            except InputError as error:
                said += str(error)
                continue
            found = {
                p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()
            }
            assert found == expected
            kept += 1
    assert kept, "some changes do not matter"
    assert "\n" not in said
    assert len(list(tmp_path.iterdir())) == kept + 1, "nothing else is left"


def test_headers_are_metered_and_files_are_not(tmp_path: Path) -> None:
    """A file far larger than all headers may be passes, also where it is skipped."""
    large = bytes(3 * MOST_HEADERS)
    body = archive(
        (tarfile.TarInfo("top/elsewhere"), large),
        (tarfile.TarInfo("top/lab/large"), large),
        (tarfile.TarInfo("top/lab/last"), b"1"),
    )
    with pytest.raises(InputError, match="wrong content: git tree"):
        fetched(body, tmp_path)
    assert len(large) < git_folders.MOST_OF_A_FILE
