"""The YAML files of a run folder, read as plain text that nobody answers for.

Nothing is resolved: an interpolation may read the environment, or grow without end.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from dlcourse.errors import InputError
from dlcourse.trust.terminal import first_line

_MOST = 2**18  # bytes; a config has 10,000
_SHOWN = 200  # characters of an error
_ALIAS = re.compile(r"(?:^|[\s,\[{])\*[^\s*]", re.MULTILINE)  # a few lines of them fill a memory


def read_note(path: str | Path, *, what: str, kind: type = dict) -> Any:
    """A YAML file as dicts, lists and plain values.

    Args:
        what: It is, for the error.
        kind: What it has to hold: dict or list.

    Raises:
        InputError: It is damaged, too large, or grows when it is read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MOST + 1)
        if len(text) > _MOST:
            raise ValueError(f"more than {_MOST // 1024} KiB")
        if _ALIAS.search(text) and any(isinstance(e, yaml.AliasEvent) for e in yaml.parse(text)):
            raise ValueError("it repeats a part by an alias, which no config of this project does")
        noted = OmegaConf.to_container(OmegaConf.create(text), resolve=False) if text else {}
        if not isinstance(noted, kind):
            raise ValueError("no options in it")
        return noted
    except Exception as error:  # yaml and omegaconf raise many kinds
        line = first_line(error)[:_SHOWN]
        raise InputError(f"{path}: damaged {what}: {line}") from error
