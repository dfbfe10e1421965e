"""A run folder, read back: its config, its weights, its results. Nothing is unpickled.

Whatever lies in one may be a stranger's: see `trust`.

<run>/.hydra/                 what the run was composed of: config, overrides, chosen options
<run>/checkpoints/best.ckpt   weights at the best monitored value
<run>/checkpoints/last.ckpt   weights and optimizer state, to go on from
<run>/results.json            what the tested weights are worth
<run>/outcome.json            written last of all: done, failed or pruned; seconds, error
<run>/running.lock            held by the process that works in the folder

Nothing here imports torch before weights are read: the state of a sweep is told at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from dlcourse.errors import InputError
from dlcourse.left_json import read_json
from dlcourse.trust.foreign import check_foreign
from dlcourse.trust.notes import read_note
from dlcourse.trust.signature import is_signed

if TYPE_CHECKING:
    import torch

BEST, LAST = "best", "last"
DONE, FAILED, PRUNED = "done", "failed", "pruned"  # as a run says itself
RUNNING, STOPPED, MISSING = "running", "stopped", "missing"
_ADVICE = "remove it to run anew"


@dataclass(frozen=True)
class Run:
    """The folder of a run that was started, finished or not."""

    folder: Path

    @property
    def config(self) -> DictConfig:
        """What the run is made from again, with `folder` set to where it lies now.

        Raises:
            InputError: The file is damaged, or not the user's own and asks for what it must not.
        """
        noted = self.noted_config
        if not is_signed(self.folder, noted):
            try:
                check_foreign(noted, self.folder)
            except InputError as error:
                raise InputError(f"{self.folder}/.hydra/config.yaml: {error}") from error
        return OmegaConf.create(noted | {"folder": str(self.folder)})

    @property
    def noted_config(self) -> dict[str, Any]:
        """The config as it was composed, unresolved: to be looked at, never to be made.

        Raises:
            InputError: The file is damaged.
        """
        return self._noted("config")

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
        """What was typed, as Hydra noted it; nothing for a run that was composed in Python.

        Raises:
            InputError: The file is damaged, or holds options of Hydra itself, which it keeps
                elsewhere and by which whoever composes would import packages.
        """
        typed = [str(override) for override in self._noted("overrides", list)]
        if strange := [o for o in typed if o.lstrip("+~").startswith("hydra")]:
            raise InputError(f"{self.folder}/.hydra/overrides.yaml: damaged: holds {strange[0]}")
        return typed

    @property
    def choices(self) -> dict[str, str]:
        """The option that was chosen in every group of conf/, as far as Hydra noted it."""
        node: Any = self._noted("hydra")
        for key in ("hydra", "runtime", "choices"):
            node = node.get(key) if isinstance(node, dict) else None
        chosen = node if isinstance(node, dict) else {}
        return {str(k): str(v) for k, v in chosen.items() if not str(k).startswith("hydra/")}

    @property
    def results(self) -> dict[str, Any] | None:
        """What the finished run reports; None for an unfinished one."""
        return self._read("results.json")

    @property
    def outcome(self) -> dict[str, Any] | None:
        """How the run ended; None when it has not, or was killed."""
        outcome = self._read("outcome.json")
        if outcome is not None and outcome.get("state") not in (DONE, FAILED, PRUNED):
            said = str(outcome.get("state"))[:40]
            raise InputError(f"{self.folder}/outcome.json: damaged: state {said!r}; {_ADVICE}")
        return outcome

    @property
    def state(self) -> str:
        """Done, failed, pruned, running, or stopped: somebody pulled the plug."""
        if self._is_claimed():
            return RUNNING
        outcome = self.outcome
        if outcome is not None:
            return outcome["state"]
        return DONE if self.results is not None else STOPPED

    @property
    def error(self) -> str | None:
        """The last line of what went wrong."""
        error = (self.outcome or {}).get("error")
        return None if error is None else str(error)

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
        path = self.folder / "running.lock"
        if path.is_symlink() or not path.is_file():  # who locks a file empties it
            return False
        try:
            with self._lock(timeout=0.0):
                return False
        except Timeout:
            return True
        except OSError:  # somebody else's run, which we may only read
            return False

    def _lock(self, *, timeout: float) -> FileLock:
        return FileLock(self.folder / "running.lock", timeout=timeout)

    def _noted(self, name: str, kind: type = dict) -> Any:
        """What Hydra left under a name; nothing where it left no such file."""
        path = self.folder / ".hydra" / f"{name}.yaml"
        if not path.is_file() and name != "config":
            return kind()
        return read_note(path, what=name, kind=kind)

    def _read(self, name: str) -> dict[str, Any] | None:
        return read_json(self.folder / name, dict, advice=_ADVICE)


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


def weights_file(weights: str | Path) -> Path:
    """The file that is meant by `net.weights`: of a run folder its best checkpoint."""
    path = Path(weights)
    return path / "checkpoints" / f"{BEST}.ckpt" if path.is_dir() else path


def load_weights(module: "torch.nn.Module", path: str | Path) -> None:
    """Load a checkpoint's weights into a module that has the same ones, strictly.

    Raises:
        InputError: Damaged, not a checkpoint, or of another network; names what differs.
    """
    from dlcourse.trust.checkpoints import not_numbers, read_checkpoint, weights_difference

    weights = dict(read_checkpoint(path)["state_dict"])
    if difference := weights_difference(module.state_dict(), weights):
        raise InputError(f"{path}: a checkpoint of another network: {difference}")
    if lost := not_numbers(weights):
        raise InputError(f"{path}: {lost}: training went wrong; take an earlier checkpoint")
    module.load_state_dict(weights)
