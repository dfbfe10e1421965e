"""Whether a run's config is one of this version of the project, key by key."""

import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from omegaconf import OmegaConf

from dlcourse.errors import InputError
from dlcourse.run_provenance import read_provenance
from dlcourse.runs import Run

_LISTED = 6  # keys, before "and more"


@dataclass(frozen=True)
class KeyChanges:
    """How a run's config differs in its keys from one that is composed today.

    Attributes:
        unknown: Keys that no option has any more.
        missing: Keys that have come since.
        refused: Hydra's complaint, where what was typed composes no longer.
    """

    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    refused: str = ""

    def sentence(self) -> str:
        """In words; empty where nothing differs."""
        parts = [("unknown today: ", self.unknown), ("missing in it: ", self.missing)]
        told = [what + _listed(keys) for what, keys in parts if keys]
        return "; ".join([*told, self.refused] if self.refused else told)


def key_changes(run: Run) -> KeyChanges:
    """Compare a run's config with what its overrides compose today.

    Of a run that was composed in Python, without a note of its overrides, only the uppermost keys
    are compared.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from dlcourse.cli import conf_path

    noted = (run.folder / ".hydra" / "overrides.yaml").is_file()
    depth = None if noted else 1
    running = GlobalHydra.instance().is_initialized()  # as an app, which composes of conf/ too
    try:
        with nullcontext() if running else initialize_config_dir(conf_path(), version_base="1.3"):
            today = compose("train", [o for o in run.overrides if "${" not in o])
    except (HydraException, OmegaConfBaseException) as error:
        return KeyChanges(refused=" ".join(str(error).split("\n\n")[0].split()))
    then, now = (_keys(OmegaConf.to_container(c), depth=depth) for c in (run.config, today))
    unknown, missing = list(then - now), list(now - then)
    return KeyChanges(_uppermost(unknown), _uppermost(missing))


def explained(run: Run, error: Exception) -> InputError | None:
    """An error of a run made again, if its config is of another version: how that is told, and
    which revision runs it.
    """
    if not (keys := key_changes(run).sentence()):
        return None
    revision = str(read_provenance(run.folder).get("git_revision", ""))[:12]
    known = re.fullmatch("[0-9a-f]+", revision)
    advice = f"; it was made by revision {revision}: git checkout {revision}" if known else ""
    return InputError(
        f"{run.folder}: its config is of another version of the project ({keys}), which this one "
        f"cannot run: {one_line(error)}{advice}"
    )


def one_line(error: Exception) -> str:
    """An error's text without what Hydra and OmegaConf add for their own developers."""
    return " ".join(re.split(r", set env var HYDRA|full_key:", str(error))[0].split())


def _keys(node: Any, *, depth: int | None, prefix: str = "") -> set[str]:
    """All dotted keys down to a depth, those of containers too."""
    return set(_walk(node, depth, prefix))


def _walk(node: Any, depth: int | None, prefix: str) -> Iterator[str]:
    if not isinstance(node, Mapping) or depth == 0:
        return
    for key, inner in node.items():
        name = f"{prefix}{key}"
        yield name
        yield from _walk(inner, None if depth is None else depth - 1, f"{name}.")


def _uppermost(keys: list[str]) -> tuple[str, ...]:
    """Without those that lie below another one of them."""
    found = set(keys)
    return tuple(
        key
        for key in sorted(found)
        if not any(key[:i] in found for i, letter in enumerate(key) if letter == ".")
    )


def _listed(keys: tuple[str, ...]) -> str:
    more = f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else ""
    return ", ".join(keys[:_LISTED]) + more
