"""MIDI files: two readers against each other, what is written is read, damage is said."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.composer import compose_song
from dlcourse.music.midi import parse_midi, read_midi, write_midi
from dlcourse.music.notes import END, PITCH, START, Metre, Song, Track, note_array

Rows = list[tuple[int, int, int, int]]


def held_notes(song: Song) -> list[np.ndarray]:
    """The notes of each track that has some, without those of zero length."""
    notes = [track.notes[track.notes[:, START] < track.notes[:, END]] for track in song.tracks]
    return [track for track in notes if len(track)]


def all_rows(song: Song) -> list[list[list[int]]]:
    return [track.notes.tolist() for track in song.tracks if len(track.notes)]


def test_both_readers_agree_on_the_lab_files_but_for_one_doubled_chord(lab_folder: Path) -> None:
    """pretty_midi drops notes of zero length; of a chord struck twice it takes the other end."""
    differ, zero_length = {}, {}
    for path in sorted(lab_folder.iterdir()):
        fast, slow = read_midi(path), read_midi(path, reader="pretty_midi")
        assert (fast.metres, fast.ticks_per_quarter) == (slow.metres, slow.ticks_per_quarter)
        assert fast.end == slow.end
        assert np.array(fast.tempos) == pytest.approx(np.array(slow.tempos))
        assert [t.name for t in fast.tracks] == [t.name for t in slow.tracks]
        missing = sum(len(t.notes) for t in fast.tracks) - sum(len(t) for t in held_notes(fast))
        if missing:
            zero_length[path.stem] = missing
        if [t.tolist() for t in held_notes(fast)] != all_rows(slow):
            differ[path.stem] = (fast, slow)
    assert zero_length == {"Baby I'm Yours - Chorus": 9, "Pompeii - Chorus": 1}
    assert list(differ) == ["Dark Horse - Verse"]
    fast, slow = map(held_notes, differ["Dark Horse - Verse"])
    assert [len(t) for t in fast] == [len(t) for t in slow] == [78, 174, 58]
    rows = np.flatnonzero((fast[1] != slow[1]).any(axis=1))
    assert len(rows) == 15
    assert (fast[1][rows] - slow[1][rows]).tolist() == [[0, 1, 0, 0]] * 15
    for start, _, pitch, _ in fast[1][rows]:
        assert ((fast[1][:, START] < start) & (fast[1][:, END] > start)).any()
        assert (fast[1][:, PITCH] == pitch).sum() > 1
    assert np.array_equal(fast[0], slow[0])
    assert np.array_equal(fast[2], slow[2])


@st.composite
def tracks(draw: st.DrawFn) -> tuple[Track, ...]:
    """Up to three tracks, in which no pitch sounds twice at a time."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        rows: Rows = []
        for pitch in draw(st.lists(st.integers(0, 127), min_size=1, max_size=6, unique=True)):
            gaps = draw(st.lists(st.tuples(st.integers(0, 700), st.integers(1, 900)), max_size=5))
            tick = 0
            for gap, length in gaps:
                velocity = draw(st.integers(1, 127))
                rows.append((tick + gap, tick + gap + length, pitch, velocity))
                tick += gap + length
        made.append(Track(note_array(rows), f"part {number}", draw(st.integers(0, 127))))
    return tuple(made)


@settings(max_examples=60, deadline=None)
@given(
    tracks=tracks(),
    resolution=st.sampled_from([24, 96, 120, 220, 480, 960]),
    tempos=st.lists(st.floats(30, 300), min_size=1, max_size=3),
    metre=st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8), (5, 4), (2, 2)]),
    second=st.integers(1, 2000),
)
def test_what_is_written_is_read_back_by_both_readers(
    tmp_path_factory: pytest.TempPathFactory,
    tracks: tuple[Track, ...],
    resolution: int,
    tempos: list[float],
    metre: tuple[int, int],
    second: int,
) -> None:
    changes = tuple((i * 300, qpm) for i, qpm in enumerate(tempos))
    metres = (Metre(0, *metre), Metre(second, metre[0] + 1, metre[1]))
    song = Song("any", resolution, (), changes, metres).with_tracks(tracks)
    path = tmp_path_factory.mktemp("written") / "any.mid"
    write_midi(song, path)
    for reader in ("symusic", "pretty_midi"):
        again = read_midi(path, reader=reader)
        assert all_rows(again) == all_rows(song)
        kept = [t for t in song.tracks if len(t.notes)]
        found = [t for t in again.tracks if len(t.notes)]
        assert [(t.name, t.program) for t in found] == [(t.name, t.program) for t in kept]
        assert (again.ticks_per_quarter, again.metres) == (resolution, metres)
        tempo_at = dict(again.tempos)
        for tick, qpm in changes:
            now = tempo_at[max(t for t in tempo_at if t <= tick)]
            assert now == pytest.approx(qpm, abs=0.01)


