"""Scores of one song: muspy where it is right, hand-made songs where it is not."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import Metre, Song, Track, note_array
from dlcourse.music.scorecard import score_song
from dlcourse.music.scorecard.passages import MELODY, TOP_LINE, read_passage
from dlcourse.music.scorecard.song import METRICS

TICKS = 120  # a 16th note at 480 ticks a quarter
FOUR_BARS = 64


def song_of(
    rows: Sequence[tuple[int, int, int]],
    *,
    metres: tuple[Metre, ...] = (Metre(0, 4, 4),),
    steps: int = 0,
) -> Song:
    """A song from notes (onset step, steps, pitch)."""
    notes = note_array([(on * TICKS, (on + n) * TICKS, key, 80) for on, n, key in rows])
    song = Song("new", 4 * TICKS, (), metres=metres, end=steps * TICKS)
    return song.with_tracks((Track(notes, "Piano"),))


def random_rows(rng: np.random.Generator, notes: int = 60) -> list[tuple[int, int, int]]:
    """Notes in seven bars of 4/4 and a bit, none of which ends on a bar line."""
    rows = []
    for onset in np.sort(rng.integers(0, 7 * 16 + 8, notes)).tolist():
        left = 15 - onset % 16
        if left:
            rows.append((onset, int(rng.integers(1, left + 1)), int(rng.integers(40, 80))))
    return rows


def as_muspy(rows: Sequence[tuple[int, int, int]], *, ticks: int = 1) -> Any:
    muspy = pytest.importorskip("muspy")
    notes = [muspy.Note(time=on * ticks, pitch=key, duration=n * ticks) for on, n, key in rows]
    return muspy.Music(resolution=4 * ticks, tracks=[muspy.Track(notes=notes)])


@pytest.mark.parametrize("seed", range(10))
def test_muspy_finds_the_same_where_it_is_right(seed: int) -> None:
    muspy = pytest.importorskip("muspy")
    rows = random_rows(np.random.default_rng(seed), notes=(60, 6)[seed % 2])
    music, scores = as_muspy(rows), score_song(song_of(rows))
    assert scores["pitch_class_entropy"] == pytest.approx(muspy.pitch_class_entropy(music))
    assert scores["scale_consistency"] == pytest.approx(muspy.scale_consistency(music))
    assert scores["pitch_range"] == muspy.pitch_range(music)
    assert scores["polyphony"] == pytest.approx(muspy.polyphony(music))
    assert scores["polyphony_rate"] == pytest.approx(muspy.polyphony_rate(music, threshold=1))
    assert scores["empty_bar_rate"] == pytest.approx(muspy.empty_measure_rate(music, 16))
    assert scores["groove_consistency"] == pytest.approx(muspy.groove_consistency(music, 16))


def test_counting_ticks_hides_what_the_grid_shows() -> None:
    muspy = pytest.importorskip("muspy")
    rows = random_rows(np.random.default_rng(0))
    by_ticks = muspy.groove_consistency(as_muspy(rows, ticks=TICKS), 16 * TICKS)
    assert by_ticks > 0.99, "nearly every tick is empty in every bar"
    assert score_song(song_of(rows))["groove_consistency"] < 0.7


def test_a_song_that_ends_with_a_bar_has_no_bar_after_it() -> None:
    full = song_of([(bar * 16, 16, 60) for bar in range(4)])
    scores = score_song(full)
    assert scores["groove_consistency"] == 1
    assert scores["empty_bar_rate"] == 0
    assert scores["note_density"] == 1


def test_a_bar_that_is_not_whole_counts_in_part() -> None:
    assert score_song(song_of([(4 * i, 4, 60) for i in range(6)]))["note_density"] == 4


def test_bars_follow_the_time_signatures() -> None:
    waltz = [(bar * 12 + beat * 4, 4, 60) for bar in range(4) for beat in (0, 2)]
    three = song_of(waltz, metres=(Metre(0, 3, 4),))
    assert score_song(three)["groove_consistency"] == 1
    assert score_song(three)["note_density"] == 2
    assert score_song(song_of(waltz))["groove_consistency"] < 1
    march = [(48 + bar * 16, 16, 60) for bar in range(3)]
    both = song_of([*waltz, *march], metres=(Metre(0, 3, 4), Metre(48 * TICKS, 4, 4)))
    assert score_song(both)["groove_consistency"] == 1, "no pair of unequal bars is compared"


def test_an_empty_song_has_no_scores() -> None:
    assert score_song(Song("x", 480, ())) == dict.fromkeys(METRICS)
    drums = Track(note_array([(0, 120, 36, 80)]), is_drum=True)
    assert set(score_song(Song("x", 480, (drums,))).values()) == {None}


def test_silence_with_a_length_is_all_empty_bars() -> None:
    defined = {k: v for k, v in score_song(song_of([], steps=64)).items() if v is not None}
    assert defined == {"empty_bar_rate": 1, "note_density": 0}


def test_transposition_changes_no_score_and_octaves_only_the_range() -> None:
    rows = random_rows(np.random.default_rng(1))
    scores = score_song(song_of(rows))
    assert score_song(song_of([(on, n, key + 5) for on, n, key in rows])) == pytest.approx(scores)
    spread = score_song(song_of([(on, n, key + 12 * (key > 60)) for on, n, key in rows]))
    for name in ("pitch_class_entropy", "scale_consistency", "groove_consistency"):
        assert spread[name] == pytest.approx(scores[name])
    assert spread["pitch_range"] == scores["pitch_range"] + 12


def test_only_the_new_part_is_scored() -> None:
    rng = np.random.default_rng(2)
    old = [(at, 4, int(rng.integers(40, 90))) for at in range(0, FOUR_BARS, 4)]
    new = [(at, 2, int(rng.integers(60, 72))) for at in range(0, FOUR_BARS, 2)]
    later = [(at + FOUR_BARS, n, key) for at, n, key in new]
    scores = score_song(song_of([*old, *later]), first_step=FOUR_BARS)
    assert scores == score_song(song_of(new))


def test_what_comes_again_from_the_primer_is_repeated() -> None:
    rng = np.random.default_rng(3)
    part = [(at, 4, int(rng.integers(40, 90))) for at in range(0, FOUR_BARS, 4)]
    again = song_of([*part, *((at + FOUR_BARS, n, key) for at, n, key in part)])
    assert score_song(again, first_step=FOUR_BARS)["ngram_repetition"] == 1
    assert score_song(song_of(part))["ngram_repetition"] == 0


def test_repetition_counts_grams_seen_before_by_brute_force() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        keys, lengths = rng.integers(60, 62, 30), rng.integers(1, 3, 30)
        onsets = np.cumsum(lengths) - lengths
        rows = list(zip(onsets.tolist(), lengths.tolist(), keys.tolist(), strict=True))
        grams = [[(n, key) for _, n, key in rows[i : i + 4]] for i in range(27)]
        seen = sum(gram in grams[:i] for i, gram in enumerate(grams))
        assert score_song(song_of(rows))["ngram_repetition"] == pytest.approx(seen / 27)


def test_one_note_for_ever_is_the_longest_run() -> None:
    rows = [(0, 4, 60), (4, 2, 62), *((6 + 3 * i, 2, 64) for i in range(10)), (36, 9, 65)]
    scores = score_song(song_of(rows))
    assert scores["longest_strikes"] == 10
    assert scores["longest_stay"] == 29, "from step 6 to 35, the rests between included"
    assert score_song(song_of([(0, 500, 60)]))["longest_stay"] == 500


def test_the_top_line_is_not_what_is_struck_below_a_held_note() -> None:
    chords = [(0, 8, 72), (0, 8, 48), (4, 4, 50), (8, 2, 71), (8, 4, 64), (10, 2, 60), (12, 2, 60)]
    line = read_passage(song_of(chords), part=TOP_LINE).notes.tolist()
    assert line == [[0, 8, 72], [8, 10, 71], [12, 14, 60]]


def test_a_melody_is_the_highest_note_of_a_step_until_the_next_begins() -> None:
    notes = [(0, 8, 48), (0, 6, 72), (4, 4, 64), (10, 2, 60)]
    line = read_passage(song_of(notes), part=MELODY).notes.tolist()
    assert line == [[0, 4, 72], [4, 8, 64], [10, 12, 60]]


def test_there_are_three_parts_to_read() -> None:
    with pytest.raises(InputError, match="part=bass: choose one of melody, top line, all notes"):
        score_song(song_of([(0, 4, 60)]), part="bass")


def test_a_finer_grid_tells_apart_what_falls_on_one_16th() -> None:
    notes = note_array([(60 * i, 60 * i + 60, 60 + i % 5, 80) for i in range(64)])  # 32nds
    song = Song("new", 480, (Track(notes),))
    coarse, fine = (score_song(song, steps_per_quarter=n) for n in (4, 8))
    assert fine["pitch_class_entropy"] == coarse["pitch_class_entropy"]
    assert fine["note_density"] == 32
    assert fine["polyphony"] == 1
    assert coarse["polyphony"] > 1


@pytest.mark.parametrize("tonic", range(12))
def test_entropy_and_scale_of_what_every_musician_knows(tonic: int) -> None:
    major, harmonic = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)
    scale = score_song(song_of([(2 * i, 2, 60 + tonic + k) for i, k in enumerate(major)]))
    assert scale["scale_consistency"] == 1
    assert scale["pitch_class_entropy"] == pytest.approx(math.log2(7))
    minor = score_song(song_of([(2 * i, 2, 60 + tonic + k) for i, k in enumerate(harmonic)]))
    assert minor["scale_consistency"] == pytest.approx(6 / 7), "all but the leading note"
    chromatic = score_song(song_of([(2 * i, 2, 60 + tonic + i) for i in range(12)]))
    assert chromatic["scale_consistency"] == pytest.approx(7 / 12)


def test_the_lab_files_score_as_their_description_says(lab_folder: Path) -> None:
    """Nearly all notes in C major, about four keys at once, pitches 41 to 91."""
    scores = [score_song(read_midi(path)) for path in sorted(lab_folder.iterdir())]
    medians = {name: float(np.median([s[name] for s in scores])) for name in METRICS}
    assert medians["scale_consistency"] == 1
    assert 4 < medians["polyphony"] < 5
    assert 0.7 < medians["groove_consistency"] < 0.95
    assert max(s["pitch_range"] for s in scores) <= 50
