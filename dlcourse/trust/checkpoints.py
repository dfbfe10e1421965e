"""Checkpoints, opened without running anything that is in them, in bounded memory."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.errors import InputError
from dlcourse.trust.terminal import first_line, one_line

if TYPE_CHECKING:
    import torch


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Everything that a checkpoint of this project holds: tensors and plain values.

    Raises:
        InputError: There is none, it is damaged, would run code, or is no checkpoint.
    """
    content = read_archive(path)
    if not isinstance(content.get("state_dict"), Mapping):
        raise InputError(f"{path}: not a checkpoint of this project: it has no state_dict")
    return content


def read_archive(path: str | Path) -> dict[str, Any]:
    """The tensors and plain values that PyTorch has written under names.

    Raises:
        InputError: There is no such file, it is damaged, would run code, or holds something else.
    """
    import torch

    try:
        check_archive(path)
        content = dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except Exception as error:  # torch raises many kinds on damaged or unsafe files
        raise InputError(
            f"{path}: not a checkpoint of this project, or damaged: {first_line(error)}"
        ) from error
    return content


def check_archive(path: str | Path) -> None:
    """See that what comes out of a file is no more than the file, as PyTorch packs nothing, and
    that it is what was written: PyTorch notes a checksum of every part, and looks at none of them.

    Raises:
        ValueError: One of the two is not so.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
        if size > os.path.getsize(path):
            raise ValueError(f"packed to less than its {size} bytes; save it unpacked")
        if part := archive.testzip():
            raise ValueError(f"{one_line(part)} is not what was written")


def check_resumable(content: Mapping[str, Any], path: str | Path) -> None:
    """See that training can go on from a checkpoint and touches no other files than the run's.

    Lightning removes the checkpoint before the last one, wherever its state says that this lies
    (`ModelCheckpoint._should_remove_checkpoint` trusts addresses such as local:///home/me).

    Raises:
        InputError: It has weights alone, or names files that are no checkpoints.
    """
    parts = {"optimizer_states": list, "lr_schedulers": list, "loops": dict, "callbacks": dict}
    for name, kind in parts.items():
        if not isinstance(content.get(name), kind):
            raise InputError(
                f"{path}: has no {name}, or damaged ones: only its weights are of use; begin anew"
            )
    for name in _paths(content["callbacks"]):
        if not _is_checkpoint(name):
            raise InputError(
                f"{path}: would remove {str(name)[:80]!r} as its last checkpoint, which is none: "
                f"it was tampered with; do not go on from it"
            )


def _paths(node: Any) -> Iterator[Any]:
    """All that callbacks take for files: `best_model_path` and the like, keys of best models."""
    if not isinstance(node, Mapping):
        return
    for key, inner in node.items():
        if isinstance(key, str) and key.endswith("_path"):
            yield inner
        elif key == "best_k_models" and isinstance(inner, Mapping):
            yield from inner
        else:
            yield from _paths(inner)


def _is_checkpoint(name: Any) -> bool:
    """Whether a path is nothing yet, or plainly that of a checkpoint."""
    if name == "":
        return True
    plain = isinstance(name, str) and os.path.isabs(name) and os.path.normpath(name) == name
    return plain and name.endswith(".ckpt") and not Path(name).is_dir()


def weights_difference(ours: Mapping[str, "torch.Tensor"], theirs: Mapping[str, Any]) -> str:
    """The first thing for which weights cannot take the place of others, in words; or ""."""
    import torch

    if missing := sorted(ours.keys() - theirs.keys()):
        return f"{missing[0]} is missing ({len(missing)} in all)"
    if extra := sorted(theirs.keys() - ours.keys(), key=str):
        return f"{extra[0]} is not in this network ({len(extra)} in all)"
    for name, value in ours.items():
        other = theirs[name]
        if not isinstance(other, torch.Tensor):
            return f"{name} is no tensor"
        if value.shape != other.shape:
            return f"{name} has shape {tuple(other.shape)}, here {tuple(value.shape)}"
        if (other.layout, other.device, other.is_quantized) != (
            torch.strided, torch.device("cpu"), False,
        ) or other.is_complex():  # fmt: skip
            return f"{name} is no plain tensor of numbers"
    return ""


def not_numbers(weights: Mapping[str, "torch.Tensor"]) -> str:
    """The first weights of which some are NaN, in words; or ""."""
    for name, value in weights.items():
        if value.is_floating_point() and (count := int(value.isnan().sum())):
            return f"{count} of the {value.numel()} values of {name} are NaN"
    return ""
