"""The real benchmark files: sizes, leaks, bars, and that they are the pinned ones."""

import logging
import re
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate

from dlcourse.downloads.git_tree import PLAIN, blob, tree_sha1
from dlcourse.music.corpus import Entry
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.sources import MATRICES
from dlcourse.splits import SPLITS
from tests.composing import composed

REAL = {  # file: sequences a split, frames a split
    "jsb": ((229, 76, 77), (13807, 4602, 4725)),
    "nottingham": ((694, 173, 170), (176561, 45513, 44463)),
}


@pytest.fixture(scope="module")
def polyphonic_folder() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared/data/polyphonic"
    if not folder.is_dir():
        pytest.skip("no polyphonic beside the repository")
    return folder


def real_entries(name: str, folder: Path, tmp_path: Path) -> list[Entry]:
    config = composed(tmp_path / "run", f"data={name}", quick=False)
    assert config.data.split is None
    return instantiate(config.data.reader)(folder, PianoRoll(onsets=False))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("jsb", "0 of 77 test pieces are in the training split too .*, 9 more"),
        ("nottingham", "1 of 170 test pieces are in the training split too .*, 1 more"),
    ],
)
def test_the_real_files_have_the_published_sizes_and_these_leaks(
    name: str,
    sentence: str,
    polyphonic_folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        entries = real_entries(name, polyphonic_folder, tmp_path)
    by_split = [[e.encoded for e in entries if e.split == split] for split in SPLITS]
    assert tuple(len(part) for part in by_split) == REAL[name][0]
    assert tuple(sum(len(e.frames) for e in part) for part in by_split) == REAL[name][1]
    assert any(re.search(sentence, record.getMessage()) for record in caplog.records)


def repetition(entries: list[Entry], lag: int) -> float:
    """How often a sounding key of the training split sounds `lag` frames before too."""
    pairs = [e.encoded.frames for e in entries if e.split == "train"]
    both = sum(int((f[lag:] & f[:-lag]).sum()) for f in pairs if len(f) > lag)
    return both / sum(int(f[lag:].sum()) for f in pairs if len(f) > lag)


def test_nottingham_repeats_itself_after_6_and_8_of_its_bars(
    polyphonic_folder: Path, tmp_path: Path
) -> None:
    entries = real_entries("nottingham", polyphonic_folder, tmp_path)
    bar = int(entries[0].encoded.positions[0, 2])
    by_bars = sorted(range(1, 10), key=lambda bars: repetition(entries, bars * bar))
    assert by_bars[-2:] == [6, 8]


def test_chorales_change_alike_after_8_frames_rather_than_4(
    polyphonic_folder: Path, tmp_path: Path
) -> None:
    entries = real_entries("jsb", polyphonic_folder, tmp_path)
    rolls = [e.encoded.frames for e in entries if e.split == "train"]
    changes = [np.abs(np.diff(roll, axis=0)).sum(axis=1) for roll in rolls]
    centred = [c - c.mean() for c in changes]

    def correlation(lag: int) -> float:
        return sum(c[lag:] @ c[:-lag] for c in centred) / sum(c @ c for c in centred)

    assert entries[0].encoded.positions[0, 2] == 8
    assert correlation(4) < 0 < 0.08 < correlation(8)


BLOBS = {  # of the pinned commit
    "JSB_Chorales.mat": "70efd5ea4a5dfaa693f7dea7aab23abbcb8dfaa5",
    "MuseData.mat": "31fb5e5a2075ddfc85d443ec7bd2d7f9fd015a81",
    "Nottingham.mat": "da74d988889b5e7d0b69ae178a86db90ab70662d",
    "Piano_midi.mat": "4f858a50441596a4df69a2c55331e6cf23960dbb",
}


def test_the_pinned_folder_is_these_four_files() -> None:
    blobs = {name: (PLAIN, bytes.fromhex(sha1)) for name, sha1 in BLOBS.items()}
    assert tree_sha1(blobs).hex() == MATRICES.tree


def test_the_files_at_hand_are_the_pinned_ones(polyphonic_folder: Path) -> None:
    for path in polyphonic_folder.glob("*.mat"):
        assert blob(path.read_bytes(), 0o644)[1].hex() == BLOBS[path.name]
