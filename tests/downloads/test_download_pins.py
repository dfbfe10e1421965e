"""What names a source: git's own tree hash, and an address that is safe."""

import hashlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from dlcourse.downloads.git_folders import GitFolder, fetch_git_folder
from dlcourse.downloads.git_tree import folder_sha1
from dlcourse.errors import InputError

pytestmark = pytest.mark.trust
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
LAB_TREE = "e906185b7170c5ed0a730dcdfde12094f0510d1e"  # lab1/data of the lab's branch 2018
SOURCE = GitFolder("owner/name", "abc", "lab", "0" * 40, "")


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_the_tree_hash_is_gits(tmp_path: Path) -> None:
    # As text "a.txt" sorts before the folder "a" and "a0" after it, and so they have to.
    for name in ("a.txt", "a/deep/er.mid", "a/run.sh", "a0", "a-", "ü b", "z/y/x/w"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 1000)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
    (tmp_path / "empty").mkdir()
    ours = folder_sha1(tmp_path)

    def git(*command: str) -> str:
        settings = ["-c", "core.autocrlf=false", "-c", "core.fileMode=true"]
        done = subprocess.run(
            ["git", *settings, *command], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", "--all")
    assert git("write-tree") == ours


def test_the_tree_hash_of_nothing(tmp_path: Path) -> None:
    assert folder_sha1(tmp_path) == hashlib.sha1(b"tree 0\0").hexdigest()


def test_the_address_is_githubs() -> None:
    assert SOURCE.url == "https://codeload.github.com/owner/name/tar.gz/abc"


@pytest.mark.parametrize("url", ["http://example.org/x", "ftp://localhost/x", "file:///x", "x"])
def test_only_https(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)  # a connection would be another error
    with pytest.raises(InputError, match="only https"):
        fetch_git_folder(SOURCE, tmp_path / "lab", url=url)


def test_unreachable(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(InputError, match=r"cannot be reached \(Connection refused\)"):
            fetch_git_folder(SOURCE, tmp_path / "lab", url=url)


@pytest.mark.skipif(not (SHARED / "midi_lab").is_dir(), reason="the lab's snippets are not here")
def test_the_labs_snippets_are_the_pinned_ones(tmp_path: Path) -> None:
    for path in (SHARED / "midi_lab").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
        (tmp_path / path.name).chmod(0o755)  # as the lab committed them
    assert folder_sha1(tmp_path) == LAB_TREE
