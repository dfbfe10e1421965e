"""What is kept to be found again is still what was made, or it is made anew."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dlcourse.made_folders import RECORD, made_folder
from dlcourse.music.composer import compose_corpus
from dlcourse.xray import cache
from dlcourse.xray.cache import DecodedImages, decoded_images
from dlcourse.xray.images import read_image
from dlcourse.xray.phantom_corpus import write_phantoms
from tests.reliability import Trials
from tests.trust.mutating import mutated
from tests.xray.tiny_archive import write_image

SIZE = 12
Files = dict[str, bytes]


def files(folder: Path) -> Files:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def decode(folder: Path) -> DecodedImages:
    paths = sorted((folder / "in").iterdir())
    return decoded_images(paths, size=SIZE, folder=folder / "cache")


@pytest.fixture
def decoded(tmp_path: Path) -> Files:
    """A cache of nine files, one of them damaged, below the folder of the test: its files."""
    for seed in range(9):
        write_image(tmp_path / "in" / f"{seed}.png", seed=seed, size=20)
    (tmp_path / "in" / "4.png").write_bytes(b"no image")
    decode(tmp_path)
    return files(tmp_path / "cache")


def restore(folder: Path, content: Files) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def damage(path: Path, rng: np.random.Generator) -> None:
    """In one of the ways of disks and people; the file is another one afterwards."""
    content, kind = path.read_bytes(), rng.integers(4)
    if kind == 0:
        path.unlink()
    elif not content:
        path.write_bytes(rng.bytes(3))
    elif kind == 1:  # a single bit
        changed = bytearray(content)
        changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
    else:
        changed = content
        while changed == content:
            changed = mutated(content, rng)
        path.write_bytes(changed)


def test_damaged_caches_of_decoded_images_give_what_the_files_hold(
    tmp_path: Path, decoded: Files, trials: Trials
) -> None:
    count = trials("damaged caches of decoded images", usual=300, nightly=10_000)
    expected, rng = decode(tmp_path), np.random.default_rng(0)
    images = np.array(expected.images)
    restore(tmp_path / "cache", decoded)
    for trial in range(count):
        name = sorted(decoded)[rng.integers(len(decoded))]
        damage(tmp_path / "cache" / name, rng)
        found = decode(tmp_path)
        assert np.array_equal(found.images, images), (trial, name)
        assert (found.errors, found.digests) == (expected.errors, expected.digests), (trial, name)
        (array,) = (tmp_path / "cache").glob("*/images.npy")
        assert array.read_bytes() == decoded[array.relative_to(tmp_path / "cache").as_posix()]


def test_a_flipped_byte_anywhere_in_an_array_is_noticed(
    tmp_path: Path, trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many images in many blocks, of which the last is not full."""
    count = trials("bytes flipped in arrays of decoded images", usual=500, nightly=149 * SIZE**2)
    monkeypatch.setattr(cache, "BLOCK", 4 * SIZE**2)
    for seed in range(149):
        write_image(tmp_path / "in" / f"{seed}.png", seed=seed, size=SIZE)
    decode(tmp_path)
    (path,) = (tmp_path / "cache").glob("*/images.npy")
    content, rng = path.read_bytes(), np.random.default_rng(0)
    assert cache._opened(path.parent, (149, SIZE, SIZE)) is not None
    for at in len(content) - 1 - rng.permutation(149 * SIZE**2)[:count]:
        with open(path, "r+b", buffering=0) as array:
            array.seek(at)
            array.write(bytes([content[at] ^ 1 << int(rng.integers(8))]))
            assert cache._opened(path.parent, (149, SIZE, SIZE)) is None, at
            array.seek(at)
            array.write(content[at : at + 1])
    assert cache._opened(path.parent, (149, SIZE, SIZE)) is not None


def test_a_cache_of_an_older_version_is_made_anew_and_the_log_says_so(
    tmp_path: Path, decoded: Files, caplog: pytest.LogCaptureFixture
) -> None:
    """Whose checksum was of some images, and whose memory of files had none."""
    images = np.array(decode(tmp_path).images)
    (index,) = (tmp_path / "cache").glob("*/index.json")
    content = json.loads(index.read_text())["content"]
    index.write_text(json.dumps(content | {"checksum": "8d4a3f"}))
    memory = tmp_path / "cache" / "fingerprints.json"
    memory.write_text(json.dumps(dict.fromkeys(json.loads(memory.read_text())["content"], "")))
    assert np.array_equal(decode(tmp_path).images, images)
    assert f"{index.parent}: damaged, or of an older version: decoded anew" in caplog.text
    assert files(tmp_path / "cache") == decoded


