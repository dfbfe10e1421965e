"""A disk that is full or read-only is one clear line, and costs nothing that was there before."""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tests.composing import QUICK, QUICK_XRAY
from tests.reliability import Trials
from tests.trust.killing import Ended, Zygote

COMMAND = ["train.py", *QUICK, "hydra.run.dir=disk/run", "data_dir=disk/data"]
COMMANDS = {
    "songs": COMMAND,
    "radiographs": ["train.py", *QUICK_XRAY, "callbacks.evaluation.atlas=2", *COMMAND[-2:]],
}
FULL = "No space left on device: free some space there"
Disk = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A small disk below `disk/`: called with its size or "ro", it becomes such a one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount(place, "size=8m")

    def change(options: str) -> None:
        mount(place, f"remount,{options}")

    try:
        yield change
    finally:
        subprocess.run(["umount", place], check=True)


def mount(place: Path, options: str) -> None:
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")


def one_line(ended: Ended) -> str:
    """What it said, which has to be one line and not a traceback."""
    assert ended.status in (1, 2), ended.errors
    [line] = ended.errors.splitlines()
    assert line.startswith("error: ")
    return line


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["state_dict"]


@pytest.mark.parametrize("what", COMMANDS)
def test_a_disk_that_fills_up_at_any_moment_is_one_line_and_the_run_goes_on_from_there(
    what: str, disk: Disk, processes: Zygote, trials: Trials, tmp_path: Path
) -> None:
    command, folder = COMMANDS[what], tmp_path / "enough"
    folder.mkdir()
    assert processes.run(folder, *command).status == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    most = sum(-(-path.stat().st_size // 4096) * 4 for path in files)  # kB
    number = trials(f"runs on {what}, on a disk that gets full", usual=1, nightly=20)
    for trial in range(number):
        disk(f"size={8 + (most - 8) * (trial + 1) // (number + 1) // 4 * 4}k")
        said = one_line(processes.run(tmp_path, *command))
        asked = "decoded images need" in said  # before they were decoded
        assert asked or FULL in said
        for path in (tmp_path / "disk").rglob("*.ckpt"):
            assert weights(path)
        assert not [*tmp_path.rglob("*.partial*")]
        disk("size=8m")
        told = re.search(r"then go on with: python scripts/(.*)", said)
        assert asked or told or said.endswith("then type the same command again")
        ended = processes.run(tmp_path, *(shlex.split(told[1]) if told else command))
        assert ended.status == 0, ended.errors
        for which in ("best", "last"):
            ours, theirs = (
                weights(where / f"disk/run/checkpoints/{which}.ckpt")
                for where in (tmp_path, folder)
            )
            assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
        for path in (tmp_path / "disk").iterdir():
            subprocess.run(["rm", "-r", path], check=True)


def test_a_folder_on_a_read_only_disk_is_one_line(
    disk: Disk, processes: Zygote, tmp_path: Path
) -> None:
    disk("ro")
    runs = one_line(processes.run(tmp_path, *COMMAND))
    assert "disk/run: Read-only file system: name another folder" in runs
    data = one_line(processes.run(tmp_path, *COMMAND[:-2], "hydra.run.dir=run", COMMAND[-1]))
    assert "disk/data: Read-only file system: name another folder" in data
    assert f"resume={tmp_path}/run" in data


def test_a_finished_run_on_a_read_only_disk_is_not_resumed_but_explained(
    disk: Disk, processes: Zygote, tmp_path: Path
) -> None:
    assert processes.run(tmp_path, *COMMAND).status == 0
    disk("ro")
    said = one_line(processes.run(tmp_path, "train.py", "resume=disk/run", "steps=25"))
    assert "Read-only file system" in said
    songs = ["generate.py", "run=disk/run", "songs=1", "bars=1", "start=nothing"]
    assert "disk/run/generated" in one_line(processes.run(tmp_path, *songs))
    assert processes.run(tmp_path, *songs, "output=new").status == 0


def test_a_checkpoint_survives_a_full_disk_also_when_temporary_files_lie_elsewhere(
    disk: Disk, processes: Zygote, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    disk("size=220k")  # room for one checkpoint more, not for two
    said = one_line(processes.run(tmp_path, *COMMAND, TMPDIR=str(elsewhere)))
    assert re.search(r"checkpoints/\w+\.ckpt: " + FULL, said), said
    found = [*tmp_path.rglob("*.ckpt")]
    assert found
    assert all(weights(path) for path in found)
    assert os.listdir(elsewhere) == []
