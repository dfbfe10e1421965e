"""MATLAB files from strangers: scipy's reader may crash on them, which costs a line of text."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from dlcourse.errors import InputError
from dlcourse.music.matrices import cell_reader
from dlcourse.music.matrices.mat_files import VARIABLES, load_cells
from tests.conftest import DATA
from tests.matrix_files import cells, random_rolls, write_rolls
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.mutating import mutated

ROLLS = random_rolls(5)
SPLITS = (ROLLS[:3], ROLLS[3:4], ROLLS[4:])


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Files with and without compression, and a piece of a benchmark where there is one."""
    path = tmp_path_factory.mktemp("whole") / "x.mat"
    files = [
        write_rolls(path, SPLITS, do_compression=compressed).read_bytes()
        for compressed in (False, True)
    ]
    chorales = DATA / "polyphonic/JSB_Chorales.mat"
    if chorales.is_file():
        contents = loadmat(chorales)
        savemat(path, {name: contents[name][:, :4] for name in VARIABLES.values()})
        files.append(path.read_bytes())
    return files


def changed(content: bytes, rng: np.random.Generator) -> bytes:
    """One byte is another, most of the time: scipy crashes on such files."""
    if rng.random() < 0.3:
        return mutated(content, rng)
    damaged = bytearray(content)
    damaged[rng.integers(128, min(len(content), 3000))] = rng.integers(256)
    return bytes(damaged)


def check_loaded(path: Path) -> bool:
    """Whether the file was read: into matrices of zeros and ones, or what is wrong with them."""
    try:
        loaded = load_cells(path)
    except InputError as error:
        check_line(str(error))
        return False
    assert list(loaded) == ["train", "val", "test"]
    for cell in (cell for split in loaded.values() for cell in split):
        if isinstance(cell, str):
            check_line(cell)
        else:
            assert cell.dtype == np.uint8
            assert cell.shape[1] == 88
            assert cell.max() <= 1
    return True


def check_line(text: str) -> None:
    assert text, "nothing was said"
    assert text.isprintable(), ascii(text)


def test_a_changed_matlab_file_is_read_or_refused_in_one_line(
    tmp_path: Path, whole_files: list[bytes], trials: Trials
) -> None:
    count = trials("mutated MATLAB files", usual=16, nightly=600)
    read = 0
    for number in range(count):
        rng = np.random.default_rng(number)
        content = changed(whole_files[number % len(whole_files)], rng)
        (tmp_path / "x.mat").write_bytes(content)
        read += check_loaded(tmp_path / "x.mat")
    assert 0 < read < count


def element(kind: int, content: bytes) -> bytes:
    padding = bytes(-len(content) % 8)
    return struct.pack("<II", kind, len(content)) + content + padding


def array(kind: int, shape: tuple[int, ...], content: bytes, *, name: bytes = b"") -> bytes:
    """A matrix of a class (1 cells, 6 doubles, 9 bytes) with this shape, whatever its content."""
    return element(14, element(6, struct.pack("<II", kind, 0))
                   + element(5, struct.pack(f"<{len(shape)}i", *shape)) + element(1, name)
                   + content)  # fmt: skip


HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<HH", 0x100, 0x4D49)
BYTES, COMPRESSED = 2, 15


def packed(content: bytes) -> bytes:
    """As MATLAB compresses a variable."""
    small = zlib.compress(content, 1)
    return struct.pack("<II", COMPRESSED, len(small)) + small


def three(content: bytes, shape: tuple[int, ...] = (1, 1)) -> bytes:
    """The three cell arrays, compressed, each with the same content."""
    names = (name.encode() for name in VARIABLES.values())
    return HEAD + b"".join(packed(array(1, shape, content, name=name)) for name in names)


def zeros(frames: int) -> bytes:
    return array(9, (frames, 88), element(BYTES, bytes(frames * 88)))


def nested(depth: int) -> bytes:
    inner = array(9, (2, 88), element(BYTES, bytes(176)))
    for _ in range(depth):
        inner = array(1, (1, 1), inner)
    return inner


