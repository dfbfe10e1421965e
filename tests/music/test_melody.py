"""The melody: which track it is; one voice on the grid comes back note for note."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlcourse.music.melody import Melody, choose_melody
from dlcourse.music.midi import read_midi, write_midi
from dlcourse.music.notes import END, PITCH, START, Metre, Song, Track, note_array

HOLD, REST = Melody.HOLD, Melody.REST
Line = list[tuple[int, int, int]]  # rest before, length, pitch; in 16ths


def on(pitch: int) -> int:
    return 2 + pitch - 24


def line_song(line: Line, *, silence: int = 0, resolution: int = 480) -> Song:
    """One voice; `silence` steps of another track's last note sound on after it."""
    step, rows = 0, []
    scale = resolution // 4
    for rest, length, pitch in line:
        rows.append(((step + rest) * scale, (step + rest + length) * scale, pitch, 80))
        step += rest + length
    tracks = [Track(note_array(rows), "Melody")]
    if silence:
        tracks.append(Track(note_array([(0, (step + silence) * scale, 30, 60)]), "Bass"))
    return Song("line", resolution, ()).with_tracks(tuple(tracks))


def spelled(line: Line, *, silence: int = 0) -> list[int]:
    """The frames of a line, step by step: an implementation of its own."""
    sounding: list[tuple[int, bool]] = []  # pitch (0 for silence), struck
    for rest, length, pitch in line:
        sounding += [(0, False)] * rest + [(pitch, True)] + [(pitch, False)] * (length - 1)
    sounding += [(0, False)] * silence
    frames, before = [], -1
    for pitch, struck in sounding:
        if struck:
            frames.append(on(pitch))
        else:
            frames.append(REST if pitch == 0 and before != 0 else HOLD)
        before = pitch
    return frames


lines = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 9), st.integers(24, 101)), min_size=1, max_size=24
)


@settings(max_examples=80, deadline=None)
@given(line=lines, silence=st.integers(0, 6), resolution=st.sampled_from([96, 220, 480, 1024]))
@example(line=[(0, 1, 24), (0, 1, 24), (0, 1, 101)], silence=0, resolution=480)  # edges, repeats
@example(line=[(3, 2, 60)], silence=5, resolution=220)
@example(line=[(0, 4, 60), (4, 4, 60)], silence=1, resolution=96)
def test_one_voice_on_the_grid_survives_files_and_frames_note_for_note(
    tmp_path_factory: pytest.TempPathFactory, line: Line, silence: int, resolution: int
) -> None:
    folder, encoding = tmp_path_factory.mktemp("lines"), Melody()
    song = line_song(line, silence=silence, resolution=resolution)
    write_midi(song, folder / "line.mid")
    encoded = encoding.encode(read_midi(folder / "line.mid"))
    assert encoded.frames.tolist() == spelled(line, silence=silence)
    assert encoded.encoded == len(line)
    assert sum(encoded.lost.values()) == (1 if silence else 0)
    write_midi(encoding.decode(encoded.frames), folder / "again.mid")
    again = read_midi(folder / "again.mid")
    expected = song.tracks[0].notes[:, [START, END]] * 480 // resolution
    assert again.tracks[0].notes[:, [START, END]].tolist() == expected.tolist()
    assert again.tracks[0].notes[:, PITCH].tolist() == song.tracks[0].notes[:, PITCH].tolist()


@given(frames=st.lists(st.integers(0, 79), max_size=40))
def test_decoded_songs_last_as_long_as_their_frames_and_encode_alike(frames: list[int]) -> None:
    encoding = Melody()
    song = encoding.decode(frames)
    assert song.end == 120 * len(frames)
    again = encoding.encode(song).frames.tolist()
    assert encoding.decode(again).tracks[0].notes.tolist() == song.tracks[0].notes.tolist()
    assert sum(f >= 2 for f in frames) == len(song.tracks[0].notes)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(0, 700), st.integers(10, 110)), max_size=30
    ),
    parts=st.integers(1, 3),
)
def test_every_note_of_any_song_is_encoded_or_lost_for_one_reason(
    rows: list[tuple[int, int, int]], parts: int
) -> None:
    tracks = tuple(
        Track(note_array([(s, s + n, p, 64) for s, n, p in rows[part::parts]]), f"part {part}")
        for part in range(parts)
    )
    song = Song("any", 480, ()).with_tracks(tracks)
    encoded = Melody().encode(song)
    assert encoded.encoded + sum(encoded.lost.values()) == len(rows)
    assert min(encoded.lost.values()) >= 0
    assert (encoded.frames >= 2).sum() == encoded.encoded
    assert len(encoded.positions) == len(encoded.frames)


def test_the_lab_files_lose_no_note_of_the_melody(lab_folder: Path) -> None:
    lost: dict[str, int] = {}
    read = kept = 0
    for path in lab_folder.iterdir():
        song = read_midi(path)
        encoded = Melody().encode(song)
        notes = sum(len(track.notes) for track in song.tracks)
        assert encoded.encoded + sum(encoded.lost.values()) == notes
        assert encoded.encoded == (encoded.frames >= 2).sum()
        again = Melody().encode(Melody().decode(encoded.frames))
        assert again.encoded == encoded.encoded
        read, kept = read + notes, kept + encoded.encoded
        for reason, count in encoded.lost.items():
            lost[reason] = lost.get(reason, 0) + count
    assert read == 16_333  # and a note-on that never ends, which no reader makes a note of
    assert lost == {
        "other_tracks": read - kept,
        "zero_length": 0,
        "out_of_range": 0,
        "same_step": 0,
    }
    assert kept == 4218


