"""A MATLAB file of sequences: what its cells hold, split by split, and what is wrong with a cell.

The benchmark's files have the cell arrays traindata, validdata and testdata of matrices (T, 88)
that say at each of T frames which of a piano's keys sound. Source: Boulanger-Lewandowski et al.,
Modeling Temporal Dependencies in High-Dimensional Sequences, ICML 2012.
"""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.errors import InputError
from dlcourse.splits import TEST, TRAIN, VAL

VARIABLES = {TRAIN: "traindata", VAL: "validdata", TEST: "testdata"}
LOWEST_KEY, HIGHEST_KEY = 21, 108  # MIDI pitches of the first and the last column
KEYS = HIGHEST_KEY - LOWEST_KEY + 1
_HDF5 = (b"\x89HDF", b"MATLAB 7.3")  # what files of MATLAB's newer format begin with
_KINDS = {"O": "a cell array", "V": "a struct", "U": "text"}  # by NumPy's letter


def load_cells(path: str | Path) -> dict[str, list[Any]]:
    """The cells of traindata, validdata and testdata, by split, unchecked.

    The format holds arrays and no code: nothing that is in a file is run.

    Raises:
        InputError: There is no such file, or it is not a MATLAB file of three cell arrays.
    """
    path = Path(path)
    contents = _load(path)
    missing = [name for name in VARIABLES.values() if name not in contents]
    if missing:
        found = ", ".join(name for name in contents if name and name[0] != "_") or "none"
        raise InputError(
            f"{path}: no variable {', '.join(missing)}, found {found}; the cell arrays "
            f"{', '.join(VARIABLES.values())} are needed"
        )
    return {split: _cells(contents[name], name, path) for split, name in VARIABLES.items()}


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat  # slow to import, and of no use to other data

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); data.root=<file or folder> names another"
        ) from error
    if content.startswith(_HDF5):
        raise InputError(f"{path}: MATLAB's format 7.3 (HDF5); save it in MATLAB with -v7")
    try:
        return loadmat(BytesIO(content))
    except Exception as error:  # scipy names none; zlib's, OSError and TypeError were seen
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path}: not a complete MATLAB file ({reason}); fetch or save it again"
        ) from error


def _cells(variable: np.ndarray, name: str, path: Path) -> list[Any]:
    """The cells of a variable; layers of cells that hold one cell are opened."""
    while variable.dtype == object and variable.size == 1 and _kind(variable.item()) == _KINDS["O"]:
        variable = variable.item()
    if variable.dtype != object:
        raise InputError(
            f"{path}: {name} is {_kind(variable)} {variable.shape}; a cell array is needed, a "
            f"matrix (frames, {KEYS}) in each cell"
        )
    return [_opened(cell) for cell in variable.ravel()]


def _opened(cell: Any) -> Any:
    while isinstance(cell, np.ndarray) and cell.dtype == object and cell.size == 1:
        cell = cell.item()
    return cell


def _kind(value: Any) -> str:
    """What a value is, for people: "a cell array", "float64", "csc_matrix"."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    return _KINDS.get(value.dtype.kind, value.dtype.name)


def flaw_of(cell: Any) -> str:
    """Why a cell is no sequence of zeros and ones, or an empty string."""
    kind = _kind(cell)
    if not isinstance(cell, np.ndarray) or cell.dtype.kind not in "buif":
        return f"{kind}: a matrix of numbers is needed"
    if cell.ndim != 2 or cell.shape[1] != KEYS:
        return f"shape {cell.shape}: (frames, {KEYS}) is needed"
    if len(cell) < 2:
        return f"{len(cell)} frames: at least 2 are needed"
    wrong = cell[(cell != 0) & (cell != 1)]
    if len(wrong):
        return f"holds {wrong[0]:g}, {len(wrong)} such cells in all: 0 and 1 are allowed"
    return ""
