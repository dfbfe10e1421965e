"""A run folder, read back: its config, its weights, its results. Nothing is unpickled.

<run>/.hydra/config.yaml      what the run was composed of
<run>/checkpoints/best.ckpt   weights at the best monitored value
<run>/checkpoints/last.ckpt   weights and optimizer state, to go on from
<run>/results.json            written last: without it the run is unfinished
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from dlcourse.errors import InputError

BEST, LAST = "best", "last"


@dataclass(frozen=True)
class Run:
    """The folder of a run that was started, finished or not."""

    folder: Path

    @property
    def config(self) -> DictConfig:
        """As composed, with `folder` set to where the run lies now.

        Raises:
            InputError: The file is damaged.
        """
        path = self.folder / ".hydra" / "config.yaml"
        try:
            config = OmegaConf.load(path)
            config.folder = str(self.folder)
        except Exception as error:  # yaml and omegaconf raise many kinds
            raise InputError(f"{path}: damaged config: {str(error).splitlines()[0]}") from error
        return config

    def checkpoint(self, which: str) -> Path:
        """The path of the best or the last checkpoint.

        Raises:
            InputError: There is none, or another one was asked for.
        """
        if which not in (BEST, LAST):
            raise InputError(f"checkpoint={which}: choose {BEST} or {LAST}")
        path = self.folder / "checkpoints" / f"{which}.ckpt"
        if not path.is_file():
            raise InputError(f"{path}: no such checkpoint: the run stopped before its first one")
        return path

    @property
    def results(self) -> dict[str, Any] | None:
        """What the finished run reports; None for an unfinished one."""
        path = self.folder / "results.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def open_run(folder: str | Path) -> Run:
    """The run in a folder.

    Raises:
        InputError: The folder does not hold one; names the newest that do.
    """
    folder = Path(folder)
    if (folder / ".hydra" / "config.yaml").is_file():
        return Run(folder)
    below = sorted(folder.glob("**/.hydra/config.yaml")) if folder.is_dir() else []
    if below:
        runs = ", ".join(str(path.parent.parent) for path in below[-3:])
        raise InputError(f"{folder}: holds several runs, name one of them: {runs}")
    found = "is not a run folder (no .hydra/config.yaml)" if folder.is_dir() else "does not exist"
    raise InputError(f"{folder}: {found}; scripts/train.py makes run folders below runs/")


def load_weights(module: torch.nn.Module, path: str | Path) -> None:
    """Load a checkpoint's weights into a module that has the same ones, strictly.

    Raises:
        InputError: Damaged, not a checkpoint, or of another network; names what differs.
    """
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        weights = dict(checkpoint["state_dict"])
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except Exception as error:  # torch raises many kinds on damaged or unsafe files
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: not a checkpoint of this project, or damaged: {line}") from error
    difference = _difference(module.state_dict(), weights)
    if difference:
        raise InputError(f"{path}: a checkpoint of another network: {difference}")
    module.load_state_dict(weights)


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The first thing in which two sets of weights differ, in words."""
    if missing := sorted(ours.keys() - theirs.keys()):
        return f"{missing[0]} is missing ({len(missing)} in all)"
    if extra := sorted(theirs.keys() - ours.keys()):
        return f"{extra[0]} is not in this network ({len(extra)} in all)"
    for name, value in ours.items():
        if value.shape != theirs[name].shape:
            return f"{name} has shape {tuple(theirs[name].shape)}, here {tuple(value.shape)}"
    return ""
