"""What a run leaves, when it begins, of where it comes from: config, code, machine, data."""

import hashlib
import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlcourse.files import write_json, write_text
from dlcourse.ledgers import fingerprint
from dlcourse.provenance import provenance
from dlcourse.runs import BEST

PROVENANCE = "provenance.json"
_BLOCK = 2**20  # bytes


def write_provenance(config: DictConfig, *, name: str, ledger: Path) -> None:
    """Write `config.yaml`, resolved, and all that tells this run from another one.

    Args:
        name: Of the JSON file: a run that is resumed keeps the word of where it was begun.
        ledger: Of the data, see `ledgers`.
    """
    folder = Path(config.folder)
    write_text(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    read = {"data": fingerprint(ledger), "first_weights": weights_read(config.net.get("weights"))}
    write_json(folder / f"{name}.json", provenance() | read)


def read_provenance(folder: str | Path) -> dict[str, Any]:
    """What a run left when it was begun; empty where it left nothing."""
    path = Path(folder) / PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def weights_read(weights: str | None) -> dict[str, str] | None:
    """Where a network's first weights come from, and the SHA-256 of their file.

    Args:
        weights: `net.weights`: a run folder, a file, or the name of published ones, which are no
            file of the user's and have no hash here.
    """
    if weights is None:
        return None
    path = Path(weights)
    if path.is_dir():
        path = path / "checkpoints" / f"{BEST}.ckpt"
    return {"from": weights} | ({"sha256": _sha256(path)} if path.is_file() else {})


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
