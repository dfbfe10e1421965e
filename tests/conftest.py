"""What several tests need: real songs where there are some, and small corpora made here."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from dlcourse.music.midi import write_midi
from dlcourse.music.notes import Song, Track, note_array

# Hooks and a fixture, which pytest finds by their names.
from tests.reliability import pytest_addoption, pytest_terminal_summary, trials

__all__ = ["pytest_addoption", "pytest_terminal_summary", "trials"]

DATA = Path(__file__).resolve().parents[2] / "shared/data"
MakeCorpus = Callable[..., Path]

# The same examples every time, and none kept in a file.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Processes are forked first: once autograd has threads, as after a backward pass of compiled
    code, forks cannot train any more (https://github.com/pytorch/pytorch/wiki/Autograd-and-Fork).
    """
    items.sort(key=lambda item: item.path.name != "test_ddp.py")
    for item in items:
        if item.path.parent.name == "trust":
            item.add_marker("trust")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their length: a gzip file holds the second in which it was made, and two
    processes that run the tests together have to call them alike.
    """
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


def _real_data(name: str) -> Path:
    if not (DATA / name).is_dir():
        pytest.skip(f"no {name} beside the repository")
    return DATA / name


@pytest.fixture(scope="session")
def lab_folder() -> Path:
    """The 88 snippets of the 2018 lab."""
    return _real_data("midi_lab")


@pytest.fixture(scope="session")
def pop909_folder() -> Path:
    """600 songs of POP909."""
    return _real_data("pop909")


def random_melody(name: str, rng: np.random.Generator, *, notes: int) -> Song:
    """One voice on the grid of 16ths, with rests and repeated notes, over held bass notes."""
    lengths, rests = rng.integers(1, 5, notes), rng.choice([0, 0, 0, 2], notes)
    ends = np.cumsum(lengths + rests) * 120
    starts = ends - lengths * 120
    pitches = 60 + np.cumsum(rng.integers(-2, 3, notes)) % 24
    melody = note_array(np.stack([starts, ends, pitches, np.full(notes, 90)], axis=1))
    bass = note_array([(at, at + 480, 40, 70) for at in range(0, int(ends[-1]) - 480, 480)])
    tracks = (Track(melody, "Melody"), Track(bass, "Bass", program=32))
    return Song(name, 480, tracks).with_tracks(tracks)


@pytest.fixture
def make_corpus(tmp_path: Path) -> MakeCorpus:
    """Write MIDI files of one random melody each; file i is a function of i and the seed."""

    def make(
        songs: int = 8, *, seed: int = 0, notes: Iterable[int] = (), folder: str = "songs"
    ) -> Path:
        lengths = [*notes] or [20 + 5 * (i % 4) for i in range(songs)]
        for i, length in enumerate(lengths):
            song = random_melody(f"Song {i:02d}", np.random.default_rng([seed, i]), notes=length)
            write_midi(song, tmp_path / folder / f"{song.name}.mid")
        return tmp_path / folder

    return make


@pytest.fixture(autouse=True, scope="session")
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs made by tests are signed with a key of theirs, not with the developer's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.delenv("DLCOURSE_TRUST", raising=False)
        yield
