"""A run that is killed at any moment and goes on as its user is told is the uninterrupted run."""

import re
import shlex
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.composing import QUICK, QUICK_XRAY
from tests.reliability import Trials
from tests.trust.killing import Ended, Kill, Zygote

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
SMALL = {
    "music": [*QUICK[:-2], "callbacks.songs.songs=1", "callbacks.songs.bars=2"],
    "xray": [*QUICK_XRAY[:-2], "callbacks.maps.every=10", "callbacks.evaluation.atlas=2"],
}
# What differs between two runs that nobody kills: times, and which command it was.
OWN = r"run/(times\.csv|train\.log|outcome\.json|provenance.*\.json|.*\.lock|\.hydra/resumed/.*)"
OWN += r"|data/(.*\.lock|decoded/fingerprints\.json)"
Finished = tuple[Path, Ended]


def command(wing: str) -> list[str]:
    return ["train.py", *SMALL[wing], "trainer.accelerator=cpu", "hydra.run.dir=run"]


@pytest.fixture(scope="module")
def whole(processes: Zygote, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Finished]:
    """A run of each wing that nobody interrupts."""
    made = {}
    for wing in SMALL:
        folder = fresh(tmp_path_factory.mktemp(wing) / "work")
        ended = processes.run(folder, *command(wing))
        assert ended.status == 0, ended.errors
        made[wing] = folder.rename(folder.with_name("whole")), ended
    return made


def fresh(folder: Path) -> Path:
    """An empty folder, always of the same name, for some files name it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file that two equal runs have in common; of checkpoints the weights."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".ckpt":
            weights = torch.load(path, weights_only=True)["state_dict"]
            files |= {f"{name}/{key}": value.numpy().tobytes() for key, value in weights.items()}
        elif path.is_file() and not re.fullmatch(OWN, name):
            files[name] = path.read_bytes()
    return files


def assert_same(folder: Path, other: Path) -> None:
    ours, theirs = content(folder), content(other)
    assert ours.keys() == theirs.keys()
    assert not [name for name in ours if ours[name] != theirs[name]]


def what_next(folder: Path, first: list[str], ended: Ended) -> list[str]:
    """The command that somebody types who reads what the process has said, if it could."""
    told = re.search(r"go on with: python scripts/(train.py .*)", ended.errors)
    if told:
        return shlex.split(told[1])
    assert ended.status < 0 or "the same command" in ended.errors
    last = folder / "run/.hydra/overrides.yaml"  # of what makes a folder a run
    begun = first[0] == "train.py" and last.is_file() and last.stat().st_size
    return ["train.py", f"resume={folder}/run"] if begun and ended.status < 0 else first


def assert_in_good_order(ended: Ended, kill: Kill) -> None:
    assert "Traceback" not in ended.errors + ended.out, ended.errors
    if kill.number == signal.SIGKILL:
        assert ended.status in (-signal.SIGKILL, 0)
    else:  # it may have been done before
        assert ended.status in (128 + kill.number, 0), ended.errors
        lines = [line for line in ended.errors.splitlines() if "stopping after" not in line]
        assert len(lines) == (ended.status != 0), ended.errors


def drawn(rng: np.random.Generator, uninterrupted: Ended) -> Kill:
    """At a random change of files, which reaches all but the training steps, or a random time."""
    number = int(rng.choice(SIGNALS))
    if rng.random() < 0.7:
        return Kill(number, event=int(rng.integers(1, uninterrupted.events + 1)))
    return Kill(number, seconds=float(rng.uniform(0, uninterrupted.seconds)))


def killed_and_continued(
    processes: Zygote, folder: Path, line: list[str], kills: Sequence[Kill]
) -> None:
    """Run a script to its end, with as many kills on the way."""
    for kill in kills:
        ended = processes.run(folder, *line, kill=kill)
        assert_in_good_order(ended, kill)
        if not ended.status:
            return
        line = what_next(folder, line, ended)
    ended = processes.run(folder, *line)
    assert ended.status == 0, (kills, ended.errors)


@pytest.mark.parametrize("wing", SMALL)
def test_a_killed_run_that_goes_on_is_the_uninterrupted_one_file_by_file(
    wing: str, whole: dict[str, Finished], processes: Zygote, trials: Trials
) -> None:
    wanted, uninterrupted = whole[wing]
    what = {"music": "runs on songs", "xray": "runs on radiographs"}[wing]
    once = trials(f"{what}, killed at any moment and continued", usual=1, nightly=15)
    twice = trials(f"{what}, killed twice and continued", usual=1, nightly=5)
    for trial in range(once + twice):
        rng = np.random.default_rng([trial, len(wing)])
        kills = [drawn(rng, uninterrupted) for _ in range(1 + (trial >= once))]
        folder = fresh(wanted.with_name("work"))
        killed_and_continued(processes, folder, command(wing), kills)
        assert_same(folder, wanted)


MADE = {  # of a run: the row of the table, and the command
    "music": (
        "generations of songs, killed and done again",
        ["generate.py", "run=run", "output=new", "songs=2", "bars=1", "start=nothing"],
    ),
    "xray": (
        "explanations of radiographs, killed and done again",
        ["explain.py", "run=run", "output=new", "faithfulness=2"],
    ),
}


@pytest.mark.parametrize("wing", MADE)
def test_what_is_made_of_a_run_and_killed_is_the_same_again_and_nothing_else_is_left(
    wing: str, whole: dict[str, Finished], processes: Zygote, trials: Trials
) -> None:
    folder, (what, line) = whole[wing][0], MADE[wing]
    uninterrupted = processes.run(folder, *line)
    assert uninterrupted.status == 0, uninterrupted.errors
    wanted = content(folder / "new")
    for trial in range(trials(what, usual=1, nightly=20)):
        shutil.rmtree(folder / "new")
        kill = drawn(np.random.default_rng([trial, 8]), uninterrupted)
        killed_and_continued(processes, folder, line, [kill])
        assert content(folder / "new") == wanted
