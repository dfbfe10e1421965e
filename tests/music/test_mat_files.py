"""MATLAB files: whole, damaged, foreign, hostile, and cells that are no sequences."""

import pickle
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from scipy.io import savemat

from dlcourse.errors import InputError
from dlcourse.music.matrices.cell_reader import ERROR, flaw_of, read_cells
from dlcourse.music.matrices.mat_files import VARIABLES, load_cells
from tests.matrix_files import cells, random_rolls, write_rolls

ROLLS = random_rolls(5)
SPLITS = (ROLLS[:3], ROLLS[3:4], ROLLS[4:])


def layers(rolls: list[np.ndarray], shape: str) -> np.ndarray:
    """The same cells in another arrangement."""
    array = cells(rolls)
    if shape == "column":
        return array.T
    if shape == "each in a cell of its own":
        return cells([cells([roll]) for roll in rolls])
    return cells([array]) if shape == "all in one cell" else array


@pytest.mark.parametrize("shape", ["row", "column", "each in a cell of its own", "all in one cell"])
@pytest.mark.parametrize("compressed", [True, False])
def test_cells_are_found_however_they_are_nested(
    shape: str, compressed: bool, tmp_path: Path
) -> None:
    names = ("traindata", "validdata", "testdata")
    contents = {n: layers(list(s), shape) for n, s in zip(names, SPLITS, strict=True)}
    savemat(tmp_path / "x.mat", contents, do_compression=compressed)
    loaded = load_cells(tmp_path / "x.mat")
    assert list(loaded) == ["train", "val", "test"]
    for expected, found in zip(SPLITS, loaded.values(), strict=True):
        assert len(found) == len(expected)
        assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


NAMES = tuple(VARIABLES.values())


def test_a_file_cut_short_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = write_rolls(tmp_path / "x.mat", SPLITS, do_compression=True).read_bytes()
    for size in range(0, len(whole), len(whole) // 60):
        error = str(read_cells(whole[:size], NAMES)[ERROR])
        assert re.match("not a complete|no variable", error)
        assert "\n" not in error
    (tmp_path / "cut.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.mat: (not a complete|no variable)"):
        load_cells(tmp_path / "cut.mat")


def test_a_damaged_compressed_file_is_noticed(tmp_path: Path) -> None:
    whole = write_rolls(tmp_path / "x.mat", SPLITS, do_compression=True).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(140, len(whole), 40):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        assert ERROR in read_cells(bytes(damaged), NAMES)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "MATLAB's format 7.3"),
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF", "format 7.3"),
        (b"MThd\x00\x00\x00\x06" + bytes(200), "not a complete MATLAB file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "not a complete MATLAB file"),
    ],
)
def test_a_foreign_file_is_told(start: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(start)
    with pytest.raises(InputError, match=message):
        load_cells(tmp_path / "x.mat")


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No such file or directory.*data\.root="):
        load_cells(tmp_path / "x.mat")


def test_missing_variables_and_matrices_in_place_of_cells_are_told(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"traindata": cells(ROLLS), "other": np.eye(2)})
    with pytest.raises(InputError, match="no variable validdata, testdata, found traindata, other"):
        load_cells(tmp_path / "x.mat")
    names = ("traindata", "validdata", "testdata")
    savemat(tmp_path / "x.mat", dict.fromkeys(names, ROLLS[0]))
    with pytest.raises(InputError, match=r"traindata is uint8 \(\d+, 88\); a cell array is need"):
        load_cells(tmp_path / "x.mat")
    savemat(tmp_path / "x.mat", {name: {"rolls": ROLLS[0]} for name in names})
    with pytest.raises(InputError, match="traindata is a struct"):
        load_cells(tmp_path / "x.mat")


ROLL = ROLLS[0]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (ROLL, ""),
        (ROLL.astype(float), ""),
        (ROLL.astype(bool), ""),
        (ROLL[:1], "1 frames"),
        (ROLL[:0], "0 frames"),
        (np.zeros((0, 0)), r"shape \(0, 0\)"),
        (ROLL.T, r"shape \(88, \d+\): \(frames, 88\) is needed"),
        (ROLL[:, :87], r"shape \(\d+, 87\)"),
        (ROLL[None], r"shape \(1, \d+, 88\)"),
        (ROLL * 64, "holds 64, [0-9]+ such cells"),
        (ROLL * -1.0, "holds -1"),
        (np.where(ROLL, np.nan, 0), "holds nan"),
        (ROLL * 1j, "complex128: a matrix of numbers"),
        (np.array(["C E G"]), "text: a matrix of numbers"),
        (cells([ROLL, ROLL]), "a cell array: a matrix of numbers"),
        (np.zeros(1, dtype=[("roll", "O")]), "a struct: a matrix of numbers"),
        (sparse.csc_matrix(ROLL), "csc_matrix: a matrix of numbers"),
    ],
)
def test_what_is_wrong_with_a_cell_is_said(cell: object, reason: str) -> None:
    flaw = flaw_of(cell)
    assert re.match(reason, flaw)
    assert bool(flaw) == bool(reason)


class Payload:
    """Unpickled, it would write a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return Path.touch, (self.target,)


def test_a_pickle_is_not_unpickled(tmp_path: Path) -> None:
    target, path = tmp_path / "owned", tmp_path / "x.mat"
    path.write_bytes(pickle.dumps(Payload(target)))
    with pytest.raises(InputError):
        load_cells(path)
    np.save(path.with_suffix(".npy"), np.array([Payload(target)]), allow_pickle=True)
    with pytest.raises(InputError):
        load_cells(path.with_suffix(".npy"))
    assert not target.exists()


EVENTS: list[str] = []
LISTENING = [False]


@contextmanager
def audited() -> Iterator[list[str]]:
    """What the interpreter reports meanwhile; a hook cannot be taken out again."""
    EVENTS.clear()
    LISTENING[0] = True
    try:
        yield EVENTS
    finally:
        LISTENING[0] = False


def test_reading_runs_and_opens_nothing(tmp_path: Path) -> None:
    path = write_rolls(tmp_path / "x.mat", SPLITS, do_compression=True)
    content = path.read_bytes()
    read_cells(content, NAMES)  # imports scipy
    # It outlives this module: when the interpreter ends, globals are gone before it is.
    heard, listening = EVENTS, LISTENING
    sys.addaudithook(lambda event, _: heard.append(event) if listening[0] else None)
    with audited() as events:
        read_cells(content, NAMES)
    forbidden = (
        "open",
        "pickle",
        "exec",
        "compile",
        "import",
        "subprocess",
        "os.",
        "socket",
        "ctypes",
    )
    assert not [event for event in events if event.startswith(forbidden)]
