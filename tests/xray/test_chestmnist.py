"""ChestMNIST's file becomes studies and images on disk, or one line on what is wrong with it."""

import hashlib
import io
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.splits import SPLITS
from dlcourse.xray import chestmnist, npz_streams
from dlcourse.xray.chestmnist import ChestMNIST, fetch_chestmnist, npz_name, read_chestmnist
from dlcourse.xray.studies import FINDINGS
from tests.serving import serving

COUNTS = {"train": 20, "val": 3, "test": 5}
Arrays = dict[str, np.ndarray]


def arrays(side: int = 28, *, seed: int = 0, counts: dict[str, int] = COUNTS) -> Arrays:
    rng = np.random.default_rng(seed)
    made = {}
    for split, count in counts.items():
        made[f"{split}_images"] = rng.integers(0, 256, (count, side, side), dtype=np.uint8)
        made[f"{split}_labels"] = rng.integers(0, 2, (count, 14), dtype=np.uint8)
    return made


def write(path: Path, content: Arrays, save: Callable[..., None] = np.savez_compressed) -> Path:
    save(path, **content)
    return path


def unpacked(folder: Path) -> list[Path]:
    """Also what was left half-done, but for the locks."""
    return [path for path in folder.glob("*") if path.suffix != ".lock"]


def refused(path: Path, folder: Path) -> str:
    """The message of a reading that has to fail and to leave nothing unpacked."""
    with pytest.raises(InputError) as caught:
        read_chestmnist(path, folder=folder)
    assert not unpacked(folder)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_labels_and_splits_are_those_of_the_file(
    tmp_path: Path, save: Callable[..., None]
) -> None:
    content = arrays()
    path = write(tmp_path / "chestmnist.npz", content, save)
    studies, images = read_chestmnist(path, folder=tmp_path / "cache")
    assert images.dtype == np.uint8
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, np.concatenate([content[f"{s}_images"] for s in SPLITS]))
    assert len(studies) == len(images)
    expected = [(split, i) for split in SPLITS for i in range(COUNTS[split])]
    for study, (split, i) in zip(studies, expected, strict=True):
        assert (study.split, study.file) == (split, f"{split}/{i:06d}")
        assert (study.patient, study.path, study.reason) == (study.file, None, "")
        row = content[f"{split}_labels"][i]
        assert [study.has(finding) for finding in FINDINGS] == row.astype(bool).tolist()
    assert len({study.patient for study in studies}) == len(studies)


def test_pneumothorax_is_column_7(tmp_path: Path) -> None:
    content = arrays()
    for split in SPLITS:
        content[f"{split}_labels"][:] = np.arange(14) == 7
    studies, _ = read_chestmnist(write(tmp_path / "c.npz", content), folder=tmp_path / "cache")
    assert {study.findings for study in studies} == {frozenset(["Pneumothorax"])}


@pytest.mark.parametrize("kind", [bool, np.int64, np.int8])
def test_labels_may_have_another_type_of_whole_numbers(tmp_path: Path, kind: type) -> None:
    content = arrays()
    same = {k: v.astype(kind) if "labels" in k else v for k, v in content.items()}
    folder = tmp_path / "cache"
    one, _ = read_chestmnist(write(tmp_path / "a.npz", content), folder=folder)
    other, _ = read_chestmnist(write(tmp_path / "b.npz", same), folder=folder)
    assert [s.findings for s in one] == [s.findings for s in other]


def test_images_are_unpacked_once_for_each_content(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    path = write(tmp_path / "c.npz", arrays())
    read_chestmnist(path, folder=folder)
    before = [p.stat().st_mtime_ns for p in unpacked(folder)]
    read_chestmnist(path, folder=folder)
    assert [p.stat().st_mtime_ns for p in unpacked(folder)] == before
    other = arrays(seed=1)
    _, images = read_chestmnist(write(path, other), folder=folder)
    np.testing.assert_array_equal(images[:20], other["train_images"])
    assert len(unpacked(folder)) == 2


def test_unpacking_does_not_hold_the_images_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz_streams, "CHUNK", 2**14)
    content = arrays(128, counts={"train": 400, "val": 1, "test": 1})  # 6.5 MB
    path = write(tmp_path / "c.npz", content, np.savez)
    tracemalloc.start()
    read_chestmnist(path, folder=tmp_path / "cache")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (exec, ("raise SystemExit('unpickled')",))