def test_a_name_that_latin_1_cannot_spell_is_written_all_the_same(tmp_path: Path) -> None:
    song = Song("x", 480, ()).with_tracks((Track(note_array([(0, 9, 60, 1)]), "Mélodie ♪"),))
    write_midi(song, tmp_path / "x.mid")
    assert read_midi(tmp_path / "x.mid", reader="pretty_midi").tracks[0].name == "Mélodie ?"
    assert read_midi(tmp_path / "x.mid").tracks[0].notes.tolist() == [[0, 9, 60, 1]]


def test_the_song_is_named_after_its_file_and_control_characters_go(lab_folder: Path) -> None:
    song = read_midi(lab_folder / "Clocks - Intro.midi")
    assert song.name == "Clocks - Intro"
    assert all(track.name.isprintable() for track in song.tracks)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack(">I", len(body)) + body


def midi_bytes(*, division: int, length: bytes) -> bytes:
    """One track: a note of a variable-length duration."""
    track = b"\x00\x90\x3c\x40" + length + b"\x80\x3c\x40\x00\xff\x2f\x00"
    return chunk(b"MThd", struct.pack(">HHH", 1, 1, division)) + chunk(b"MTrk", track)


def test_the_bytes_that_the_next_tests_damage_are_a_song(tmp_path: Path) -> None:
    path = tmp_path / "song.mid"
    path.write_bytes(midi_bytes(division=480, length=b"\x83\x60"))
    for reader in ("symusic", "pretty_midi"):
        assert all_rows(read_midi(path, reader=reader)) == [[[0, 480, 60, 64]]]


DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"Hello, this is a text\nof two lines", "starts with b'Hell'"),
    "no ticks": (midi_bytes(division=0, length=b"\x60"), "quarter|damaged"),
    "smpte": (midi_bytes(division=0xE728, length=b"\x60"), "quarter|damaged"),
    "absurd": (midi_bytes(division=1, length=b"\x84\x80\x00"), "at most 50000|damaged"),
}


@pytest.mark.parametrize("reader", ["symusic", "pretty_midi"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_said_in_one_line_that_names_the_file(
    tmp_path: Path, kind: str, reader: str
) -> None:
    data, expected = DAMAGED[kind]
    path = tmp_path / "my song.mid"
    path.write_bytes(data)
    with pytest.raises(InputError, match=expected) as caught:
        read_midi(path, reader=reader)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("reader", ["symusic", "pretty_midi"])
def test_a_file_cut_short_is_damaged_wherever_the_cut_is(tmp_path: Path, reader: str) -> None:
    whole, path = tmp_path / "whole.mid", tmp_path / "cut.mid"
    write_midi(compose_song(0), whole)
    data = whole.read_bytes()
    last = data.rindex(b"MTrk")
    for size in [5, 10, 13, 18, 21, 25, 60, 200, last - 1, last + 3, last + 7, last + 50]:
        path.write_bytes(data[:size])
        with pytest.raises(InputError, match=r"cut\.mid: (damaged|not a) MIDI file") as caught:
            read_midi(path, reader=reader)
        assert "\n" not in str(caught.value)


def test_flipped_bytes_give_a_song_or_an_input_error(tmp_path: Path) -> None:
    write_midi(compose_song(0), tmp_path / "whole.mid")
    data = (tmp_path / "whole.mid").read_bytes()
    rng = np.random.default_rng(0)
    errors = 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(4, len(data), 3):
            damaged[place] = rng.integers(256)
        (tmp_path / "damaged.mid").write_bytes(bytes(damaged))
        try:
            assert read_midi(tmp_path / "damaged.mid").ticks_per_quarter > 0
        except InputError:
            errors += 1
    assert 0 < errors < 150


def test_missing_files_folders_and_unknown_readers_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mid: cannot be read"):
        read_midi(tmp_path / "gone.mid")
    with pytest.raises(InputError, match="cannot be read"):
        read_midi(tmp_path)
    with pytest.raises(InputError, match="choose one of symusic, pretty_midi"):
        parse_midi(b"MThd", "x.mid", reader="mido")
