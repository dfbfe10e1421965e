"""A config as flat options with plain values, as tables of runs and W&B's columns want it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from dlcourse.errors import InputError
from dlcourse.trust.notes import read_note
from dlcourse.trust.targets import known_resolvers

PLACE = ("folder", "data_dir", "resume")  # where a run lies says nothing of what it is
EXPECTED = "expected"  # nor what somebody has measured

_LEAST = {"seed": 0, "steps": 0, "validate_every": 1, "log_every": 1, "threads": 1}
_MOST = 2**32 - 1  # of what numpy takes as a seed


def check_numbers(config: DictConfig) -> None:
    """See that what counts the steps of a run, its seed and its threads are whole numbers.

    Raises:
        InputError: One of them is not, or out of bounds; threads may be null.
    """
    for key, least in _LEAST.items():
        value = config.get(key)
        if value is None and key == "threads":
            continue
        if type(value) is not int or not least <= value <= _MOST:
            raise InputError(f"{key}={value}: a whole number is needed, from {least} to {_MOST}")


def flat_options(config: DictConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Every value by its dotted key; the run's own place is left out, also where it is repeated.

    Lists stay whole: they are one value on the command line too.
    """
    if isinstance(config, DictConfig):
        config = resolved(config)
    folder = str(config.get("folder"))
    return {
        key: value
        for key, value in _flat(config, "").items()
        if key not in PLACE
        and key.partition(".")[0] != EXPECTED
        and not (isinstance(value, str) and f"{value}/".startswith(f"{folder}/"))
    }


def resolved(config: DictConfig) -> dict[str, Any]:
    """A config in which interpolations have become values.

    What somebody typed to be read from the environment stays as it was typed: it may be a secret,
    and this is noted in run folders.
    """
    noted = OmegaConf.to_container(config, resolve=False)
    return _but_environment(noted, OmegaConf.to_container(config, resolve=True))


def _but_environment(noted: Any, value: Any) -> Any:
    if isinstance(noted, Mapping) and isinstance(value, Mapping):
        return {key: _but_environment(noted.get(key), inner) for key, inner in value.items()}
    if isinstance(noted, list) and isinstance(value, list):
        return [_but_environment(*pair) for pair in zip(noted, value, strict=True)]
    typed = isinstance(noted, str) and noted not in known_resolvers()
    return noted if typed and "oc.env:" in noted else value


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
    return flat_options(read_note(path, what="config")) if path.is_file() else {}
