"""Radiographs of strangers are read or refused in one line, in bounded memory and time."""

import csv
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.splits import Fractions
from dlcourse.xray.archive import write_ledger
from dlcourse.xray.images import read_image
from dlcourse.xray.radiographs import Radiographs, read_radiographs
from dlcourse.xray.subset import Subset
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.mutating import mutated
from tests.trust.strange_pictures import STRANGE, honest, honest_dicom, mended
from tests.xray.tiny_archive import ROWS, write_image, write_index

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared/data/dicom"
AT_ONCE = 60  # files a process
SLOW = ("large", "deflated", "JPEG of", " MB.", "million", "000", "last", "without")  # to make
QUICK = [name for name in STRANGE if not any(word in name for word in SLOW)]

pytest.importorskip("pydicom")


def made(name: str, folder: Path) -> Path:
    STRANGE[name][0](folder / name)
    return folder / name


@pytest.mark.parametrize("name", STRANGE)
def test_a_bomb_or_a_lie_is_read_or_refused_at_once(
    tmp_path: Path, name: str, trials: Trials
) -> None:
    trials("image bombs, lying headers, pipes, devices", usual=1, nightly=1)
    path, reason = made(name, tmp_path), STRANGE[name][1]
    message = refused(read_image, path, 32, megabytes=1200, seconds=8)
    assert (message is None) == (reason is None), message
    if message is not None:
        assert message.startswith(f"{path}: ")
        assert reason in message
        assert message.isprintable()
        assert len(message) < len(str(path)) + 300


def read_or_refused(paths: Sequence[Path]) -> None:
    for path in paths:
        message = ""
        try:
            image = read_image(path, 16)
            assert (image.shape, image.dtype) == ((16, 16), np.uint8)
        except InputError as error:
            message = str(error).removeprefix(f"{path}: ")
        assert message.isprintable()
        assert len(message) < 300


def test_mutated_images_are_read_or_refused(tmp_path: Path, trials: Trials) -> None:
    seeds = honest() | honest_dicom(tmp_path)
    seeds |= {path.name: path.read_bytes() for path in sorted(REAL.glob("*.dcm"))}
    count = trials("mutated images: PNG, JPEG, DICOM", usual=120, nightly=2400)
    rng, names, others = np.random.default_rng(0), list(seeds), list(honest().values())
    for first in range(0, count, AT_ONCE):
        paths = []
        for i in range(first, min(count, first + AT_ONCE)):
            name = names[i % len(names)]
            content = mutated(seeds[name], rng, others)
            # Every other PNG file with right checksums, as somebody who means it would make it.
            content = mended(content) if content[1:4] == b"PNG" and rng.random() < 0.5 else content
            paths.append(tmp_path / f"{i}-{name}")
            paths[-1].write_bytes(content)
        assert refused(read_or_refused, paths, megabytes=1200, seconds=60) is None
        for path in paths:
            path.unlink()


def test_nothing_is_said_of_strange_images_but_the_error(tmp_path: Path) -> None:
    """A thousand of them would bury the log."""
    paths = [str(made(name, tmp_path)) for name in QUICK]
    code = (
        "import logging, sys; logging.basicConfig(level=logging.INFO)\n"
        "from dlcourse.errors import InputError\n"
        "from dlcourse.xray.images import read_image\n"
        "for path in sys.argv[1:]:\n"
        "    try: read_image(path, 16)\n"
        "    except InputError: pass\n"
    )
    command = [sys.executable, "-W", "default", "-c", code, *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def archive(folder: Path, strange: Sequence[str]) -> Path:
    """Twelve good radiographs of as many patients, and strange ones."""
    good = [f"{i:08d}_000.png" for i in range(12)]
    names = [*good, *strange]
    rows = [ROWS[1].replace("00000001_001.png,", f"{name},").replace(",1,1,", f",0,{i},")
            for i, name in enumerate(names)]  # fmt: skip
    write_index(folder, rows)
    (folder / "images").mkdir()
    for seed, name in enumerate(good):
        write_image(folder / "images" / name, seed=seed, size=40)
    for name in strange:
        made(name, folder / "images")
    return folder


def read(folder: Path, cache: Path) -> Radiographs:
    split = Fractions(val=0.25, test=0.25)
    return read_radiographs(folder, size=32, subset=Subset(), split=split, cache=cache)


def test_strange_files_change_nothing_of_the_others(tmp_path: Path, trials: Trials) -> None:
    strange = [name for name in QUICK if STRANGE[name][1] and name != "folder.png"]
    trials("folders with strange images among good ones", usual=1, nightly=1)
    alone = read(archive(tmp_path / "alone", []), tmp_path / "cache")
    among = read(archive(tmp_path / "among", strange), tmp_path / "cache")
    assert [(s.file, s.split, s.sha1) for s in among.kept] == [
        (s.file, s.split, s.sha1) for s in alone.kept
    ]
    assert np.array_equal(among.images[among.rows], alone.images[alone.rows])
    write_ledger(among.studies, tmp_path / "studies.csv")
    with open(tmp_path / "studies.csv", newline="", encoding="utf-8") as lines:
        rows = {row["file"]: row for row in csv.DictReader(lines)}
    for name in strange:
        row = rows[f"images/{name}"]
        assert row["kept"] == "no"
        assert STRANGE[name][1] in row["reason"]
        assert row["reason"].isprintable()
