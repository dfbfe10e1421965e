"""Keys, passwords and tokens that lie about a machine are in no file, log, page or message."""

import base64
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path
from dlcourse.comparison.comparing import write_report
from dlcourse.doctor import machine_facts
from dlcourse.doctor.diagnosis import diagnose
from dlcourse.doctor.findings import as_text
from dlcourse.downloads.addresses import refuse_logins
from dlcourse.errors import InputError
from dlcourse.exercises.grading_process import _environment
from dlcourse.generating import generate
from dlcourse.provenance import command_line
from dlcourse.training import train
from dlcourse.xray.nih import fetch_chestxray
from tests.composing import composed, saved
from tests.reliability import Trials

# All made up.
ENVIRONMENT = {
    "WANDB_API_KEY": "0123456789abcdef0123456789abcdef01234567",
    "AWS_SECRET_ACCESS_KEY": "made/up+aws-secret-key",
    "HF_TOKEN": "hf_AbCdEfGhIjKlMnOp",
    "GITHUB_TOKEN": "ghp_qRsTuVwXyZ012345",
    "MY_SECRET": "correct horse battery staple",
}
PROXY, NETRC, REMOTE, CHANGED = "proxy-pass-word", "netrc-pass-word", "remote-token", "in-a-change"
SECRETS = [*ENVIRONMENT.values(), PROXY, NETRC, REMOTE, CHANGED]
PROXIES = (f"http://user:{PROXY}@127.0.0.1:9", f"http:/user:{PROXY}@127.0.0.1:9")


def tells(content: bytes) -> list[str]:
    """The secrets in something, as they are or as base64."""
    found = []
    for secret in SECRETS:
        plain = secret.encode()
        # Wherever it begins, what does not depend on the neighbours.
        packed = [base64.b64encode(bytes(shift) + plain)[4:-4] for shift in range(3)]
        if plain in content or any(each in content for each in packed):
            found.append(secret)
    return found


def test_a_secret_would_be_found() -> None:
    for secret in SECRETS:
        for before in ("", "x", "xy", "xyz"):
            text = f"{before}{secret} and more".encode()
            assert tells(text) == [secret]
            assert tells(base64.b64encode(text)) == [secret]
    assert tells(b"nothing") == []


def git(*words: str, folder: Path) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A machine full of secrets: environment, home, and a repository in which one works."""
    top = tmp_path_factory.mktemp("secrets")
    home, work = top / "home", top / "work"
    for folder in (home, work):
        folder.mkdir()
    (home / ".netrc").write_text(f"machine api.wandb.ai login user password {NETRC}\n")
    (home / ".netrc").chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
            patch.setenv(name, PROXIES[0])
        patch.setenv("HOME", str(home))
        for name in ("WANDB_MODE", "NETRC", "no_proxy", "NO_PROXY"):
            patch.delenv(name, raising=False)
        (work / "kept.txt").write_text("one\n")
        git("init", "--quiet", folder=work)
        git("add", "kept.txt", folder=work)
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        git(*identity, "commit", "--quiet", "-m", "x", folder=work)
        git("remote", "add", "origin", f"https://{REMOTE}@example.org/made/up.git", folder=work)
        (work / "kept.txt").write_text(f"{CHANGED}\n")
        patch.chdir(work)
        yield top / "runs"


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    """A run that logs to W&B, made two songs, and was told to read a secret."""
    options = ["logger=wandb", "steps=10", "validate_every=5", "+remark='${oc.env:MY_SECRET}'"]
    train(saved(composed(place / "run", *options)))
    wandb.teardown()  # whose own process may still be writing
    return place / "run"


def leaks(folder: Path) -> dict[str, list[str]]:
    """Files of a folder that tell a secret, by name or by content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    told = {str(p.relative_to(folder)): tells(bytes(p) + p.read_bytes()) for p in files}
    return {name: found for name, found in told.items() if found}


def test_no_secret_is_in_a_run_folder_not_even_in_what_w_and_b_keeps(
    trained: Path, trials: Trials
) -> None:
    (kept,) = trained.glob("wandb/offline-run-*/run-*.wandb")
    assert b"example.org/made/up.git" in kept.read_bytes(), "W&B has looked at the repository"
    number = sum(path.is_file() for path in trained.rglob("*"))
    trials("files of run folders searched for secrets", usual=number, nightly=number)
    assert leaks(trained) == {}


def test_no_secret_is_in_what_is_made_of_a_run(trained: Path, place: Path) -> None:
    options = [f"run={trained}", f"output={place / 'songs'}", "songs=1", "steps=16", "seed=0"]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        generate(compose("generate", options))
    write_report([trained], output=place / "report")
    assert leaks(place / "songs") == leaks(place / "report") == {}


@pytest.mark.parametrize("proxy", PROXIES, ids=["a proxy", "a proxy with a slip of the pen"])
def test_a_download_that_fails_tells_no_password(
    place: Path, proxy: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the proxy's nor that of an address, which is not asked at all."""
    monkeypatch.setenv("https_proxy", proxy)
    caplog.set_level(logging.DEBUG)
    for url in ("null", f"https://user:{REMOTE}@example.org/x.tar.gz"):
        folder = place / f"failed-{proxy.count('/')}-{len(url)}"
        options = ["data=lab2018", f"data.source.url='{url}'", f"data_dir={folder}/data"]
        config = composed(folder, *options, quick=False)
        with pytest.raises(InputError) as caught:
            train(config)
        assert tells(str(caught.value).encode()) == []
        assert tells(caplog.text.encode()) == []
        assert tells((folder / "outcome.json").read_bytes()) == []


def test_a_password_that_was_typed_is_refused_and_never_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    word = f"data.source.url=https://user:{REMOTE}@example.org/x?y=@z"
    with pytest.raises(InputError) as caught:
        refuse_logins(["seed=1", word])
    assert tells(str(caught.value).encode()) == []
    assert "https://***@example.org/x?y=@z" in str(caught.value)
    refuse_logins(
        ["data.source.url=https://example.org/x?y=@z", "net._target_=a.b", "+a='b@c://d'"]
    )
    monkeypatch.setattr("sys.argv", ["scripts/train.py", "seed=1", word])
    assert tells(" ".join(command_line()).encode()) == []


def test_a_mirror_with_a_password_is_refused_before_any_message_could_repeat_it(
    place: Path,
) -> None:
    """As given to scripts/prepare_data.py."""
    mirror = f"https://user:{REMOTE}@example.org/a"
    with pytest.raises(InputError, match=r"https://\*\*\*@example.org/a") as caught:
        fetch_chestxray(place / "chestxray", max_images=1, base_url=mirror, index_url=mirror)
    assert tells(str(caught.value).encode()) == []


def test_the_doctor_tells_that_there_is_a_key_and_not_which(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_facts, "torch_facts", lambda: {"error": "not asked"})
    findings = diagnose(machine_facts.machine_facts([place]))
    assert "logged in" in as_text(findings, colours=False)
    assert tells(as_text(findings, colours=False).encode()) == []


def test_students_code_is_given_no_environment_of_ours(place: Path) -> None:
    assert tells(repr(_environment(place)).encode()) == []
