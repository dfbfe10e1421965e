"""Where songs come from when no folder is named."""

from pathlib import Path
from types import ModuleType

import pytest

from dlcourse.music import composer, midi, notes
from dlcourse.music.sources import Composed, lab2018_snippets, pop909


def test_composed_songs_are_made_once_and_found_again(tmp_path: Path) -> None:
    folder = Composed(songs=2).folder(tmp_path)
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len([*folder.glob("*.mid")]) == 2
    assert Composed(songs=2).folder(tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == written


@pytest.mark.parametrize("module", [composer, midi, notes])
def test_other_songs_and_another_composer_or_writer_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    folders = [Composed(songs=2, seed=seed).folder(tmp_path) for seed in (0, 1)]
    (tmp_path / "changed.py").write_text("changed")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "changed.py"))
    folders += [Composed(songs=2).folder(tmp_path)]
    assert len(set(folders)) == 3


def test_of_a_fetched_folder_music_and_beats_are_kept() -> None:
    keeps = pop909()._keeps
    assert keeps("001/001.mid")
    assert keeps("001/beat_midi.txt")
    assert not keeps("001/chord_audio.txt")
    assert not keeps("001/versions/001-v1.mid")
    assert not keeps("index.xlsx")
    assert lab2018_snippets()._keeps("anything")
