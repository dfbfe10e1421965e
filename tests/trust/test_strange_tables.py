"""Index files and arrays of strangers: read or refused in one line, in bounded memory and time."""

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.xray.archive import BOX_FILE, PANEL_FILE, read_archive, read_index
from dlcourse.xray.chestmnist import read_chestmnist
from dlcourse.xray.official import TEST_LIST, TRAIN_VAL_LIST, Official
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.mutating import mutated
from tests.xray.tiny_archive import BOX_HEADER, HEADER, ROWS, write_image, write_index

INDEX = "Data_Entry_2017.csv"
ROW = ROWS[0]
WHOLE = "\n".join([HEADER, *ROWS, ""])
BOXES = f"{BOX_HEADER}\n00000020_000.png,Mass,1,2,3,4\n00000020_000.png,Infiltrate,9,9,9,9\n"
PANEL = "Image Index,Pneumothorax,Set Id\n00000020_000.png,YES,test\n"


def quoted(name: str) -> str:
    return ROW.replace("00000001_000.png", f'"{name}"')


# What is in the index, and what is said of it; None where it is read.
STRANGE: dict[str, tuple[Callable[[], str | bytes], str | None]] = {
    "a million columns": (lambda: ",".join(map(str, range(10**6))), "no column 'Image Index'"),
    "a million columns more": (
        lambda: f"{HEADER},{','.join(map(str, range(10**6)))}\n" + (ROW + "," * 10**6 + "\n"),
        None,
    ),
    "a row of ten million cells": (lambda: f"{HEADER}\n{ROW}" + "," * 10**7, None),
    "a line of 40 MB": (lambda: "x" * (40 * 2**20), "bytes; at most"),
    "a line of 30 MB": (lambda: "x" * (30 * 2**20), "field larger than field limit"),
    "8 MB of commas": (lambda: "," * (8 * 2**20), "no column 'Image Index'"),
    "8 MB of empty lines": (lambda: HEADER + "\n" * (8 * 2**20), None),
    "a quote that is not closed": (lambda: f'{HEADER}\n"' + WHOLE * 900, "field larger than"),
    "zero bytes": (lambda: WHOLE.replace("No F", "No\0F"), "unknown finding"),
    "UTF-16": (lambda: WHOLE.encode("utf-16"), "is not UTF-8"),
    "a mark of UTF-8": (lambda: f"\ufeff{WHOLE}", None),
    "a column twice": (lambda: f"{HEADER},Patient ID\n{ROW},77", "several columns 'Patient ID'"),
    "a patient of 5000 digits": (
        lambda: "\n".join([HEADER, ROW.replace(",0,1,", f",0,{'1' * 5000},")]), None,
    ),
    "a finding of 100,000 letters": (
        lambda: f"{HEADER}\n{ROW.replace('Cardio', 'C' * 100_000)}", "unknown finding 'CCC",
    ),
    "a name of two lines, twice": (
        lambda: "\n".join([HEADER, quoted("a\nb"), quoted("a\nb").replace(",0,1,", ",0,2,")]),
        "a b is of patient 2",
    ),
    "orders to a terminal": (
        lambda: f"{HEADER}\n{ROW.replace('Cardio', chr(27) + '[2J')}",
        "unknown finding '\\\\x1b[2J",
    ),
    "ages of 999999 years": (lambda: f"{HEADER}\n{ROW.replace(',57,', ',999999Y,')}", None),
    "a path that leads out": (lambda: f"{HEADER}\n{quoted('../../../etc/passwd')}", None),
    "an absolute path": (lambda: f"{HEADER}\n{quoted('/etc/passwd')}", None),
    "a path with a zero byte": (lambda: f"{HEADER}\n{quoted('/etc/passwd' + chr(0))}", None),
}  # fmt: skip


@pytest.mark.parametrize("kind", STRANGE)
def test_a_strange_index_is_read_or_refused_at_once(
    tmp_path: Path, kind: str, trials: Trials
) -> None:
    trials("index files that are bombs or lies", usual=1, nightly=1)
    content, reason = STRANGE[kind]
    text = content()
    (tmp_path / INDEX).write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refused(read_index, tmp_path, megabytes=1200, seconds=10)
    assert (message is None) == (reason is None), message
    if message is not None:
        assert message.startswith(str(tmp_path / INDEX))
        assert reason in message
        assert message.isprintable()
        assert len(message) < len(str(tmp_path)) + 700