def frames_of(*rows: tuple[int, int, int], resolution: int = 480) -> list[int]:
    notes = note_array([(s, e, p, 80) for s, e, p in rows])
    song = Song("x", resolution, ()).with_tracks((Track(notes, "Melody"),))
    return Melody().encode(song).frames.tolist()


def test_a_note_shorter_than_a_16th_lasts_one_step() -> None:
    assert frames_of((0, 10, 60), (240, 480, 62)) == [on(60), REST, on(62), HOLD]
    assert frames_of((120, 121, 60)) == [REST, on(60)]


def test_the_next_note_ends_the_one_before_and_the_highest_of_a_chord_is_kept() -> None:
    assert frames_of((0, 360, 60), (240, 600, 62)) == [on(60), HOLD, on(62), HOLD, HOLD]
    assert frames_of((0, 480, 60), (240, 360, 62)) == [on(60), HOLD, on(62), REST]
    assert frames_of((0, 240, 67), (0, 480, 60), (0, 120, 64)) == [on(67), HOLD, REST, HOLD]
    # Within half a step they fall together; the higher wins though it begins later.
    assert frames_of((0, 240, 60), (50, 240, 61)) == [on(61), HOLD]


def test_notes_are_put_on_the_nearest_16th() -> None:
    assert frames_of((59, 181, 60)) == [on(60), HOLD]
    assert frames_of((60, 179, 60)) == [REST, on(60)]


def test_positions_follow_the_song_s_metres() -> None:
    song = Song("x", 480, (), metres=(Metre(0, 3, 4), Metre(1440, 6, 8)))
    song = song.with_tracks((Track(note_array([(0, 3000, 60, 80)]), "Melody"),))
    assert Melody().encode(song).positions[:, 0].tolist() == [*range(12), *range(12), 0]


def track(name: str, *starts_ends_pitches: tuple[int, int, int], drum: bool = False) -> Track:
    rows = [(s, e, p, 80) for s, e, p in starts_ends_pitches]
    return Track(note_array(rows), name, is_drum=drum)


LOW = ((0, 10, 50), (10, 20, 52))
HIGH = ((0, 10, 70), (10, 20, 72))
CHORDS = ((0, 10, 80), (0, 10, 84), (10, 20, 81), (10, 20, 85))
OVERLAP = ((0, 15, 90), (10, 20, 91), (20, 30, 92))


@pytest.mark.parametrize(
    ("tracks", "chosen", "rule"),
    [
        ([track("a", *HIGH), track("Lead VOCALS", *LOW)], 1, "track 1 named 'Lead VOCALS'"),
        ([track("melody"), track("the melody", *CHORDS)], 1, "track 1 named 'the melody'"),
        ([track("a", *LOW), track("b", *CHORDS), track("c", *HIGH)], 2, "highest one-voice"),
        ([track("melody", *HIGH, drum=True), track("b", *LOW)], 1, "highest one-voice"),
        ([track("a", *CHORDS), track("b", *OVERLAP)], 1, "nearest to one voice"),
        ([track("a", (0, 9, 60)), track("b", *HIGH)], 1, "highest one-voice"),
    ],
)
def test_the_melody_is_named_or_the_highest_single_voice(
    tracks: list[Track], chosen: int, rule: str
) -> None:
    found, reason = choose_melody(Song("x", 480, tuple(tracks)))
    assert found is tracks[chosen]
    assert rule in reason


def test_a_voice_may_overlap_in_one_note_of_ten_but_not_in_two() -> None:
    rows = [(i * 10, i * 10 + 10, 70) for i in range(11)]
    mostly = [(s, e + (5 if i == 3 else 0), p) for i, (s, e, p) in enumerate(rows)]
    rarely = [(s, e + (5 if i in (3, 6) else 0), p) for i, (s, e, p) in enumerate(rows)]
    low = track("low", *LOW)
    assert choose_melody(Song("x", 480, (track("v", *mostly), low)))[0] is not low
    assert choose_melody(Song("x", 480, (track("v", *rarely), low)))[0] is low


def test_songs_without_pitched_notes_have_no_melody_and_are_dropped() -> None:
    for tracks in ((), (track("drums", *LOW, drum=True),), (track("empty"),)):
        song = Song("x", 480, ()).with_tracks(tracks)
        encoded = Melody().encode(song)
        assert encoded.melody == "no pitched notes"
        assert (encoded.frames < 2).all()
        assert Melody().reason_to_drop(encoded) == "no notes that this encoding can hold"


def test_changes_are_onsets_and_ends_and_copying_is_holding() -> None:
    frames = torch.tensor([on(60), HOLD, REST, HOLD, on(60)])
    assert Melody().changes(frames, frames).tolist() == [True, False, True, False, True]
    assert Melody().copied(np.array([on(60), REST])).tolist() == [HOLD, HOLD]
