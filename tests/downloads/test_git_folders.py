"""What is fetched is exactly what was pinned, and a failure leaves nothing behind."""

import gzip
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from dlcourse.downloads import git_folders
from dlcourse.downloads.git_folders import GitFolder, fetch_git_folder
from dlcourse.downloads.git_tree import folder_sha1
from dlcourse.errors import InputError

pytestmark = pytest.mark.trust
# name -> content, mode; "a.txt" sorts before the folder "a", "a0" after it.
FILES = {
    "a.txt": (b"one\n", 0o664),
    "a/deep/er.mid": (b"MThd\x00", 0o664),
    "a/run.sh": (b"#!/bin/sh\n", 0o775),
    "a0": (b"", 0o664),
    "ü b": (b"\xff" * 70_000, 0o664),
}
TREE = "6c184737305d06374e3eb6ef9b70bfae3fde7685"  # git write-tree of them
SOURCE = GitFolder("owner/name", "c" * 40, "lab", TREE, "nobody's, no rights reserved")


class Server(HTTPServer):
    """Answers with `body`; `promised` is the Content-Length (None: not told)."""

    body = b""
    promised: int | None = None
    status = 200
    location = ""
    requests = 0


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        if self.server.promised is not None:
            self.send_header("Content-Length", str(self.server.promised))
        self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def packed(*extra: tarfile.TarInfo) -> bytes:
    """An archive like GitHub's: a pax header, a top folder, group-writable modes, other folders."""
    out = io.BytesIO()
    pax = {"comment": "0" * 40}
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT, pax_headers=pax) as tar:
        tar.addfile(member("top/", type=tarfile.DIRTYPE, mode=0o775))
        tar.addfile(member("top/lab-other/x", size=3), io.BytesIO(b"abc"))
        tar.addfile(member("top/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"))
        tar.addfile(member("top/lab/", type=tarfile.DIRTYPE, mode=0o775))
        for name, (content, mode) in FILES.items():
            info = member(f"top/lab/{name}", size=len(content), mode=mode)
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.addfile(info, io.BytesIO(b"\0" * info.size))
    return out.getvalue()


def fetch(server: Server, destination: Path, source: GitFolder = SOURCE, **options: object) -> Path:
    url = f"http://127.0.0.1:{server.server_port}/x"
    return fetch_git_folder(source, destination, url=url, **options)


def serve(server: Server, body: bytes) -> None:
    server.body, server.promised = body, len(body)


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("told", [True, False])
def test_a_good_archive_arrives_whole(server: Server, tmp_path: Path, told: bool) -> None:
    body = packed()
    server.body, server.promised = body, len(body) if told else None
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "lab"
    assert fetch(server, target, progress=lambda *got: seen.append(got)) == target
    assert names(target) == set(FILES)
    assert folder_sha1(target) == TREE
    assert [p.name for p in target.parent.iterdir()] == ["lab"]
    assert sum(got for got, _ in seen) == len(body)
    assert {total for _, total in seen} == {server.promised}


def test_all_files_are_verified_though_only_some_are_kept(server: Server, tmp_path: Path) -> None:
    serve(server, packed())
    kept = fetch(server, tmp_path / "lab", keep=lambda name: name.endswith(".mid"))
    assert names(kept) == {"a/deep/er.mid"}


def test_an_existing_folder_is_returned_without_a_request(server: Server, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "mine").write_text("here first")
    assert fetch(server, tmp_path / "lab") == tmp_path / "lab"
    assert names(tmp_path / "lab") == {"mine"}
    assert server.requests == 0


def refused(server: Server, folder: Path, **options: object) -> str:
    """The message of a fetch that has to fail and to leave nothing."""
    with pytest.raises(InputError) as caught:
        fetch(server, folder / "there" / "lab", **options)
    assert not list((folder / "there").glob("*")), "something was left behind"
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("owner/name/lab at ccccccc: ")
    assert "data.root=" in message
    return message


def test_wrong_content(server: Server, tmp_path: Path) -> None:
    serve(server, packed())
    message = refused(server, tmp_path, source=replace(SOURCE, tree="0" * 40))
    assert f"git tree {TREE}, expected {'0' * 40}" in message
    serve(server, packed(member("top/lab/extra")))
    assert "wrong content" in refused(server, tmp_path, keep=lambda name: name in FILES)


def test_missing_folder(server: Server, tmp_path: Path) -> None:
    serve(server, packed())
    with pytest.raises(InputError, match="no files below lab/b/"):
        fetch(server, tmp_path / "lab", source=replace(SOURCE, folder="lab/b"))


def test_not_found(server: Server, tmp_path: Path) -> None:
    server.status = 404
    assert "the server answers 404 Not Found" in refused(server, tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_interrupted(server: Server, tmp_path: Path, share: float) -> None:
    serve(server, packed())
    server.body = server.body[: int(share * len(server.body))]
    found = f"interrupted: got {len(server.body)} of {server.promised} bytes"
    assert found in refused(server, tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_an_archive_cut_short(server: Server, tmp_path: Path, share: float) -> None:
    body = packed()
    serve(server, body[: int(share * len(body))])
    assert "not a complete .tar.gz" in refused(server, tmp_path)


@pytest.mark.parametrize(
    "body",
    [b"<html>log in</html>", gzip.compress(b"no tar" * 200), b""],
    ids=["a page", "no tar", "nothing"],
)
def test_not_an_archive(server: Server, tmp_path: Path, body: bytes) -> None:
    serve(server, body)
    assert "archive" in refused(server, tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        member("top/lab/l", type=tarfile.SYMTYPE, linkname="a.txt"),
        member("top/lab/l", type=tarfile.LNKTYPE, linkname="top/lab/a.txt"),
        member("top/lab/d", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("top/lab/d", type=tarfile.FIFOTYPE),
        member("../evil"),
        member("top/lab/../../../evil"),
        member("/tmp/evil"),
        member("top/lab//tmp/evil"),
        member("top/lab/..\\evil"),
        member("top/lab/C:evil"),
    ],
    ids=lambda bad: f"{bad.type.decode()} {bad.name}",
)
def test_unsafe_members(server: Server, tmp_path: Path, bad: tarfile.TarInfo) -> None:
    serve(server, packed(bad))
    message = refused(server, tmp_path)
    assert "unsafe name" in message or "neither a file nor a folder" in message
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_FILES"])
def test_too_much(
    server: Server, tmp_path: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_folders, limit, 5)
    serve(server, packed())
    assert "more than" in refused(server, tmp_path)


def test_the_proxy_of_the_environment_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    serve(server, packed())
    fetch_git_folder(SOURCE, tmp_path / "lab", url="http://localhost:9/x")
    assert server.requests == 1


def test_a_redirect_is_followed_though_not_to_plain_http(server: Server, tmp_path: Path) -> None:
    server.status, server.location = 302, f"http://localhost:{server.server_port}/loop"
    assert "302" in refused(server, tmp_path)  # after ten rounds
    assert server.requests > 2
    server.location = "http://example.org/x"
    assert "only https" in refused(server, tmp_path)


def test_an_interrupt_leaves_nothing(server: Server, tmp_path: Path) -> None:
    def stop(got: int, total: int | None) -> None:
        raise KeyboardInterrupt

    serve(server, packed())
    with pytest.raises(KeyboardInterrupt):
        fetch(server, tmp_path / "there" / "lab", progress=stop)
    assert not list((tmp_path / "there").iterdir())


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    serve(server, packed())
    with pytest.raises(InputError, match="cannot be written"):
        fetch(server, tmp_path / "file" / "lab")
