"""A checkpoint of a run that lies elsewhere now: moved, copied from a cluster, mounted anew."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def at_home(checkpoint: Mapping[str, Any], path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint, whose callbacks take the folder it lies in for theirs.

    Lightning forgets a run's best value, and then overwrites its best checkpoint with a worse one,
    where the folder is not the one that it was written in (`ModelCheckpoint.load_state_dict`).

    Args:
        path: Where it was read from.
    """
    here = os.path.realpath(Path(path).parent)
    callbacks = checkpoint.get("callbacks") or {}
    states = {
        name: _moved(state, state["dirpath"], here)
        if isinstance(state, dict) and isinstance(state.get("dirpath"), str)
        else state
        for name, state in callbacks.items()
    }
    return {**checkpoint, "callbacks": states}


def _moved(node: Any, there: str, here: str) -> Any:
    """With the new folder for the old one, also where files are named, in dicts and their keys."""
    if isinstance(node, dict):
        return {_moved(key, there, here): _moved(inner, there, here) for key, inner in node.items()}
    if isinstance(node, str) and (node == there or os.path.dirname(node) == there):
        return here + node[len(there) :]
    return node
