"""A run folder, read back: its config, its weights, its results. Nothing is unpickled.

<run>/.hydra/                 what the run was composed of: config, overrides, chosen options
<run>/checkpoints/best.ckpt   weights at the best monitored value
<run>/checkpoints/last.ckpt   weights and optimizer state, to go on from
<run>/results.json            what the tested weights are worth
<run>/outcome.json            written last of all: done, failed or pruned; seconds, error
<run>/running.lock            held by the process that works in the folder

Nothing here imports torch before weights are read: the state of a sweep is told at once.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from dlcourse.errors import InputError

if TYPE_CHECKING:
    import torch

BEST, LAST = "best", "last"
DONE, FAILED, PRUNED = "done", "failed", "pruned"  # as a run says itself
RUNNING, STOPPED, MISSING = "running", "stopped", "missing"


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
        config = self._noted("config")
        if not isinstance(config, DictConfig):
            raise InputError(f"{self.folder}/.hydra/config.yaml: damaged config: no options in it")
        config.folder = str(self.folder)
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
    def overrides(self) -> list[str]:
        """What was typed, as Hydra noted it; nothing for a run that was composed in Python."""
        return [str(override) for override in self._noted("overrides") or []]

    @property
    def choices(self) -> dict[str, str]:
        """The option that was chosen in every group of conf/, as far as Hydra noted it."""
        chosen = OmegaConf.select(self._noted("hydra"), "hydra.runtime.choices") or {}
        return {str(k): str(v) for k, v in chosen.items() if not str(k).startswith("hydra/")}

    @property
    def results(self) -> dict[str, Any] | None:
        """What the finished run reports; None for an unfinished one."""
        return self._read("results.json")

    @property
    def outcome(self) -> dict[str, Any] | None:
        """How the run ended; None when it has not, or was killed."""
        return self._read("outcome.json")

    @property
    def state(self) -> str:
        """Done, failed, pruned, running, or stopped: somebody pulled the plug."""
        if self._is_claimed():
            return RUNNING
        outcome = self.outcome
        if outcome is not None:
            return str(outcome["state"])
        return DONE if self.results is not None else STOPPED

    @property
    def error(self) -> str | None:
        """The last line of what went wrong."""
        outcome = self.outcome
        return None if outcome is None else outcome.get("error")

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold the folder, so that no other process works in it; a kill gives it back too.

        Raises:
            InputError: Another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock(timeout=1.0):  # who only asks holds it for a moment
                yield
        except Timeout as error:
            raise InputError(f"{self.folder}: another process is working in it") from error

    def _is_claimed(self) -> bool:
        if not (self.folder / "running.lock").is_file():
            return False
        try:
            with self._lock(timeout=0.0):
                return False
        except Timeout:
            return True

    def _lock(self, *, timeout: float) -> FileLock:
        return FileLock(self.folder / "running.lock", timeout=timeout)

    def _noted(self, name: str) -> Any:
        """What Hydra left under a name; an empty config where it left nothing."""
        path = self.folder / ".hydra" / f"{name}.yaml"
        if not path.is_file() and name != "config":
            return OmegaConf.create()
        try:
            return OmegaConf.load(path)
        except Exception as error:  # yaml and omegaconf raise many kinds
            raise InputError(f"{path}: damaged {name}: {str(error).splitlines()[0]}") from error

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        try:
            return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        except ValueError as error:
            raise InputError(f"{path}: damaged: {error}; remove it to run anew") from error


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


def load_weights(module: "torch.nn.Module", path: str | Path) -> None:
    """Load a checkpoint's weights into a module that has the same ones, strictly.

    Raises:
        InputError: Damaged, not a checkpoint, or of another network; names what differs.
    """
    import torch

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
