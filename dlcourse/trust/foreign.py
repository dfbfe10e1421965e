"""A run's config that this user did not make on this machine: what it must not ask for.

It runs none but the project's own code, reads nothing from the environment, sends nothing away and
writes nowhere but into its run folder and a data folder, which is no hidden one.
"""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlcourse.errors import InputError
from dlcourse.trust.growth import check_growth
from dlcourse.trust.targets import is_known, known_resolvers
from dlcourse.trust.terminal import first_line, one_line

TRUST = "DLCOURSE_TRUST"  # names of packages and modules, with commas, that may be run
_MAPS = "cam"  # the one option that names code without `_target_`
_STRANGE = "and the run was not made by you on this machine"
_SILENT = ("offline", "disabled")  # modes of W&B
_SPECIAL = ("_target_", "_partial_")
_REFERENCE = re.compile(r"\$\{\.*[A-Za-z_][\w-]*(?:\.[\w-]+|\[\w+\])*\}")
# Options that name what is read; all other paths are written to.
_READ = ("root", "index", "file", "weights", "url", "train", "val", "test")
_READ += ("exclude", "resume")


def check_foreign(config: Mapping[str, Any], folder: Path) -> None:
    """See that a config, as it was noted and unresolved, can do no harm.

    Raises:
        InputError: It could; names the option, its value and what to do.
    """
    for key, value in _leaves(config):
        _check_code(key, value)
        if isinstance(value, str) and "${" in value and key != "folder":
            _check_interpolations(key, value)
        if re.fullmatch(r"logger\..*mode", key) and value not in (*_SILENT, *known_resolvers()):
            why = "would send what is trained to an address of that run's"
            raise _refused(key, value, f"{why}, {_STRANGE}: write offline there")
    check_growth(config)
    _check_links(folder)
    try:
        placed = OmegaConf.create({**config, "folder": str(folder)})
        resolved = OmegaConf.to_container(placed, resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise InputError(first_line(error)) from error
    for key, value in _leaves(resolved):
        if isinstance(value, str) and key.rpartition(".")[2] not in _READ:
            _check_place(key, value, folder)


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted key; items of lists have that of their list."""
    if isinstance(node, Mapping):
        for name, inner in node.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for inner in node:
            yield from _leaves(inner, key)
    else:
        yield key, node


def _check_code(key: str, value: Any) -> None:
    parts = key.split(".")
    if strange := [p for p in parts if p.startswith("_") and p not in _SPECIAL]:
        raise _refused(key, value, f"no config of this project has a {strange[0]}")
    own_maps = parts[-1] == _MAPS and value not in (None, f"${{{_MAPS}}}")
    own_target = "_target_" in parts and not (parts[-1] == "_target_" and is_known(value))
    if own_maps or own_target:
        _check_own(key, value)


def _check_own(key: str, name: Any) -> None:
    """Whether the user has said that code is to be trusted, by its package or module."""
    trusted = [word.strip() for word in os.environ.get(TRUST, "").split(",") if word.strip()]
    own = isinstance(name, str) and all(part.isidentifier() for part in name.split("."))
    if own and any(f"{name}.".startswith(f"{word}.") for word in trusted):
        return
    module = str(name).rpartition(".")[0]
    if own and module and not _is_of_others(name):
        advice = f"read that code, and if you trust it put {TRUST}={module} before the command"
    elif str(name).startswith("dlcourse."):
        advice = "do not use this folder, unless an older version made it: then with that one"
    else:
        advice = "do not use this folder"
    why = "would run code that is not this project's"
    raise _refused(key, name, f"{why}, {_STRANGE}: {advice}")


def _is_of_others(name: str) -> bool:
    """Whether code is of Python itself, or of what the project is built on."""
    first = name.partition(".")[0]
    ours = ("dlcourse", "hydra", "lightning", "omegaconf", "torch", "torchmetrics", "torchvision")
    return first in sys.stdlib_module_names or first in ours


def _check_interpolations(key: str, value: str) -> None:
    rest = _REFERENCE.sub("", value)
    for known in known_resolvers():
        rest = rest.replace(known, "")
    if "${" in rest:
        why = "would read something that is not in this config"
        raise _refused(key, value, f"{why}, {_STRANGE}: write the value itself there")


def _check_place(key: str, value: str, folder: Path) -> None:
    """Whether a text is no path that leads elsewhere."""
    leads_away = os.path.isabs(value) or value.startswith("~") or "://" in value
    parts = re.split(r"[/\\]", value)
    if not leads_away and ".." not in parts:
        return
    if (
        key.rpartition(".")[2] == "data_dir"
        and os.path.isabs(value)
        and not any(part.startswith(".") for part in parts)
    ):
        return  # what is kept there has names of the project's own, and replaces nothing
    own, place = os.path.abspath(folder), os.path.abspath(value)
    if "://" not in value and (place == own or place.startswith(own + os.sep)):
        return
    why = "would be written to, lies outside of the run folder"
    raise _refused(key, value, f"{why}, {_STRANGE}: write a folder of yours there, such as data")


def _check_links(folder: Path) -> None:
    """Whether nothing in the folder stands for a place outside."""
    own = folder.resolve()
    for path in [*folder.iterdir(), *folder.glob("checkpoints/**/*")]:
        if path.is_symlink() and not path.resolve().is_relative_to(own):
            why = f"a link out of the run folder, {_STRANGE}"
            advice = "put what it stands for there, or remove it"
            raise InputError(f"{path.relative_to(folder)}: {why}: {advice}")


def _refused(key: str, value: Any, why: str) -> InputError:
    """The option, with no more of it than fits a line and moves no cursor."""
    return InputError(f"{one_line(f'{key}={value}')}: {why}")
