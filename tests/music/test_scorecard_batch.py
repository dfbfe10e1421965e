"""The card of a batch: distributions beside those of real songs, tables, and the file."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.notes import Metre, Song, Track, note_array
from dlcourse.music.scorecard import Reference, ScoreCard, score_batch, score_song, write_scorecard
from dlcourse.music.scorecard.distributions import (
    FEATURES,
    histogram,
    histograms,
    overlap_area,
    real_overlaps,
)
from dlcourse.music.scorecard.excerpts import excerpts, windows
from dlcourse.music.scorecard.passages import read_passage

TICKS = 120


def tune(seed: int, *, bars: int = 8, keys: int = 12) -> Song:
    """A melody on the white keys or on fewer of them."""
    rng = np.random.default_rng(seed)
    lengths = rng.choice([2, 4], 8 * bars)
    starts = np.cumsum(lengths) - lengths
    scale = np.array([60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79])[:keys]
    pitches = scale[rng.integers(0, keys, len(starts))]
    rows = np.stack([starts * TICKS, (starts + lengths) * TICKS, pitches, 80 + 0 * starts], axis=1)
    rows = rows[rows[:, 1] <= bars * 16 * TICKS]
    return Song("new", 480, (Track(note_array(rows), "Melody"),), end=bars * 16 * TICKS)


def shifted(song: Song, semitones: int) -> Song:
    notes = song.tracks[0].notes + np.array([0, 0, semitones, 0], dtype=np.int32)
    return song.with_tracks((Track(notes, "Melody"),))


@pytest.fixture(scope="module")
def training() -> list[Reference]:
    return [Reference(tune(i), f"Song {i}", f"song {i}") for i in range(30)]


def card_of(songs: list[Song], training: list[Reference]) -> ScoreCard:
    return score_batch(songs, training=training, held_out=[tune(500 + i) for i in range(10)])


def test_histograms_count_what_there_is() -> None:
    notes = note_array([(0, 480, 60, 80), (480, 600, 72, 80), (480, 960, 48, 80)])
    passage = read_passage(Song("x", 480, (Track(notes),)))
    assert histogram(passage, "pitch class")[0] == 1
    assert np.flatnonzero(histogram(passage, "pitch")).tolist() == [48, 60, 72]
    assert histogram(passage, "interval")[24 + 12] == 1, "the top line goes up an octave"
    assert histogram(passage, "duration")[[0, 3]].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert histogram(passage, "time between onsets")[3] == 1
    assert histogram(passage, "onset in bar")[[0, 4]].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert histogram(passage, "keys sounding")[[0, 1]].tolist() == pytest.approx([7 / 8, 1 / 8])
    waltz = Song("x", 480, (Track(notes + np.array([1440, 1440, 0, 0])),), metres=(Metre(0, 3, 4),))
    later = histogram(read_passage(waltz), "onset in bar")
    assert later.tolist() == histogram(passage, "onset in bar").tolist()
    for feature in FEATURES:
        assert histogram(passage, feature).sum() == pytest.approx(1)
        assert histogram(read_passage(Song("x", 480, ())), feature) is None


def test_overlap_is_one_for_the_same_and_zero_for_disjoint_distributions() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.dirichlet(np.ones(8), 5), rng.dirichlet(np.ones(8), 3)
    assert overlap_area(one, one[::-1]) == pytest.approx(1)
    assert overlap_area(np.eye(4)[:2], np.eye(4)[2:]) == 0
    assert overlap_area(one, other) == pytest.approx(overlap_area(other, one))
    p, q = one.mean(axis=0), other.mean(axis=0)
    assert overlap_area(one, other) == pytest.approx(1 - np.abs(p - q).sum() / 2)
    assert overlap_area(one, np.zeros((0, 8))) is None


def test_a_small_batch_of_real_songs_overlaps_less_than_a_large_one() -> None:
    passages = [read_passage(tune(i)) for i in range(60)]
    training, held_out = (histograms(p, "interval") for p in (passages[:40], passages[40:]))
    small, large = (
        real_overlaps(training, held_out, songs=songs, seed=0).mean() for songs in (1, 20)
    )
    assert small < large - 0.02


def test_real_songs_overlap_and_strange_ones_are_marked(training: list[Reference]) -> None:
    like = card_of([tune(900 + i) for i in range(8)], training)
    assert sum(bool(overlap.mark) for overlap in like.overlaps.values()) <= 1
    strange = card_of([shifted(tune(900 + i, keys=2), 6) for i in range(8)], training)
    assert {f for f, overlap in strange.overlaps.items() if overlap.mark} == {
        "pitch class",
        "pitch",
        "interval",
    }


def test_a_stuck_and_an_atonal_song_stand_outside_and_a_real_one_inside(
    training: list[Reference],
) -> None:
    rows = [(i * 480, i * 480 + 480, 60, 80) for i in range(32)]
    stuck = Song("new", 480, (Track(note_array(rows)),), end=128 * TICKS)
    rng = np.random.default_rng(0)
    rows = [(i * 480, i * 480 + 480, int(rng.integers(48, 84)), 80) for i in range(32)]
    atonal = Song("new", 480, (Track(note_array(rows)),), end=128 * TICKS)
    card = card_of([stuck, atonal, tune(901)], training)
    stuck_marks, atonal_marks, real_marks = (song.marks for song in card.songs)
    assert stuck_marks["longest_strikes"] == "high"
    assert stuck_marks["pitch_class_entropy"] == stuck_marks["pitch_range"] == "low"
    assert atonal_marks["scale_consistency"] == "low"
    assert atonal_marks["pitch_class_entropy"] == "high"
    assert len(real_marks) <= 3


def test_real_songs_are_cut_to_the_length_of_the_new_ones(training: list[Reference]) -> None:
    """Whole songs repeat more: beside them every short one would look poor in repetition."""
    held_out = [tune(500 + i, bars=64, keys=2) for i in range(10)]
    short = [tune(900 + i, bars=4, keys=2) for i in range(8)]
    card = score_batch(short, training=training, held_out=held_out)
    whole = np.median([score_song(song)["ngram_repetition"] for song in held_out])
    assert card.spread("ngram_repetition").median < whole - 0.2
    assert card.real["ngram_repetition"].median == pytest.approx(
        card.spread("ngram_repetition").median, abs=0.1
    )


def test_excerpts_begin_at_bar_lines_and_hold_every_note_once() -> None:
    song = tune(0, bars=8)
    moved = song.tracks[0].notes + np.array([40 * TICKS, 40 * TICKS, 0, 0], dtype=np.int32)
    passage = read_passage(Song("x", 480, (Track(moved),), metres=(Metre(0, 3, 4),)))
    starts = [start for start, _ in windows(passage, 48)]
    assert starts[0] == 36, "the bar of the first note"
    assert all(start % 12 == 0 for start in starts)
    parts = excerpts(passage, steps=48, first_step=12)
    assert all((part.steps, part.first_step) == (48, 12) for part in parts)
    back = np.concatenate(
        [p.notes[:, [0, 2]] + [at, 0] for p, at in zip(parts, starts, strict=True)]
    )
    assert back.tolist() == passage.notes[: len(back), [0, 2]].tolist()
    assert len(passage.notes) - len(back) < 16, "the rest is shorter than an excerpt"
    whole = excerpts(passage, steps=10_000, first_step=12)
    assert [len(part.notes) for part in whole] == [len(passage.notes)]
    assert whole[0].first_step == 0


def test_the_melody_of_real_songs_stands_beside_new_melodies(training: list[Reference]) -> None:
    bass = Track(note_array([(0, 64 * TICKS, 36, 80)]), "Bass")
    both = [song.with_tracks((*song.tracks, bass)) for song in (tune(500), tune(501))]
    melodies = score_batch([tune(900)], training=training, held_out=both)
    assert melodies.part == "melody"
    assert melodies.real["polyphony"].median == 1
    full = score_batch([both[0]], training=training, held_out=both)
    assert full.part == "all notes"
    assert full.real["polyphony"].median > 1


def test_the_file_holds_the_card_and_undefined_is_null(
    training: list[Reference], tmp_path: Path
) -> None:
    card = card_of([Song("x", 480, ()), tune(900)], training)
    path = write_scorecard(card, tmp_path)
    read = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "scorecard.json"
    assert read == json.loads(json.dumps(card.as_json()))
    assert set(read["songs"][0]["metrics"].values()) == {None}
    assert read["songs"][1]["metrics"] == card.songs[1].metrics
    assert read["spread"]["note_density"]["median"] == card.songs[1].metrics["note_density"]
    silent = card_of([Song("x", 480, ())], training)
    assert silent.spread("polyphony") is None
    write_scorecard(silent, tmp_path)


def test_tables_have_a_row_a_number_and_say_what_is_outside(training: list[Reference]) -> None:
    card = card_of([shifted(training[3].song, 2), tune(900), Song("x", 480, ())], training)
    header, rows = card.rows()
    assert len(rows) == len(card.real) + len(FEATURES)
    assert all(len(row) == len(header) for row in rows)
    copied = next(row for row in rows if row[0].startswith("longest figure"))
    assert copied[-1] == "1 of 3"
    header, songs = card.song_rows()
    assert all(len(row) == len(header) for row in songs)
    assert "(high)" in songs[0][header.index(copied[0])]
    assert songs[0][-1].startswith("Copies Song 3 from bar 1 to 8")
    assert set(songs[2][1:]) == {"–"}


def test_the_same_seed_gives_the_same_card(training: list[Reference]) -> None:
    songs = [tune(900 + i, bars=32) for i in range(3)]
    one, same = (card_of(songs, training).as_json() for _ in range(2))
    assert one == same