def three_gigabytes() -> bytes:
    """Zeros, a million of which take a thousand bytes, as often as is wanted."""
    millions = 3 * 2**10
    whole = array(9, (millions * 2**20 // 88, 88), b"")
    head = struct.pack("<II", 14, len(whole) + millions * 2**20) + whole[8:]
    stream = zlib.compressobj()
    begun = stream.compress(head + struct.pack("<II", BYTES, millions * 2**20))
    begun += stream.flush(zlib.Z_FULL_FLUSH)
    million = stream.compress(bytes(2**20)) + stream.flush(zlib.Z_FULL_FLUSH)
    content = begun + million * millions
    return HEAD + struct.pack("<II", COMPRESSED, len(content)) + content


LITTLE = element(BYTES, b"a" * 8)
BOMBS = {
    "claimed frames": (lambda: three(array(6, (2**31 - 1, 88), LITTLE)), "not a complete"),
    "claimed cells": (lambda: three(zeros(2), shape=(2**31 - 1, 1)), "not a complete"),
    "negative frames": (lambda: three(array(6, (-1, 88), LITTLE)), "not a complete"),
    "three gigabytes of zeros": (three_gigabytes, "not a complete"),
    "cells in cells": (lambda: three(nested(3000)), ""),
    "claimed bytes": (lambda: HEAD + struct.pack("<II", 14, 2**32 - 1), "not a complete"),
    "a sparse matrix": (lambda: three(array(5, (2**30, 2**30), element(5, bytes(8)) * 3)), ""),
    "nothing": (lambda: b"", "not a complete"),
    "a name of control characters": (
        lambda: HEAD + packed(array(9, (2, 88), element(BYTES, bytes(176)), name=b"\x1b[31m\nx")),
        "no variable traindata",
    ),
}  # fmt: skip


def test_the_files_made_here_are_matlab_files(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(three(zeros(3)))
    assert [len(cells) for cells in load_cells(tmp_path / "x.mat").values()] == [1, 1, 1]


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_ends_in_one_line(tmp_path: Path, kind: str, trials: Trials) -> None:
    trials("MATLAB files that ask for too much", usual=1, nightly=1)
    make, reason = BOMBS[kind]
    (tmp_path / "x.mat").write_bytes(make())
    message = refused(check_or_raise, tmp_path / "x.mat", megabytes=500, seconds=10)
    if reason:
        check_line(message)
        assert reason in message


def check_or_raise(path: Path) -> None:
    for cell in (cell for split in load_cells(path).values() for cell in split):
        assert isinstance(cell, str) or cell.shape[1] == 88


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("raise SystemExit(3)", "exit status 3"),
        ("raise ValueError('no \\x1b[31m sense')", r"ValueError: no \\x1b\[31m sense"),
    ],
)
def test_a_reader_that_ends_otherwise_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, told: str
) -> None:
    path = write_rolls(tmp_path / "x.mat", SPLITS)
    (tmp_path / "reader.py").write_text(ending)
    monkeypatch.setattr(cell_reader, "__file__", str(tmp_path / "reader.py"))
    with pytest.raises(InputError, match=rf"not a complete MATLAB file \({told}\)") as caught:
        load_cells(path)
    check_line(str(caught.value))


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "giant"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.mat"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to("x.mat")
    else:
        with open(path, "wb") as giant:
            giant.truncate(2**40)
    check_line(refused(load_cells, path, megabytes=100, seconds=5))


def test_what_the_reader_sends_is_what_scipy_reads(tmp_path: Path) -> None:
    whole = write_rolls(tmp_path / "x.mat", (*SPLITS[:2], [ROLLS[4].astype(float), ROLLS[0] * 2]))
    loaded = load_cells(whole)
    contents = loadmat(BytesIO(whole.read_bytes()))
    for split, name in VARIABLES.items():
        expected = contents[name].ravel()
        for number, cell in enumerate(loaded[split]):
            if not isinstance(cell, str):
                assert np.array_equal(cell, expected[number])
    assert [isinstance(cell, str) for cell in loaded["test"]] == [False, True]


def test_many_sequences_come_back_in_order(tmp_path: Path) -> None:
    rolls = [np.eye(88, dtype=np.uint8)[[i % 88, i // 88]] for i in range(1500)]
    savemat(tmp_path / "x.mat", {name: cells(rolls) for name in VARIABLES.values()})
    for found in load_cells(tmp_path / "x.mat").values():
        assert all(np.array_equal(a, b) for a, b in zip(found, rolls, strict=True))