def test_names_in_an_index_open_no_files(tmp_path: Path) -> None:
    outside = write_image(tmp_path / "outside.png")
    names = ["../outside.png", str(outside), "images/../../outside.png", "outside.png"]
    root = write_index(tmp_path / "root", [quoted(name) for name in names])
    write_image(root / "images/00000001_000.png")
    archive = read_archive(root)
    assert [study.path for study in archive.studies] == [root / "images/00000001_000.png"]
    assert archive.without_image == len(names)


def test_as_many_boxes_as_fit_take_no_longer_than_their_lines(tmp_path: Path) -> None:
    """Not with the square of their number."""
    write_index(tmp_path)
    (tmp_path / BOX_FILE).write_text(f"{BOX_HEADER}\n" + "00000020_000.png,Mass,1,2,3,4\n" * 60_000)
    assert refused(read_index, tmp_path, megabytes=600, seconds=3) is None


def index_or_refusal(folders: Sequence[Path]) -> None:
    for folder in folders:
        message = ""
        try:
            read_index(folder)
            names = [f"{row.partition(',')[0]}" for row in ROWS]
            Official(verify=False).within(folder).assign(["1", "1", "13", "20"], names)
        except InputError as error:
            message = str(error).replace(str(folder), "")
        assert message.isprintable(), repr(message)
        assert len(message) < 900


def test_mutated_index_files_are_read_or_refused(tmp_path: Path, trials: Trials) -> None:
    names = [row.partition(",")[0] for row in ROWS]
    seeds = {INDEX: WHOLE, BOX_FILE: BOXES, PANEL_FILE: PANEL}
    seeds |= {TRAIN_VAL_LIST: "\n".join(names[:2]), TEST_LIST: "\n".join(names[2:])}
    contents = {name: text.encode() for name, text in seeds.items()}
    count = trials("mutated index files", usual=200, nightly=4000)
    rng, folders = np.random.default_rng(0), []
    for i in range(count):
        folders.append(tmp_path / f"{i}")
        folders[-1].mkdir()
        changed = [*contents][i % len(contents)]
        for name, content in contents.items():
            new = mutated(content, rng, [*contents.values()]) if name == changed else content
            (folders[-1] / name).write_bytes(new)
    assert refused(index_or_refusal, folders, megabytes=300, seconds=60) is None


Arrays = dict[str, np.ndarray | bytes]