def trap(count: int) -> np.ndarray:
    return np.array([Trap()] * count, dtype=object)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"val_labels": None}, "holds no val_labels"),
        ({"test_images": None}, "holds no test_images"),
        ({"train_images": np.zeros((20, 28, 28), np.float32)}, r"is float32 \(20, 28, 28\)"),
        ({"train_images": np.zeros((20, 28, 28, 3), np.uint8)}, r"is uint8 \(20, 28, 28, 3\)"),
        ({"val_images": np.zeros((3, 64, 64), np.uint8)}, r"val_images is uint8 \(3, 64, 64\)"),
        ({"train_images": np.zeros((28, 28, 20), np.uint8).T}, "no plain array of numbers"),
        ({"train_labels": np.zeros((19, 14), np.uint8)}, "a row for each of 20 images"),
        ({"train_labels": np.zeros((20, 15), np.uint8)}, "a column for each of 14 findings"),
        ({"train_labels": np.zeros((20, 14), np.float32)}, "whole numbers"),
        ({"test_labels": np.full((5, 14), 2, np.uint8)}, "test_labels holds 2; 0 and 1"),
        ({"test_labels": np.full((5, 14), -1, np.int64)}, "test_labels holds -1; 0 and 1"),
        ({"val_labels": trap(3)}, "val_labels is no plain array of numbers"),
        ({"train_images": trap(20)}, "train_images is no plain array of numbers"),
    ],
)
def test_what_is_not_chestmnists_is_named(
    tmp_path: Path, change: dict[str, np.ndarray | None], fault: str
) -> None:
    content = {k: v for k, v in (arrays() | change).items() if v is not None}
    with pytest.raises(InputError, match=fault):
        read_chestmnist(write(tmp_path / "c.npz", content), folder=tmp_path / "cache")
    refused(tmp_path / "c.npz", tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"<html>log in</html>", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_npz_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.npz").write_bytes(content)
    assert "not an .npz file of ChestMNIST" in refused(tmp_path / "c.npz", tmp_path / "cache")


def test_a_folder_or_nothing_is_named(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "c.npz", tmp_path / "cache")
    assert "cannot be read" in refused(tmp_path, tmp_path / "cache")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_cut_or_a_flipped_byte_anywhere_is_found(
    tmp_path: Path, save: Callable[..., None]
) -> None:
    path, folder = tmp_path / "c.npz", tmp_path / "cache"
    content = write(path, arrays(), save).read_bytes()
    for share in (0.1, 0.5, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        assert "damaged" in refused(path, folder)
    with zipfile.ZipFile(io.BytesIO(content)) as npz:
        places = [info.header_offset + info.compress_size // 2 + 100 for info in npz.infolist()]
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        refused(path, folder)


def test_a_header_that_claims_too_much_is_refused_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "c.npz", arrays())
    out = io.BytesIO()
    form = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    np.lib.format.write_array_header_1_0(out, form)
    with zipfile.ZipFile(path) as npz, zipfile.ZipFile(tmp_path / "d.npz", "w") as other:
        for name in npz.namelist():
            content = out.getvalue() if name == "train_images.npy" else npz.read(name)
            other.writestr(name, content)
    assert "not uint8 (1000000000000, 28, 28)" in refused(tmp_path / "d.npz", tmp_path / "cache")


def test_a_full_disk_is_noticed_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "c.npz", arrays())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000_000))
    with pytest.raises(InputError, match="are needed, 100 MB are free"):
        read_chestmnist(path, folder=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_file_is_fetched_once_resumed_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = write(tmp_path / "made.npz", arrays(64)).read_bytes()
    monkeypatch.setitem(chestmnist.MD5, 64, hashlib.md5(content).hexdigest())
    with serving({"/x?download=1": content}) as server:
        source = ChestMNIST(size=64, url=f"{server.url}/x?download=1")
        server.break_after = 50_000
        with pytest.raises(InputError, match=r"interrupted: got 50000 .* data.root=<folder>"):
            source.folder(tmp_path)
        server.break_after = None
        assert source.folder(tmp_path) == tmp_path / "chestmnist"
        assert server.asked[-1] == ("/x?download=1", "bytes=50000-")
        server.forget()
        source.folder(tmp_path)
        assert server.asked == []
    path = tmp_path / "chestmnist" / "chestmnist_64.npz"
    assert path.read_bytes() == content
    studies, images = read_chestmnist(path, folder=tmp_path / "chestmnist")
    assert len(studies) == len(images) == 28


def test_another_content_than_the_published_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({"/x": b"other"}) as server:
        found = hashlib.md5(b"other").hexdigest()
        with pytest.raises(InputError, match=f"md5 {found}, expected {chestmnist.MD5[128]}"):
            fetch_chestmnist(tmp_path / "there", size=128, url=f"{server.url}/x")
    assert not list((tmp_path / "there").iterdir())


def test_sizes_are_the_published_ones(tmp_path: Path) -> None:
    names = [npz_name(size) for size in (28, 64, 128, 224)]
    assert names == [f"chestmnist{end}.npz" for end in ("", "_64", "_128", "_224")]
    with pytest.raises(InputError, match="no images of 100 pixels: 28, 64, 128, 224"):
        ChestMNIST(size=100).folder(tmp_path)
