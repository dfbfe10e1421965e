"""A config as flat options with plain values, as tables of runs and W&B's columns want it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

PLACE = ("folder", "data_dir", "resume")  # where a run lies says nothing of what it is
EXPECTED = "expected"  # nor what somebody has measured


def flat_options(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Every value by its dotted key; the run's own place is left out, also where it is repeated.

    Lists stay whole: they are one value on the command line too.
    """
    if isinstance(config, DictConfig):
        config = OmegaConf.to_container(config, resolve=True)
    folder = str(config.get("folder"))
    return {
        key: value
        for key, value in _flat(config, "").items()
        if key not in PLACE
        and key.partition(".")[0] != EXPECTED
        and not (isinstance(value, str) and value.startswith(folder))
    }


def _flat(node: Any, key: str) -> dict[str, Any]:
    if not isinstance(node, Mapping):
        return {key: node}
    return {
        name: value
        for part, inner in node.items()
        for name, value in _flat(inner, f"{key}.{part}" if key else str(part)).items()
    }


def changed_options(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """The options that differ, each with both values; None where it is absent."""
    keys = [*before, *(key for key in after if key not in before)]
    pairs = {key: (before.get(key), after.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def saved_options(folder: str | Path) -> dict[str, Any]:
    """The options of the `config.yaml` that a run left; none where it left no such file."""
    path = Path(folder) / "config.yaml"
    return flat_options(OmegaConf.load(path)) if path.is_file() else {}