def chestmnist(change: Arrays | None = None, *, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A small file of ChestMNIST, with other arrays, or other bytes for them."""
    rng, arrays = np.random.default_rng(0), Arrays()
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = rng.integers(0, 256, (3, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = rng.integers(0, 2, (3, 14), dtype=np.uint8)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as file:
        for name, array in (arrays | (change or {})).items():
            content = io.BytesIO()
            if not isinstance(array, bytes):
                np.save(content, array)
            file.writestr(f"{name}.npy", array if isinstance(array, bytes) else content.getvalue())
    return out.getvalue()


def header(text: str, *, body: bytes = b"", version: int = 1) -> bytes:
    size = len(text).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + size + text.encode() + body


def form(shape: str, *, kind: str = "'|u1'") -> str:
    return f"{{'descr':{kind},'fortran_order':False,'shape':{shape}}}"


def images(count: int, height: int, width: int) -> Arrays:
    return {f"{s}_images": np.zeros((count, height, width), "u1") for s in ("train", "val", "test")}


PIXELS = bytes(3 * 28 * 28)
LIES: dict[str, Callable[[], bytes]] = {
    "packed with LZMA": lambda: chestmnist(packing=zipfile.ZIP_LZMA),
    "packed with bzip2": lambda: chestmnist(packing=zipfile.ZIP_BZIP2),
    "a million images of nothing": lambda: chestmnist(
        images(10**6, 0, 0) | {"train_labels": np.zeros((10**6, 14), np.uint8)}
    ),
    "200,000 images": lambda: chestmnist(
        images(70_000, 1, 1)
        | {f"{s}_labels": np.zeros((70_000, 14), "u1") for s in ("train", "val", "test")}
    ),
    "images of 4000 pixels": lambda: chestmnist(images(3, 4000, 4000)),
    "-3 images": lambda: chestmnist(
        {"train_images": header(form("(-3, 28, -28)"), body=PIXELS)}
    ),
    "10^30 images": lambda: chestmnist({"train_images": header(form(f"({10**30}, 28, 28)"))}),
    "a header of brackets": lambda: chestmnist({"train_images": header("(" * 9000)}),
    "a header of 64 MB": lambda: chestmnist(
        {"train_images": b"\x93NUMPY\x02\x00" + b"\xff" * 4 + bytes(2**26)}
    ),
    "a type within types": lambda: chestmnist(
        {"train_images": header(form("(3, 28, 28)", kind="[" * 2000 + "]" * 2000))}
    ),
    "strings of 10^12 letters": lambda: chestmnist(
        {"train_images": header(form("(3, 28, 28)", kind="'999999999999S'"))}
    ),
    "a type of a dictionary": lambda: chestmnist(
        {"train_images": header(form("(3, 28, 28)", kind="{1: 2}"))}
    ),
    "objects": lambda: chestmnist({"train_images": header(form("(3, 28, 28)", kind="'O'"))}),
    "by columns": lambda: chestmnist({"train_images": np.zeros((28, 28, 3), "u1").T}),
    "labels of text": lambda: chestmnist({"val_labels": np.full((3, 14), "yes")}),
    "a list of a million names": lambda: chestmnist() [:-22] + b"PK\5\6" + b"\xff" * 18,
}  # fmt: skip


@pytest.mark.parametrize("kind", LIES)
def test_a_strange_chestmnist_is_refused_at_once(tmp_path: Path, kind: str, trials: Trials) -> None:
    trials("ChestMNIST files that are bombs or lies", usual=1, nightly=1)
    path = tmp_path / "chestmnist.npz"
    path.write_bytes(LIES[kind]())
    read = refused(
        lambda: read_chestmnist(path, folder=tmp_path / "cache"), megabytes=60, seconds=8
    )
    assert read is not None
    assert read.startswith(str(path))
    assert read.isprintable()
    assert not (tmp_path / "cache").exists()


def same_or_refused(paths: Sequence[Path], folder: Path, expected: np.ndarray) -> None:
    for path in paths:
        message = ""
        try:
            studies, found = read_chestmnist(path, folder=folder)
            assert np.array_equal(found, expected)
            assert len(studies) == len(expected)
        except InputError as error:
            message = str(error)
        assert message.isprintable(), repr(message)


def test_mutated_chestmnists_are_the_same_or_refused(tmp_path: Path, trials: Trials) -> None:
    """Every byte of an image has a checksum."""
    seeds = [chestmnist(), chestmnist(packing=zipfile.ZIP_STORED)]
    (tmp_path / "whole.npz").write_bytes(seeds[0])
    _, expected = read_chestmnist(tmp_path / "whole.npz", folder=tmp_path / "cache")
    count = trials("mutated ChestMNIST files", usual=100, nightly=2000)
    rng, paths = np.random.default_rng(0), []
    for i in range(count):
        paths.append(tmp_path / f"{i}.npz")
        paths[-1].write_bytes(mutated(seeds[i % 2], rng, seeds))
    arguments = (paths, tmp_path / "cache", np.array(expected))
    assert refused(same_or_refused, *arguments, megabytes=300, seconds=120) is None


def test_a_damaged_unpacked_chestmnist_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "chestmnist.npz"
    path.write_bytes(chestmnist())
    _, found = read_chestmnist(path, folder=tmp_path / "cache")
    expected = np.array(found)
    (unpacked,) = (tmp_path / "cache").glob("*.npy")
    whole = unpacked.read_bytes()
    for at in (0, 100, 128, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[at] ^= 1
        unpacked.unlink()  # the mapped file of before stays as it was
        unpacked.write_bytes(changed)
        _, found = read_chestmnist(path, folder=tmp_path / "cache")
        assert np.array_equal(found, expected)
        assert unpacked.read_bytes() == whole


def test_pipes_among_the_index_files_are_passed_over(tmp_path: Path) -> None:
    write_index(tmp_path)
    for name in (BOX_FILE, PANEL_FILE, "phantoms.csv", TEST_LIST):
        os.mkfifo(tmp_path / name)
    assert refused(read_index, tmp_path, megabytes=200, seconds=5) is None
    split = Official(verify=False).within(tmp_path)
    said = refused(lambda: split.assign(["1"], ["a.png"]), megabytes=200, seconds=5)
    assert "no test_list.txt here" in str(said)
