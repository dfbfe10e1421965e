"""Keys: moved with the song, and those of scales that every musician knows."""

from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.corpus import song_title
from dlcourse.music.keys import _MAJOR, _MINOR, estimate_key, pitch_class_durations
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import PITCH_CLASSES, Song, Track, note_array


def tune(*pitches: int, lengths: list[int] | None = None, drums: bool = False) -> Song:
    lengths = lengths or [10] * len(pitches)
    starts = np.cumsum([0, *lengths[:-1]])
    rows = [(s, s + n, p, 80) for s, n, p in zip(starts, lengths, pitches, strict=True)]
    return Song("x", 480, (Track(note_array(rows), is_drum=drums),))


@pytest.mark.parametrize("tonic", range(12))
def test_a_cadence_is_in_its_key_and_moves_with_it(tonic: int) -> None:
    major = [60, 64, 67, 65, 69, 72, 67, 71, 74, 60, 64, 67, 72]
    minor = [60, 63, 67, 65, 68, 72, 67, 71, 74, 60, 63, 67, 72]
    assert estimate_key(tune(*(p + tonic for p in major))) == f"{PITCH_CLASSES[tonic]} major"
    assert estimate_key(tune(*(p + tonic for p in minor))) == f"{PITCH_CLASSES[tonic]} minor"


def test_the_key_is_the_profile_of_highest_correlation() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        song = tune(*rng.integers(40, 90, 12), lengths=rng.integers(1, 40, 12).tolist())
        weights = np.zeros(12)
        for start, end, pitch, _ in song.tracks[0].notes:
            weights[pitch % 12] += end - start
        assert pitch_class_durations(song).tolist() == weights.tolist()
        by_key = {
            f"{PITCH_CLASSES[tonic]} {mode}": np.corrcoef(
                weights, [profile[(k - tonic) % 12] for k in range(12)]
            )[0, 1]
            for mode, profile in (("major", _MAJOR), ("minor", _MINOR))
            for tonic in range(12)
        }
        assert estimate_key(song) == max(by_key, key=by_key.get)


def test_drums_have_no_key() -> None:
    assert estimate_key(tune(60, 64, 67, drums=True)) == "unknown"
    assert estimate_key(Song("x", 480, ())) == "unknown"


def test_the_lab_files_are_in_c_or_its_relatives(lab_folder: Path) -> None:
    """98.8 % of their notes lie in C major: nearly all keys found share its notes."""
    keys = {path.stem: estimate_key(read_midi(path)) for path in lab_folder.iterdir()}
    near = {"C major", "A minor", "G major", "F major", "D minor", "E minor"}
    assert sum(key in near for key in keys.values()) > 0.9 * len(keys)
    assert len({song_title(stem) for stem in keys}) == 46
