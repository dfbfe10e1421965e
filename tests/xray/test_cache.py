"""Decoded once, found ever after; damage, changed files and other processes are noticed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.xray import cache
from dlcourse.xray.cache import DecodedImages, decoded_images
from dlcourse.xray.images import read_image
from tests.xray.tiny_archive import write_image

SIZE = 8


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [write_image(tmp_path / "in" / f"{i}.png", seed=i, size=20 + i) for i in range(9)]


@pytest.fixture
def decode(tmp_path: Path) -> Callable[[list[Path]], DecodedImages]:
    return lambda paths: decoded_images(paths, size=SIZE, folder=tmp_path / "cache")


@pytest.fixture
def decoded_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded from here on."""
    names: list[str] = []

    def counting(path: Path, size: int) -> np.ndarray:
        names.append(path.name)
        return read_image(path, size)

    monkeypatch.setattr(cache, "read_image", counting)
    return names


def refuse(*_: object) -> None:
    raise AssertionError("a file was read again")


Decode = Callable[[list[Path]], DecodedImages]


def arrays(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache").glob("*/images.npy"))


def test_rows_are_the_images_in_order(paths: list[Path], decode: Decode) -> None:
    found = decode(paths[::-1])
    assert isinstance(found.images, np.memmap)
    assert not found.images.flags.writeable
    assert np.array_equal(found.images, [read_image(path, SIZE) for path in paths[::-1]])
    assert (found.errors, set(found.digests)) == ({}, {str(path) for path in paths})


def test_the_second_call_reads_no_file(
    paths: list[Path], decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = decode(paths)
    monkeypatch.setattr(cache, "read_image", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    second = decode(paths)
    assert np.array_equal(first.images, second.images)
    assert first.digests == second.digests


def test_a_changed_file_is_decoded_anew(paths: list[Path], decode: Decode) -> None:
    before = decode(paths)
    write_image(paths[3], seed=99, size=23)
    after = decode(paths)
    changed = (before.images != after.images).any(axis=(1, 2))
    assert changed.tolist() == [i == 3 for i in range(9)]
    assert np.array_equal(after.images[3], read_image(paths[3], SIZE))


def test_content_counts_and_neither_time_nor_place(
    tmp_path: Path, paths: list[Path], decode: Decode, decoded_files: list[str]
) -> None:
    decode(paths)
    decoded_files.clear()
    os.utime(paths[0], ns=(1, 1))
    moved = shutil.copytree(tmp_path / "in", tmp_path / "elsewhere")
    decode([moved / path.name for path in paths])
    decode(paths)
    assert decoded_files == []
    assert len(arrays(tmp_path)) == 1


def test_another_size_or_order_is_another_array(
    tmp_path: Path, paths: list[Path], decode: Decode
) -> None:
    decode(paths)
    decode(paths[::-1])
    decode(paths[:5])
    decoded_images(paths, size=SIZE + 1, folder=tmp_path / "cache")
    assert len(arrays(tmp_path)) == 4


def test_a_damaged_file_is_a_black_row_with_a_reason(paths: list[Path], decode: Decode) -> None:
    paths[2].write_bytes(paths[2].read_bytes()[:-60])
    paths[5].write_text("no image")
    paths[7].unlink()
    for _ in range(2):
        found = decode(paths)
        assert set(found.errors) == {str(paths[i]) for i in (2, 5, 7)}
        assert "is damaged" in found.errors[str(paths[2])]
        assert found.errors[str(paths[5])] == "is no image in PNG or JPEG"
        assert "No such file" in found.errors[str(paths[7])]
        assert [i for i in range(9) if not found.images[i].any()] == [2, 5, 7]
        assert np.array_equal(found.images[6], read_image(paths[6], SIZE))


def test_errors_are_tried_again_as_a_missing_decoder_may_be_there_now(
    paths: list[Path], decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_decoder(path: Path, size: int) -> np.ndarray:
        if path.name == "4.png":
            raise InputError(f"{path}: needs a decoder")
        return read_image(path, size)

    with monkeypatch.context() as patch:
        patch.setattr(cache, "read_image", without_decoder)
        assert decode(paths).errors == {str(paths[4]): "needs a decoder"}
    found = decode(paths)
    assert found.errors == {}
    assert np.array_equal(found.images[4], read_image(paths[4], SIZE))


def truncate(folder: Path) -> None:
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:-5])


def reshape(folder: Path) -> None:
    np.save(folder / "images.npy", np.zeros((9, SIZE, SIZE + 1), np.uint8))


def blacken(folder: Path) -> None:
    np.save(folder / "images.npy", np.zeros((9, SIZE, SIZE), np.uint8))


def widen(folder: Path) -> None:
    np.save(folder / "images.npy", np.load(folder / "images.npy").astype(np.uint16))


def pickle(folder: Path) -> None:
    np.save(folder / "images.npy", np.full((9, SIZE, SIZE), None), allow_pickle=True)


def remove(folder: Path) -> None:
    (folder / "images.npy").unlink()


def misname(folder: Path) -> None:
    (folder / "index.json").write_text(json.dumps(["no index"]))


def cut(folder: Path) -> None:
    (folder / "index.json").write_text('{"files": [')


@pytest.mark.parametrize(
    "damage", [truncate, reshape, blacken, widen, pickle, remove, misname, cut]
)
def test_a_damaged_array_is_made_anew(
    tmp_path: Path, paths: list[Path], decode: Decode, damage: Callable[[Path], None]
) -> None:
    expected = np.array(decode(paths).images)
    (array,) = arrays(tmp_path)
    damage(array.parent)
    assert np.array_equal(decode(paths).images, expected)
    left = {path.name for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"}
    assert left == {"fingerprints.json", array.parent.name}


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"\xff\xfe", b'{"a": ['])
def test_damaged_fingerprints_are_made_anew(
    tmp_path: Path, paths: list[Path], decode: Decode, content: bytes
) -> None:
    digests = decode(paths).digests
    fingerprints = tmp_path / "cache" / "fingerprints.json"
    remembered = fingerprints.read_bytes()
    fingerprints.write_bytes(content)
    assert decode(paths).digests == digests
    assert fingerprints.read_bytes() == remembered


def test_no_files_are_no_images(tmp_path: Path, decode: Decode) -> None:
    assert decode([]).images.shape == (0, SIZE, SIZE)


def test_a_full_disk_is_an_error_before_anything_is_written(
    tmp_path: Path, paths: list[Path], decode: Decode, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=9 * SIZE**2 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"decoded images need .* are free"):
        decode(paths)
    assert arrays(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9 * SIZE**2))
    assert decode(paths).errors == {}


