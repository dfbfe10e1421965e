"""Read a MATLAB file in a process of its own: on a damaged one scipy's reader can crash.

Run as a script it takes the file by standard input and gives an npz by standard output. It knows
nothing of this project, so that it starts in a fifth of a second.
"""

import sys
from io import BytesIO
from typing import Any

import numpy as np

KEYS = 88
ERROR = "error"  # what stands in place of all cells in a file that cannot be read
_MEMORY = 2**31  # bytes; the largest benchmark takes 3 x 10^8
_SECONDS = 30  # of processor time
_KINDS = {"O": "a cell array", "V": "a struct", "U": "text"}  # by NumPy's letter


def read_cells(content: bytes, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The cells of cell arrays, or why there are none.

    The format holds arrays and no code: nothing that is in a file is run.

    Args:
        names: Of the variables.

    Returns:
        "name/number": a matrix (T, `KEYS`) uint8 of zeros and ones, or what is wrong with it.
        Instead of all of them "error": what is wrong with the file.
    """
    from scipy.io import loadmat

    try:
        contents = loadmat(BytesIO(content))
    except Exception as error:  # scipy names none; zlib's, OSError and TypeError were seen
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return _refusal(f"not a complete MATLAB file ({reason}); fetch or save it again")
    missing = [name for name in names if name not in contents]
    if missing:
        found = ", ".join(name for name in contents if name and name[0] != "_")[:200] or "none"
        return _refusal(
            f"no variable {', '.join(missing)}, found {found}; the cell arrays "
            f"{', '.join(names)} are needed"
        )
    cells = {}
    for name in names:
        variable = _opened(contents[name], layers_of_cells=True)
        if variable.dtype != object:
            return _refusal(
                f"{name} is {_kind(variable)} {variable.shape}; a cell array is needed, a matrix "
                f"(frames, {KEYS}) in each cell"
            )
        for number, cell in enumerate(variable.ravel()):
            cells[f"{name}/{number}"] = _sent(_opened(cell))
    return cells


def _refusal(reason: str) -> dict[str, np.ndarray]:
    return {ERROR: np.array(reason)}


def _opened(value: Any, *, layers_of_cells: bool = False) -> Any:
    """What is in layers of cells that hold one cell; without the last layer if that is asked."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        if layers_of_cells and _kind(value.item()) != _KINDS["O"]:
            break
        value = value.item()
    return value


def _sent(cell: Any) -> np.ndarray:
    flaw = flaw_of(cell)
    return np.array(flaw) if flaw else cell.astype(np.uint8)


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


def _limit() -> None:
    """Bombs end here: claimed sizes, what unpacks to a thousand times its size."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    limits = (
        (resource.RLIMIT_AS, _MEMORY),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_CORE, 0),
    )
    for what, most in limits:
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))


if __name__ == "__main__":
    _limit()
    np.savez(sys.stdout.buffer, **read_cells(sys.stdin.buffer.read(), tuple(sys.argv[1:])))
