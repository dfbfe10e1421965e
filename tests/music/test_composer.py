from collections import Counter, defaultdict

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.music.composer import TICKS_PER_STEP, compose_corpus, compose_song
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import END, PITCH, START, Song

SCALES = {4: {0, 2, 4, 5, 7, 9, 11}, 3: {0, 2, 3, 5, 7, 8, 10}}  # by the third above the tonic
LEADING_NOTE = 11


@pytest.fixture(scope="module")
def songs() -> list[Song]:
    return [compose_song(index) for index in range(60)]


def melody(song: Song) -> np.ndarray:
    return song.tracks[0].notes


def steps_per_bar(song: Song) -> int:
    return song.metres[0].steps_per_bar


def bars(song: Song) -> list[tuple]:
    """The melody bar by bar: (start in the bar, length, pitch) of each note, in 16ths."""
    found = [[] for _ in range(song.end // TICKS_PER_STEP // steps_per_bar(song))]
    for start, end, pitch, _ in melody(song):
        bar, step = divmod(start // TICKS_PER_STEP, steps_per_bar(song))
        found[bar].append((step, (end - start) // TICKS_PER_STEP, pitch))
    return [tuple(bar) for bar in found]


def key(song: Song) -> tuple[int, int]:
    """Tonic (pitch class) and third, as heard: the last bass note, and the chords it is under."""
    tonic = song.tracks[2].notes[-1, PITCH] % 12
    above = Counter((song.tracks[1].notes[:, PITCH] - tonic) % 12)
    return int(tonic), max(SCALES, key=lambda third: above[third])


def all_notes(song: Song) -> list[list]:
    return [track.notes.tolist() for track in song.tracks]


def test_a_song_is_a_function_of_index_and_seed():
    assert all_notes(compose_song(3, seed=0)) == all_notes(compose_song(3, seed=0))
    assert all_notes(compose_song(3, seed=0)) != all_notes(compose_song(3, seed=1))
    assert all_notes(compose_song(3, seed=0)) != all_notes(compose_song(4, seed=0))


def test_three_tracks_of_which_the_melody_lies_highest(songs):
    for song in songs:
        assert [track.name for track in song.tracks] == ["Melody", "Chords", "Bass"]
        means = [track.notes[:, PITCH].mean() for track in song.tracks]
        assert means == sorted(means, reverse=True)


def test_all_notes_lie_on_the_grid_of_16ths_and_have_a_length(songs):
    for song in songs:
        for track in song.tracks:
            assert not (track.notes[:, :PITCH] % TICKS_PER_STEP).any()
            assert (track.notes[:, END] > track.notes[:, START]).all()


def test_the_melody_is_one_voice_within_its_range(songs):
    for song in songs:
        notes = melody(song)
        assert (notes[:-1, END] <= notes[1:, START]).all()
        assert notes[:, PITCH].min() >= 55
        assert notes[:, PITCH].max() <= 84


def test_songs_last_24_to_40_whole_bars_and_end_on_the_tonic(songs):
    for song in songs:
        length, rest = divmod(song.end, TICKS_PER_STEP * steps_per_bar(song))
        assert 24 <= length <= 40
        assert rest == 0
        assert melody(song)[-1, PITCH] % 12 == key(song)[0]


def test_the_melody_stays_in_its_key(songs):
    for song in songs:
        tonic, third = key(song)
        degrees = Counter(((melody(song)[:, PITCH] - tonic) % 12).tolist())
        outside = {degree: n for degree, n in degrees.items() if degree not in SCALES[third]}
        assert set(outside) <= {LEADING_NOTE}  # raised over V, in minor
        assert sum(outside.values()) < 0.25 * degrees.total()


def test_notes_on_the_bar_line_belong_to_the_chord_but_for_suspensions(songs):
    """The fourth bar of a phrase may suspend its chord; elsewhere chance would give 3 in 7."""
    for song in songs:
        length = TICKS_PER_STEP * steps_per_bar(song)
        chords = defaultdict(set)
        for start, _, pitch, _ in song.tracks[1].notes:
            chords[start // length].add(pitch % 12)
        for start, _, pitch, _ in melody(song):
            if start % length == 0 and start // length % 4 != 3:
                assert pitch % 12 in chords[start // length]


def test_sixty_songs_show_all_metres_many_keys_and_tempos(songs):
    metres = Counter((s.metres[0].numerator, s.metres[0].denominator) for s in songs)
    assert set(metres) == {(4, 4), (3, 4), (6, 8)}
    assert metres[4, 4] > 30
    assert len({key(song)[0] for song in songs}) == 12
    assert {key(song)[1] for song in songs} == {3, 4}
    assert len({song.tempos[0][1] for song in songs}) >= 6


def test_melodies_rest_repeat_and_hold_notes(songs):
    for song in songs:
        notes = melody(song)
        assert (notes[1:, START] > notes[:-1, END]).any()
        assert (notes[:, END] - notes[:, START]).max() >= 4 * TICKS_PER_STEP
    repeated = [np.mean(np.diff(melody(song)[:, PITCH]) == 0) for song in songs]
    assert 0.05 < np.mean(repeated) < 0.4


def test_sections_come_back_literally_and_differ_from_each_other(songs):
    for song in songs:
        played = bars(song)
        played = played[4:] if not any(played[:4]) else played
        sections = [tuple(played[i : i + 8]) for i in range(0, len(played), 8)]
        assert len(set(sections)) == 2


def test_the_chorus_lies_higher_than_the_verse_and_moves_in_longer_notes(songs):
    for song in songs:
        sung = [bar for bar in bars(song) if bar]
        sections = [sum(sung[i : i + 8], ()) for i in range(0, len(sung), 8)]
        verse, chorus = sections[0], next(s for s in sections if s != sections[0])
        assert np.mean([pitch for *_, pitch in chorus]) > np.mean([pitch for *_, pitch in verse])
        assert len(chorus) < len(verse)


def test_the_place_in_the_bar_tells_when_a_note_begins(songs):
    """The rate of onsets at its best place in the bar is many times that at its worst."""
    for metre in (16, 12):
        group = [song for song in songs if steps_per_bar(song) == metre]
        place = np.concatenate([melody(s)[:, START] // TICKS_PER_STEP % metre for s in group])
        onsets = np.bincount(place, minlength=metre)
        assert onsets[0] > 10 * max(onsets[1], 1)
        assert onsets[::2].sum() > 5 * onsets[1::2].sum()


def test_the_same_few_notes_go_on_in_more_than_one_way(songs):
    """Not a lookup: after the same three pitches, several are heard over the corpus."""
    following = defaultdict(Counter)
    for song in songs:
        pitches = melody(song)[:, PITCH].tolist()
        for i in range(3, len(pitches)):
            following[tuple(pitches[i - 3 : i])][pitches[i]] += 1
    frequent = [c for c in following.values() if c.total() >= 20]
    assert np.mean([max(c.values()) / c.total() for c in frequent]) < 0.7


def test_files_read_back_note_for_note(tmp_path):
    compose_corpus(tmp_path / "songs", songs=6, seed=5)
    files = sorted((tmp_path / "songs").glob("*.mid"))
    assert len(files) == 6
    read = {path.stem: read_midi(path) for path in files}
    for song in (compose_song(index, seed=5) for index in range(6)):
        again = read[song.name]
        assert all_notes(again) == all_notes(song)
        assert again.ticks_per_quarter == song.ticks_per_quarter
        assert (again.metres, again.end) == (song.metres, song.end)
        assert [(t.name, t.program) for t in again.tracks] == [
            (t.name, t.program) for t in song.tracks
        ]
        assert again.tempos[0][1] == pytest.approx(song.tempos[0][1], abs=0.01)


def test_a_song_does_not_depend_on_how_many_are_composed(tmp_path):
    compose_corpus(tmp_path / "few", songs=2)
    compose_corpus(tmp_path / "more", songs=4)
    for path in (tmp_path / "few").glob("*.mid"):
        assert path.read_bytes() == (tmp_path / "more" / path.name).read_bytes()


def test_titles_are_unique_whatever_the_case(songs):
    assert len({compose_song(index).name.casefold() for index in range(320)}) == 320
    assert all(song.name.replace(" ", "").isalnum() for song in songs)


def test_a_finished_folder_is_left_alone(tmp_path):
    folder = tmp_path / "songs"
    compose_corpus(folder, songs=2)
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    compose_corpus(folder, songs=2, progress=lambda _: pytest.fail("composed again"))
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == written
    assert list(tmp_path.iterdir()) == [folder]


def test_an_interrupted_corpus_leaves_nothing_behind(tmp_path):
    def stop_at_the_second(indices):
        for index in indices:
            if index == 1:
                raise KeyboardInterrupt
            yield index

    with pytest.raises(KeyboardInterrupt):
        compose_corpus(tmp_path / "songs", songs=3, progress=stop_at_the_second)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_of_no_songs_is_refused(tmp_path):
    with pytest.raises(InputError, match="songs=0"):
        compose_corpus(tmp_path / "songs", songs=0)
