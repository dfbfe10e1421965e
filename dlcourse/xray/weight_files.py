"""Files of weights, opened without running anything that is in them.

Weights come bare or wrapped ({"state_dict": ...}, {"model": ...}), from today's PyTorch or the
.tar files of 2018. Only tensors and plain values are read: a pickle that would call something is
refused.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.trust.checkpoints import check_archive
from dlcourse.trust.terminal import one_line

WRAPPINGS = ("state_dict", "model_state_dict", "model")
# A number of NumPy is no tensor but harmless; checkpoints of CheXNet hold their best loss as one.
_SCALAR = np.float64(0).__reduce__()[0]
NUMPY_SCALARS = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *{type(np.dtype(code)) for code in ("f4", "f8", "i4", "i8")},
]


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a file by name.

    Raises:
        InputError: No such file, damaged, without weights, or not openable without running code.
    """
    content = _opened(path)
    for wrapping in WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapping), Mapping):
            content = content[wrapping]
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{path}: holds no weights: a state_dict is needed, bare or wrapped")
    for name, value in content.items():
        if not isinstance(name, str) or not _is_plain(value):
            shown = one_line(name)
            raise InputError(f"{path}: {shown!r} is no plain tensor: a state_dict is needed")
    return dict(content)


def _is_plain(value: object) -> bool:
    """Whether it has numbers in memory: meta, sparse and quantized tensors do not add up here."""
    strided = isinstance(value, Tensor) and value.layout == torch.strided
    return strided and value.device.type == "cpu" and not value.is_quantized


def check_file(path: str | Path) -> None:
    """Refuse what is no file, and what torch would believe: a zip bomb, a flipped bit.

    Raises:
        InputError: A folder, a device, a pipe; packed, or damaged where it has checksums.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: a folder, a device or a pipe: a file of weights is needed")
    if zipfile.is_zipfile(path):
        try:
            check_archive(path)
        except ValueError as error:
            raise InputError(f"{path}: packed or damaged: {error}") from error


def _opened(path: str | Path) -> Any:
    try:
        check_file(path)
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except InputError:
        raise
    except Exception as error:  # torch raises many kinds
        if unsafe := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path}: holds {one_line(unsafe[1])}, which could run code when opened; only "
                f"tensors are read: whoever made it can torch.save(model.state_dict(), ...) instead"
            ) from error
        lines = str(error).partition("WeightsUnpickler error:")
        line = (lines[2] or lines[0]).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not a file of weights, or damaged: {one_line(line)}") from error
