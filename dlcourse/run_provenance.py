"""What a run leaves, when it begins, of where it comes from: config, code, machine, data."""

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from dlcourse.errors import InputError
from dlcourse.files import write_json, write_text
from dlcourse.ledgers import fingerprint, read_ledger
from dlcourse.left_json import read_json
from dlcourse.options import resolved
from dlcourse.provenance import provenance
from dlcourse.runs import Run, weights_file
from dlcourse.trust.signature import sign

if TYPE_CHECKING:  # torch takes seconds to import
    from dlcourse.data import CourseData
    from dlcourse.task import Task

log = logging.getLogger(__name__)

PROVENANCE = "provenance.json"
_KINDS: dict[str, Any] = {
    "command": list,
    "git_changes": list,
    "git_revision": str,
    "code_sha256": str,
}
_KINDS |= {"versions": dict, "first_weights": (dict, type(None))}
_BLOCK = 2**20  # bytes


def note_origins(config: DictConfig, data: "CourseData", task: "Task", *, resumed: bool) -> None:
    """Leave in the run folder what a run is made of, and tell its task what it is trained on.

    Raises:
        InputError: It is resumed and the data are others by now; or its first weights were trained
            on what it holds out.
    """
    from dlcourse.training_list import check_same_data, list_to_begin_with
    from dlcourse.wandb_runs import forget_run

    folder = Path(config.folder)
    if resumed:
        check_same_data(data, folder)
    data.write_ledger(folder)
    for fact in data.facts():
        log.info("%s", fact)
    ledger = folder / data.ledger
    task.trained_on = list_to_begin_with(config.net.get("weights"), read_ledger(ledger))
    write_provenance(config, name="provenance-resumed" if resumed else "provenance", ledger=ledger)
    if not resumed:
        forget_run(folder)  # of an earlier attempt, which had other curves


def write_provenance(config: DictConfig, *, name: str, ledger: Path) -> None:
    """Write `config.yaml`, resolved, and all that tells this run from another one.

    Args:
        name: Of the JSON file: a run that is resumed keeps the word of where it was begun.
        ledger: Of the data, see `ledgers`.
    """
    folder = Path(config.folder)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(resolved(config)))
    read = {"data": fingerprint(ledger), "first_weights": weights_read(config.net.get("weights"))}
    write_json(folder / f"{name}.json", provenance() | read)


def sign_run(config: DictConfig) -> None:
    """Sign a run that begins as the user's own, see `trust`: what Hydra noted, if it is what is
    run, and not what somebody else left in the folder.
    """
    run = Run(Path(config.folder))
    try:
        noted = run.noted_config
    except InputError:  # composed in Python, and nothing noted
        return
    again = OmegaConf.create(noted | {"folder": str(run.folder)})
    sides = [OmegaConf.to_container(side, resolve=True) for side in (again, config)]
    if sides[0] == sides[1]:
        sign(run.folder, noted)


def read_provenance(folder: str | Path) -> dict[str, Any]:
    """What a run left when it was begun; empty where it left nothing.

    Raises:
        InputError: The file is damaged.
    """
    path = Path(folder) / PROVENANCE
    found = read_json(path, dict, advice="remove it") or {}
    for name, kind in _KINDS.items():
        if name in found and not _is_of(kind, found[name]):
            raise InputError(f"{path}: damaged: {name} is {str(found[name])[:40]!r}; remove it")
    return found


def _is_of(kind: Any, value: Any) -> bool:
    """Whether a value is of a kind, and what is in it are texts."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return isinstance(value, kind) and all(isinstance(part, str) for part in parts)


def weights_read(weights: str | None) -> dict[str, str] | None:
    """Where a network's first weights come from, and the SHA-256 of their file.

    Args:
        weights: `net.weights`: a run folder, a file, or the name of published ones, which are no
            file of the user's and have no hash here.
    """
    if weights is None:
        return None
    path = weights_file(weights)
    return {"from": weights} | ({"sha256": _sha256(path)} if path.is_file() else {})


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
