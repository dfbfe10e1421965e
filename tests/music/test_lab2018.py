"""The lab's encoding against the lab's own loop, its figures, and each switch by itself."""

from pathlib import Path

import mido
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.music.class_encoding import NO_CLASS
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.midi import read_midi, write_midi
from dlcourse.music.notes import Metre, Song, Track, note_array

STOPPED = [
    "Ex's And Oh's - Chorus",
    "Piano Man - Chorus",
    "Piano Man - Verse",
    "Piano man - Bridge",
]


def lab_frames(path: Path) -> list[int]:
    """`midiToNoteStateMatrix` and `make_one_hot_notes` of the lab, tick by tick."""
    midi = mido.MidiFile(path)
    events: dict[int, list[mido.Message]] = {}
    for track in midi.tracks:
        tick = 0
        for message in track:
            tick += message.time
            events.setdefault(tick, []).append(message)
    state = [(0, 0)] * 78  # play, articulate
    states = [state]
    for tick in range(max(events) + 1):
        if tick % (midi.ticks_per_beat / 4) == midi.ticks_per_beat / 8:
            state = [(play, 0) for play, _ in state]
            states.append(state)
        for message in events.get(tick, ()):
            if message.type == "time_signature" and message.numerator not in (2, 4):
                return [top_key(s) for s in states]
            if message.type in ("note_on", "note_off") and 24 <= message.note < 102:
                strikes = message.type == "note_on" and message.velocity > 0
                state[message.note - 24] = (1, 1) if strikes else (0, 0)
    return [top_key(s) for s in states]


def top_key(state: list[tuple[int, int]]) -> int:
    return max((key for key, pair in enumerate(state) if any(pair)), default=-1)


def test_all_88_files_are_encoded_as_by_the_lab_frame_for_frame(lab_folder: Path) -> None:
    """In one file a note begins and never ends; the readers leave it out, the lab let it sound."""
    stopped = []
    for path in sorted(lab_folder.iterdir()):
        expected = lab_frames(path)
        frames = Lab2018().encode(read_midi(path)).frames.tolist()
        if path.stem == "Pompeii - Chorus":
            assert (expected[-1], frames[-1]) == (48 - 24, NO_CLASS)
            frames[-1] = expected[-1]
        assert frames == expected, path.stem
        if frames == [NO_CLASS]:
            stopped.append(path.stem)
    assert sorted(stopped) == STOPPED


def test_the_figures_of_the_lab(lab_folder: Path) -> None:
    paths = sorted(lab_folder.iterdir())
    encoding = Lab2018()
    kept = {}
    for path in paths:
        encoded = encoding.encode(read_midi(path))
        if not encoding.reason_to_drop(encoded):
            kept[path.stem] = encoded.frames
    copied = sum((frames[1:] == frames[:-1]).sum() for frames in kept.values())
    assert (len(paths), len(kept)) == (88, 73)
    assert sum(map(len, kept.values())) == 12_987
    assert copied / (12_987 - 73) == pytest.approx(0.8367663, abs=1e-7)
    assert list(kept)[41] == "How Deep Is Your Love - Chorus"


@pytest.mark.parametrize(
    "switches",
    [{}, {"keep_all_metres": True}, {"true_melody": True}, {"rearticulate": True, "rests": True}],
)
def test_every_note_of_the_lab_files_is_accounted_for(
    lab_folder: Path, switches: dict[str, bool]
) -> None:
    for path in lab_folder.iterdir():
        song = read_midi(path)
        encoded = Lab2018(**switches).encode(song)
        notes = sum(len(track.notes) for track in song.tracks)
        assert encoded.encoded + sum(encoded.lost.values()) == notes
        assert len(encoded.positions) == len(encoded.frames)


def test_keep_all_metres_reads_the_four_files_at_which_the_lab_stops(lab_folder: Path) -> None:
    for name in STOPPED:
        song = read_midi(lab_folder / f"{name}.midi")
        stopped, read = Lab2018().encode(song), Lab2018(keep_all_metres=True).encode(song)
        notes = sum(len(track.notes) for track in song.tracks)
        assert (len(stopped.frames), stopped.lost["after_the_metre_stop"]) == (1, notes)
        assert Lab2018().reason_to_drop(stopped) == "1 steps, fewer than 128"
        assert len(read.frames) > 90
        assert read.lost["after_the_metre_stop"] == 0
        assert read.encoded > 0


def test_a_later_metre_stops_the_reading_there_and_not_before(tmp_path: Path) -> None:
    rows = [(120 * i, 120 * i + 100, 60 + i % 5, 80) for i in range(40)]
    metres = (Metre(0, 2, 4), Metre(16 * 120, 3, 4), Metre(28 * 120, 4, 4))
    song = Song("x", 480, (), metres=metres).with_tracks((Track(note_array(rows)),))
    write_midi(song, tmp_path / "x.mid")
    encoded = Lab2018().encode(read_midi(tmp_path / "x.mid"))
    assert encoded.frames.tolist() == lab_frames(tmp_path / "x.mid")
    assert len(encoded.frames) == 17
    assert encoded.lost["after_the_metre_stop"] == 24


