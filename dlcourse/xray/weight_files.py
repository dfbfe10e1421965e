"""Files of weights, opened without running anything that is in them.

Weights come bare or wrapped ({"state_dict": ...}, {"model": ...}), from today's PyTorch or the
.tar files of 2018. Only tensors and plain values are read: a pickle that would call something is
refused.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlcourse.errors import InputError

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
        if not isinstance(value, Tensor):
            raise InputError(f"{path}: {name!r} is no tensor: a state_dict is needed")
    return dict(content)


def _opened(path: str | Path) -> Any:
    try:
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # torch raises many kinds
        if unsafe := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path}: holds {unsafe[1]}, which could run code when opened; only tensors are "
                f"read: whoever made it can torch.save(model.state_dict(), ...) instead"
            ) from error
        lines = str(error).partition("WeightsUnpickler error:")
        line = (lines[2] or lines[0]).strip().partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not a file of weights, or damaged: {line}") from error