PROGRAM = """
import hashlib, sys
from pathlib import Path
from dlcourse.xray.cache import decoded_images
paths = sorted(Path(sys.argv[1]).iterdir())
print("ready", flush=True)
for line in sys.stdin:
    images = decoded_images(paths, size=8, folder=line.strip()).images
    print(hashlib.sha1(images.tobytes()).hexdigest(), flush=True)
"""


def test_processes_that_decode_at_once_end_with_the_same_array(
    tmp_path: Path, paths: list[Path], decode: Decode
) -> None:
    """Told to start together, in new folders and in damaged ones."""
    expected = hashlib.sha1(decode(paths).images.tobytes()).hexdigest()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "in")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as one, subprocess.Popen(command, **pipes) as two:
        both = (one, two)
        assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
        for trial in range(20):
            folder = tmp_path / f"shared-{trial}"
            if trial % 2:
                shutil.copytree(tmp_path / "cache", folder)
                blacken(next(folder.glob("*/images.npy")).parent)
            for process in both:
                process.stdin.write(f"{folder}\n")
                process.stdin.flush()
            assert [process.stdout.readline().strip() for process in both] == [expected] * 2
            left = [path.name for path in folder.iterdir() if path.suffix != ".lock"]
            assert not [name for name in left if name.startswith(".")]
        for process in both:
            process.stdin.close()
    assert (one.returncode, two.returncode) == (0, 0)