rows_of_notes = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(1, 500), st.integers(20, 105)), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(rows=rows_of_notes, resolution=st.sampled_from([96, 128, 480]))
def test_any_song_is_encoded_as_by_the_lab(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int, int]],
    resolution: int,
) -> None:
    # One note a track: when a key is struck while it sounds, the readers' pairing is not the point.
    tracks = tuple(Track(note_array([(s, s + n, p, 80)])) for s, n, p in rows[:14])
    path = tmp_path_factory.mktemp("songs") / "x.mid"
    write_midi(Song("x", resolution, ()).with_tracks(tracks), path)
    song = read_midi(path)
    frames, expected = Lab2018().encode(song).frames.tolist(), lab_frames(path)
    # The lab went on to the end of the track, which is an event to it; silence is all that is left.
    assert frames == expected[: len(frames)]
    assert set(expected[len(frames) :]) <= {NO_CLASS}
    for encoding in (Lab2018(rests=True), Lab2018(rearticulate=True), Lab2018(true_melody=True)):
        encoded = encoding.encode(song)
        assert encoded.encoded + sum(encoded.lost.values()) == len(tracks)


def two_voices() -> Song:
    """A melody of four notes (one repeated) under a chord that lies above it, then silence."""
    melody = [(0, 240, 60, 80), (240, 480, 60, 80), (480, 600, 62, 80), (720, 840, 64, 80)]
    above = [(480, 720, 90, 60)]
    tracks = (Track(note_array(melody), "Melody"), Track(note_array(above), "Chords"))
    return Song("two", 480, ()).with_tracks(tracks)


def test_with_the_lab_s_values_notes_are_tied_covered_and_silences_nameless() -> None:
    encoded = Lab2018().encode(two_voices())
    assert encoded.frames.tolist() == [36, 36, 36, 36, 66, 66, 40, NO_CLASS]
    assert encoded.encoded == 3
    lost = {reason: count for reason, count in encoded.lost.items() if count}
    assert lost == {"below_the_highest": 1, "tied_to_the_note_before": 1}


def test_each_switch_changes_what_it_says() -> None:
    song = two_voices()
    rests = Lab2018(rests=True)
    assert rests.num_classes == 79
    assert rests.encode(song).frames.tolist() == [36, 36, 36, 36, 66, 66, 40, 78]
    struck = Lab2018(rearticulate=True)
    assert struck.num_classes == 78 + 78
    assert struck.encode(song).frames.tolist() == [114, 36, 114, 36, 144, 66, 118, NO_CLASS]
    assert struck.encode(song).lost["tied_to_the_note_before"] == 0
    melody = Lab2018(true_melody=True).encode(song)
    assert melody.frames.tolist() == [36, 36, 36, 36, 38, NO_CLASS, 40, NO_CLASS]
    assert (melody.lost["below_the_highest"], melody.lost["other_tracks"]) == (0, 1)
    assert Lab2018(beat=True).num_features == 78 + 38
    assert (Lab2018().predict_last_frame, Lab2018().unit) == (False, "nats per 16th")
    assert Lab2018(rests=True, rearticulate=True).num_classes == 157


def test_min_steps_decides_which_songs_are_kept(lab_folder: Path) -> None:
    for least, kept in ((128, 73), (1, 84)):
        encoding = Lab2018(min_steps=least)
        songs = (read_midi(path) for path in lab_folder.iterdir())
        assert sum(not encoding.reason_to_drop(encoding.encode(song)) for song in songs) == kept


def test_zero_length_notes_are_never_heard_and_cut_what_sounds() -> None:
    rows = [(0, 480, 60, 80), (240, 240, 60, 80), (480, 480, 64, 80), (480, 600, 62, 80)]
    song = Song("x", 480, ()).with_tracks((Track(note_array(rows)),))
    encoded = Lab2018().encode(song)
    assert encoded.frames.tolist() == [36, 36, NO_CLASS, NO_CLASS, 38, NO_CLASS]
    assert encoded.lost["shorter_than_a_step"] == 2


@settings(max_examples=60, deadline=None)
@given(
    line=st.lists(
        st.tuples(st.integers(0, 4), st.integers(1, 8), st.integers(24, 101)),
        min_size=1,
        max_size=20,
    )
)
def test_with_rests_and_strokes_one_voice_comes_back_note_for_note(
    line: list[tuple[int, int, int]],
) -> None:
    rows, step = [], 0
    for rest, length, pitch in line:
        rows.append(((step + rest) * 55, (step + rest + length) * 55, pitch, 40))
        step += rest + length
    song = Song("line", 220, ()).with_tracks((Track(note_array(rows), "Melody"),))
    encoding = Lab2018(rests=True, rearticulate=True, min_steps=1)
    encoded = encoding.encode(song)
    assert encoded.encoded == len(line)
    decoded = encoding.decode(encoded.frames)
    assert decoded.tracks[0].notes.tolist() == song.tracks[0].notes.tolist()
    assert encoding.encode(decoded).frames.tolist()[: step + 1] == encoded.frames.tolist()


def test_decoding_ends_every_note_also_the_last() -> None:
    song = Lab2018().decode([36, 36, NO_CLASS, 40, 40])
    assert song.tracks[0].notes.tolist() == [[0, 110, 60, 40], [165, 275, 64, 40]]
    assert (song.ticks_per_quarter, song.end) == (220, 275)
    assert Lab2018().decode([]).tracks[0].notes.tolist() == []


def test_copying_repeats_the_key_held_and_changes_are_other_classes() -> None:
    encoding = Lab2018(rests=True, rearticulate=True)
    frames = np.array([79 + 5, 5, 78, NO_CLASS])
    assert encoding.copied(frames).tolist() == [5, 5, 78, NO_CLASS]
    assert Lab2018().copied(np.array([5, NO_CLASS])).tolist() == [5, NO_CLASS]
    previous, targets = torch.tensor([NO_CLASS, 5, 5, 5]), torch.tensor([5, 5, 6, NO_CLASS])
    assert Lab2018().changes(previous, targets).tolist() == [True, False, True, False]
