"""How tests search: scripts/tune.py in a temporary folder, and what to do in the middle of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path
from dlcourse.search.pruning import Pruning
from dlcourse.tuning import gathered, tune
from tests.composing import QUICK

LEAN = ["~callbacks.results", "~callbacks.curves", "pruner=null"]


def search(folder: Path, *overrides: str) -> float:
    """What scripts/tune.py does, in a folder; data are shared beside it."""
    quick = [o for o in QUICK if not o.startswith("net.hidden")]
    line = gathered([*quick, f"data_dir={folder.parent / 'data'}", *overrides])
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return tune(compose("tune", [*line, f"folder={folder}"]), line, search="test")


def trials(folder: Path) -> list[Any]:
    """Optuna's, in order."""
    import optuna

    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name="search", storage=storage).trials


class Killed(BaseException):
    """As if the plug was pulled."""


def at_validation(number: int, act: Callable[[], None], patch: pytest.MonkeyPatch) -> None:
    """Do something at the n-th validation from now on."""
    tell, seen = Pruning.on_validation_end, []

    def told(self: Pruning, trainer: Any, module: Any) -> None:
        tell(self, trainer, module)
        seen.append(trainer.global_step)
        if len(seen) == number:
            act()

    patch.setattr(Pruning, "on_validation_end", told)


def die() -> None:
    """A kill."""
    raise Killed
