"""The scripts as a user runs them: another process, its output, its exit status."""

import errno
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from dlcourse import training
from dlcourse.cli import conf_path, run_script
from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.generating import generate
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import PITCH
from tests.composing import QUICK, composed

ROOT = Path(__file__).resolve().parents[1]


def script(name: str, *options: str) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / name), *options]


def run(folder: Path, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(script(name, *options), cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, left by a run that was stopped with Ctrl-C and went on."""
    folder = tmp_path_factory.mktemp("user")
    options = [*(o for o in QUICK if o != "~callbacks.songs"), "hydra.run.dir=run", "steps=400"]
    with subprocess.Popen(
        script("train.py", *options), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if "step 10:" in line:
                process.send_signal(signal.SIGINT)
                break
        _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert re.search(r"stopped at step \d+ of 400; go on with: python scripts/train.py", errors)
    assert not (folder / "run" / "results.json").exists()
    done = run(folder, "train.py", "resume=run", "steps=50")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_a_resumed_run_leaves_what_every_run_leaves(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert names >= {"results.json", "results.md", "curves.png", "corpus.csv", "songs", ".hydra"}
    assert "resume" not in (trained / ".hydra" / "overrides.yaml").read_text()
    commands = [
        json.loads((trained / f"{name}.json").read_text())["command"]
        for name in ("provenance", "provenance-resumed")
    ]
    assert ["resume=run" in command for command in commands] == [False, True]
    songs = {path.suffix for path in (trained / "songs").iterdir()}
    assert songs == {".mid", ".wav", ".png", ".html", ".json"}


def test_only_the_budget_may_change_when_a_run_is_resumed(trained: Path) -> None:
    done = run(trained.parent, "train.py", "resume=run", "net.hidden=9")
    assert done.returncode == 2
    assert "net.hidden=9: a run goes on as it was begun" in done.stderr


def test_generate_is_deterministic_and_its_page_is_whole(trained: Path) -> None:
    for output in ("a", "b"):
        done = run(
            trained.parent, "generate.py", "run=run", "songs=2", "bars=2", f"output={output}",
            "start=nothing", "seed=3",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    files = {path.name for path in (trained.parent / "a").iterdir()}
    assert files == {f"song-0{i}.{kind}" for i in (0, 1) for kind in ("mid", "wav", "png")} | {
        "index.html", "scorecard.json",
    }  # fmt: skip
    for name in files - {"index.html"}:
        same = [(trained.parent / output / name).read_bytes() for output in ("a", "b")]
        assert same[0] == same[1], name


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("train.py", ["los=focal"], "los: no such option; did you mean loss=focal?"),
        ("train.py", ["resume=nowhere"], "nowhere: does not exist"),
        ("generate.py", [], "a value is needed for: run"),
        ("generate.py", ["run=nowhere"], "nowhere: does not exist"),
        ("generate.py", ["run=x", "prior=nope"], "prior=nope: no such option; did you mean"),
        (
            "generate.py",
            ["run=x", "prior=key", "prior.key.nope=1"],
            "prior.key.nope: no such option; prior.key has weight, key, listen, hard",
        ),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    tmp_path: Path, name: str, options: list[str], message: str
) -> None:
    done = run(tmp_path, name, *options)
    assert done.returncode == 2
    assert f"error: {message}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["start=zzz"], "the nearest is"),
        (["start=99"], "start=99: choose 0 to 7"),
        (["start=nothing", "sampler=lab2018"], "shorter than the window of 64"),
        (["start=nothing", "songs=0"], "songs=0: at least 1"),
        (["checkpoint=first"], "choose best or last"),
        (["songs=many"], "songs=many: a whole number"),
        (["prior=key", "prior.key.weight=much"], "prior.key.weight=much: a finite number"),
        (["infill=[3,2]"], r"has bars 1 to \d+; name the first and the last"),
        (["start=0", "infill=[1,1000]"], "infill=.*has bars 1 to"),
        (["start=nothing", "infill=[1,2]"], "has no bars to infill"),
        (["infill=[1,2]", "candidates=0"], "candidates=0: at least 1"),
        (["prior=chords", "prior.chords.progression=Hmm"], "unknown chord symbol 'Hmm'"),
    ],
)
def test_generate_says_what_it_cannot_do(
    trained: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    never = trained.parent / "never"
    monkeypatch.chdir(trained.parent)  # the run's data folder is relative
    with pytest.raises(InputError, match=message) as error:
        generate(generating(trained, never, *options))
    assert "\n" not in str(error.value)
    assert not never.exists()


def generating(trained: Path, output: Path, *options: str) -> DictConfig:
    """The config of scripts/generate.py."""
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return compose("generate", [f"run={trained}", f"output={output}", *options])


def test_songs_with_priors_have_a_page_that_names_them_and_a_score_card(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.parent)
    options = ["songs=2", "bars=4", "prior=[key,range,polyphony]", "prior.key.hard=true"]
    options += ["prior.key.key=C major", "prior.range.low=C4", "prior.range.high=C5"]
    folder = generate(generating(trained, tmp_path / "songs", "start=nothing", *options))
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert page.count("<dt>priors</dt><dd>key, range, polyphony</dd>") == 2
    assert "<h2>Score card</h2>" in page
    card = json.loads((folder / "scorecard.json").read_text())
    assert [song["name"] for song in card["songs"]] == ["song-00", "song-01"]
    for song in card["songs"]:
        notes = read_midi(folder / f"{song['name']}.mid").tracks[0].notes
        assert len(notes)
        assert set(notes[:, PITCH].tolist()) <= {60, 62, 64, 65, 67, 69, 71, 72}
        assert song["metrics"]["scale_consistency"] == 1


def test_songs_from_nothing_need_no_corpus_but_have_no_card_without_it(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    config = OmegaConf.load(run / ".hydra" / "config.yaml")
    config.data.root = "gone"
    OmegaConf.save(config, run / ".hydra" / "config.yaml")
    options = ["songs=1", "bars=2"]
    with caplog.at_level(logging.WARNING):
        folder = generate(generating(run, tmp_path / "songs", "start=nothing", *options))
    assert [r.message for r in caplog.records if "score card" in r.message] == [
        "no score card, for the run's songs cannot be read: gone: no such folder; "
        "data.root=<folder> names one with MIDI files"
    ]
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "song-00.mid", "song-00.wav", "song-00.png",
    }  # fmt: skip
    assert "Score card" not in (folder / "index.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="gone: no such folder"):
        generate(generating(run, tmp_path / "more", "start=random", *options))
    assert not (tmp_path / "more").exists()


def ended(main: Callable[[], int | None], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit status of a script, and what it said on standard error."""
    with pytest.raises(SystemExit) as stop:
        run_script(main)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_anywhere_is_one_line_and_what_is_open_is_closed(
    number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)

    def main() -> None:
        with written_whole(tmp_path / "song.mid") as partial:
            partial.touch()
            signal.raise_signal(number)

    again = "stopped; the same command does it again\n"
    assert ended(main, capsys) == (128 + number, again)
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(number) is before


def test_a_signal_in_a_finalizer_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    class Thing:
        pass

    def main() -> None:
        thing = Thing()
        noted = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
        del thing
        threading.Event().wait(20)
        assert noted is None, "the signal was lost"

    assert ended(main, capsys) == (143, "stopped; the same command does it again\n")


def as_libraries_do(number: int) -> None:
    """A signal of which somebody who draws makes an error of his own, as matplotlib does."""
    try:
        signal.raise_signal(number)
    except BaseException:
        raise ValueError("Invalid bounding box") from None


def test_a_signal_that_a_library_makes_another_error_of_is_still_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = "stopped; the same command does it again\n"
    assert ended(lambda: as_libraries_do(signal.SIGTERM), capsys) == (143, line)
    with pytest.raises(ValueError, match="a box"):  # of the next script, which nobody stops
        run_script(lambda: int("a box"))


def test_so_it_is_while_a_run_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "_fit_and_test", lambda *_: as_libraries_do(signal.SIGINT))
    config = composed(tmp_path / "run")
    code, said = ended(lambda: training.train(config), capsys)
    assert (code, said.count("\n")) == (130, 1)
    assert said.startswith("stopped; go on with: python scripts/train.py resume=")
    assert not (tmp_path / "run" / "outcome.json").exists()


def test_a_forked_child_ends_at_a_signal_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        return 40 if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM else 0

    assert ended(main, capfd) == (40, "")


def test_a_full_disk_is_one_line_and_other_errors_keep_their_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left", "runs/a")

    def gone() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "runs/a")

    line = "error: runs/a: No space left: free some space there, then type the same command again\n"
    assert ended(full, capsys) == (2, line)
    with pytest.raises(FileNotFoundError):
        run_script(gone)