def test_files_that_are_changed_behind_their_time_are_noticed(
    tmp_path: Path, decoded: Files, trials: Trials
) -> None:
    """Same size, and a time that was set back, as archives and copies do it."""
    count = trials("radiographs changed with size and time kept", usual=40, nightly=400)
    path, rng = tmp_path / "in" / "2.bmp", np.random.default_rng(0)
    for trial in range(count):
        write_image(tmp_path / "new.bmp", seed=trial, size=20)
        new = (tmp_path / "new.bmp").read_bytes()
        before = path.stat() if path.exists() else (tmp_path / "new.bmp").stat()
        assert len(new) == before.st_size
        if rng.random() < 0.5:
            path.unlink(missing_ok=True)  # another file in its place
        path.write_bytes(new)
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
        found = decode(tmp_path)
        rows = sorted((tmp_path / "in").iterdir())
        assert np.array_equal(found.images[rows.index(path)], read_image(path, SIZE)), trial


MAKERS: dict[str, Callable[[Path], None]] = {
    "songs": lambda folder: compose_corpus(folder, songs=2),
    "phantoms": lambda folder: write_phantoms(folder, patients=2, size=32),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_damaged_folders_of_made_files_are_put_aside_and_made_anew(
    kind: str, tmp_path: Path, trials: Trials
) -> None:
    count = trials(f"damaged folders of {kind}", usual=15, nightly=500)
    folder, rng = tmp_path / kind, np.random.default_rng(0)
    MAKERS[kind](folder)
    made = files(folder)
    for trial in range(count):
        name = sorted(made)[rng.integers(len(made))]
        damage(folder / name, rng)
        damaged = files(folder)
        MAKERS[kind](folder)
        assert files(folder) == made, (trial, name)
        (aside,) = tmp_path.glob(f"{kind}-aside-*")
        assert files(aside / kind) == damaged, "whoever did it on purpose has not lost it"
        shutil.rmtree(aside)


def test_what_is_wrong_with_a_folder_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fill(folder: Path) -> None:
        (folder / "a.mid").write_text("a")
        (folder / "b.mid").write_text("b")

    def said(change: Callable[[Path], object]) -> str:
        made_folder(tmp_path / "made", fill)
        change(tmp_path / "made")
        caplog.clear()
        made_folder(tmp_path / "made", fill)
        return " ".join(record.getMessage() for record in caplog.records)

    caplog.set_level(logging.INFO)
    assert "made: a.mid is not as it was made; it is made anew" in said(
        lambda made: (made / "a.mid").write_text("c")
    )
    assert "b.mid is missing" in said(lambda made: (made / "b.mid").unlink())
    assert "c.mid is none of its files" in said(lambda made: (made / "c.mid").write_text("c"))
    assert "no intact record" in said(lambda made: (made / RECORD).unlink())
    assert said(lambda made: (made / ".DS_Store").write_text("somebody looked into it")) == ""
    assert said(lambda made: (made / "Thumbs.db").write_text("with another system")) == ""
    assert said(lambda made: None) == ""


def test_images_are_decoded_as_the_version_of_their_cache_says(tmp_path: Path) -> None:
    """Who decodes otherwise raises `cache.VERSION`, or old caches would be taken for new ones."""
    grey = (np.add.outer(np.arange(30) ** 2, 7 * np.arange(20)) % 256).astype(np.uint8)
    paths = [tmp_path / name for name in ("grey.png", "colour.png", "deep.png")]
    Image.fromarray(grey).save(paths[0])
    Image.fromarray(np.stack([grey, grey.T.reshape(30, 20), 255 - grey], axis=-1)).save(paths[1])
    Image.fromarray(grey.astype(np.uint16) * 200).save(paths[2])
    sums = [[int(read_image(path, size).sum()) for size in (8, 16, 40)] for path in paths]
    expected = [[5054, 20189, 127072], [5153, 20560, 129524], [3937, 15706, 98986]]
    assert (cache.VERSION, sums) == (2, expected)
