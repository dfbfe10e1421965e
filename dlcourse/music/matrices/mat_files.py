"""A MATLAB file of sequences: what its cells hold, split by split, and what is wrong with a cell.

The benchmark's files have the cell arrays traindata, validdata and testdata of matrices (T, 88)
that say at each of T frames which of a piano's keys sound. Source: Boulanger-Lewandowski et al.,
Modeling Temporal Dependencies in High-Dimensional Sequences, ICML 2012.
"""

import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.matrices import cell_reader
from dlcourse.splits import TEST, TRAIN, VAL
from dlcourse.trust.strange_files import content_of
from dlcourse.trust.terminal import printable

VARIABLES = {TRAIN: "traindata", VAL: "validdata", TEST: "testdata"}
LOWEST_KEY, HIGHEST_KEY = 21, 108  # MIDI pitches of the first and the last column
LARGEST_FILE = 2**29  # bytes; the largest benchmark has 3 x 10^8 when it is not compressed
_HDF5 = (b"\x89HDF", b"MATLAB 7.3")  # what files of MATLAB's newer format begin with
_PATIENCE = 300  # seconds: the reader may have to wait for a processor


def load_cells(path: str | Path) -> dict[str, list[np.ndarray | str]]:
    """The cells of traindata, validdata and testdata, by split.

    Returns:
        Of each cell its matrix (T, 88) uint8 of zeros and ones, or what is wrong with it.

    Raises:
        InputError: There is no such file, or it is not a MATLAB file of three cell arrays.
    """
    try:
        content = content_of(path, most=LARGEST_FILE)
    except InputError as error:
        raise InputError(f"{error}; data.root=<file or folder> names another") from error
    if content.startswith(_HDF5):
        raise InputError(f"{path}: MATLAB's format 7.3 (HDF5); save it in MATLAB with -v7")
    with np.load(BytesIO(_read(content, path))) as sent:
        if cell_reader.ERROR in sent:
            raise InputError(f"{path}: {printable(str(sent[cell_reader.ERROR]))}")
        cells = {split: [] for split in VARIABLES}
        split_of = {name: split for split, name in VARIABLES.items()}
        for name, cell in sent.items():
            cells[split_of[name.split("/")[0]]].append(cell if cell.ndim else str(cell))
    return cells


def _read(content: bytes, path: str | Path) -> bytes:
    """What `cell_reader` sends, from a process that can do no harm when it crashes."""
    command = [sys.executable, cell_reader.__file__, *VARIABLES.values()]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # each takes of the memory
    try:
        done = subprocess.run(
            command,
            input=content,
            capture_output=True,
            timeout=_PATIENCE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us, who then end it
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"{path}: not read within {_PATIENCE} s; the file looks damaged"
        ) from error
    if done.returncode:
        raise InputError(f"{path}: not a complete MATLAB file ({_end_of(done)}); fetch it again")
    return done.stdout


def _end_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """How the reader ended: "SIGSEGV", or the last line that it said."""
    if done.returncode < 0:
        return signal.Signals(-done.returncode).name
    last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    return printable("".join(last))[:200] or f"exit status {done.returncode}"
