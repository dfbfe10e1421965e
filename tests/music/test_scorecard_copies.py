"""Memorisation: the longest shared figures by brute force, and copies planted here."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.corpus import song_title
from dlcourse.music.midi import read_midi
from dlcourse.music.notes import PITCH, Song, Track, note_array
from dlcourse.music.scorecard import Reference, ScoreCard, score_batch
from dlcourse.music.scorecard.events import CHORDS, LINE
from dlcourse.music.scorecard.matching import longest_matches
from dlcourse.music.scorecard.memorisation import memorisation
from dlcourse.music.scorecard.passages import ALL_NOTES, MELODY, read_passage

TICKS = 120  # a 16th note


def melody(seed: int, *, bars: int = 16) -> np.ndarray:
    """(M, 4) notes of a melody of one voice, in steps."""
    rng = np.random.default_rng(seed)
    lengths = rng.choice([1, 2, 2, 4], bars * 16)
    starts = np.cumsum(lengths) - lengths
    keys = 60 + np.abs(np.cumsum(rng.integers(-4, 5, len(starts))) % 24 - 12)
    rows = np.stack([starts, starts + lengths, keys, np.full_like(keys, 80)], axis=1)
    return note_array(rows[starts + lengths <= bars * 16])


def song_of(notes: np.ndarray, *more: np.ndarray, name: str = "new", bars: int = 16) -> Song:
    tracks = [Track(part * np.array([TICKS, TICKS, 1, 1]), "Piano") for part in (notes, *more)]
    return Song(name, 480, tuple(tracks), end=bars * 16 * TICKS)


def moved(notes: np.ndarray, *, steps: int = 0, semitones: int = 0) -> np.ndarray:
    return notes + np.array([steps, steps, semitones, 0])


def bars_of(notes: np.ndarray, first: int, last: int) -> np.ndarray:
    """The notes struck in bars `first` to `last`, counted from 1."""
    return notes[(notes[:, 0] >= 16 * (first - 1)) & (notes[:, 0] < 16 * last)]


def spliced(seed: int, stolen: np.ndarray, *, bar: int) -> np.ndarray:
    """Another melody that holds stolen notes from a bar on."""
    own = melody(seed)
    place = moved(stolen, steps=16 * (bar - 1) - int(stolen[0, 0]) // 16 * 16)
    outside = (own[:, 0] >= place[:, 1].max()) | (own[:, 1] <= place[:, 0].min())
    return note_array(np.concatenate([own[outside], place]))


@pytest.fixture(scope="module")
def training() -> list[Reference]:
    return [Reference(song_of(melody(i)), f"Song {i}", f"song {i}") for i in range(40)]


def card_of(*songs: Song, training: list[Reference], **options: object) -> ScoreCard:
    held_out = [song_of(melody(1000 + i)) for i in range(5)]
    return score_batch(songs, training=training, held_out=held_out, **options)


def test_matches_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        size = int(rng.integers(1, 7))
        texts = [rng.integers(0, rng.integers(1, 4), int(rng.integers(0, 12))) for _ in range(size)]
        groups, sources = rng.integers(0, 4, size).tolist(), (rng.random(size) < 0.7).tolist()
        for at, found in enumerate(longest_matches(texts, groups, sources)):
            others = [
                (b, start)
                for b in range(size)
                if sources[b] and groups[b] != groups[at]
                for start in range(len(texts[b]))
            ]
            for place in range(len(texts[at])):
                shared = [common(texts[at][place:], texts[b][start:]) for b, start in others]
                length = found.lengths[place]
                assert length == max(shared, default=0)
                where = (found.sources[place], found.starts[place])
                assert not length or shared[others.index(where)] == length


def common(one: np.ndarray, other: np.ndarray) -> int:
    size = min(len(one), len(other))
    return int(np.append(one[:size] == other[:size], False).argmin())


@pytest.mark.parametrize("semitones", [0, 5, -7])
def test_a_planted_copy_is_found_with_its_song_and_bars(
    training: list[Reference], semitones: int
) -> None:
    stolen = moved(bars_of(melody(7), 5, 8), semitones=semitones)
    card = card_of(song_of(spliced(500, stolen, bar=10)), training=training)
    shared = card.songs[0].shared[LINE]
    assert shared.source == "Song 7"
    assert shared.source_bars == (5, 8)
    assert shared.bars == (10, 13)
    assert "Copies Song 7 from bar 5 to 8, in bars 10 to 13" in card.songs[0].warning
    assert card.songs[0].marks["copied_notes"] == "high"


def test_the_share_is_what_was_planted(training: list[Reference]) -> None:
    stolen = bars_of(melody(7), 5, 8)
    notes = spliced(501, stolen, bar=3)
    shared = card_of(song_of(notes), training=training).songs[0].shared[LINE]
    assert len(stolen) / len(notes) <= shared.share <= (len(stolen) + 2) / len(notes)


def test_of_two_copies_the_longer_is_named(training: list[Reference]) -> None:
    notes = spliced(502, bars_of(melody(3), 1, 2), bar=2)
    later = bars_of(melody(4), 9, 14)
    notes = note_array(np.concatenate([bars_of(notes, 1, 6), moved(later, steps=-16)]))
    shared = card_of(song_of(notes), training=training).songs[0].shared[LINE]
    assert (shared.source, shared.source_bars, shared.bars) == ("Song 4", (9, 14), (8, 13))


def test_songs_by_others_are_hardly_ever_flagged(training: list[Reference]) -> None:
    songs = [song_of(melody(2000 + i)) for i in range(60)]
    card = card_of(*songs, training=training)
    assert sum(bool(song.warning) for song in card.songs) <= 6, "one in twenty is expected"


def test_one_note_repeated_a_trill_and_a_scale_are_no_copies(training: list[Reference]) -> None:
    figures = {
        "one note": [60] * 128,
        "trill": [60, 62] * 64,
        "trill of double strikes": [60, 60, 62, 62] * 32,
        "scale": [60 + 2 * (i % 16) for i in range(16)],
    }
    for name, keys in figures.items():
        notes = note_array([(2 * i, 2 * i + 2, key, 80) for i, key in enumerate(keys)])
        known = [*training, Reference(song_of(notes), name, name)]
        new = song_of(moved(notes, semitones=3))
        assert card_of(new, training=known).songs[0].shared[LINE].notes == 0, name


def test_strikes_of_the_same_note_count_once(training: list[Reference]) -> None:
    keys = [60, 64, *[67] * 10, 65, 62, 71, 60]
    notes = note_array([(2 * i, 2 * i + 2, key, 80) for i, key in enumerate(keys)])
    known = [Reference(song_of(notes), "figure", "figure"), *training]
    shared = card_of(song_of(notes), training=known).songs[0].shared[LINE]
    assert (shared.source, shared.notes) == ("figure", 7)


def test_what_the_primer_has_already_is_no_copy_and_what_follows_is(
    training: list[Reference],
) -> None:
    primer = bars_of(melody(9), 1, 4)
    repeated = [primer, moved(primer, steps=64), bars_of(melody(600), 9, 16)]
    continued = [bars_of(melody(9), 1, 8), bars_of(melody(600), 9, 16)]
    songs = [song_of(note_array(np.concatenate(parts))) for parts in (repeated, continued)]
    card = card_of(*songs, training=training, first_steps=[64, 64])
    repeats, goes_on = card.songs
    assert repeats.warning == ""
    assert goes_on.shared[LINE].source == "Song 9"
    assert goes_on.shared[LINE].source_bars == goes_on.shared[LINE].bars == (5, 8)
    whole = card_of(*songs, training=training)
    assert whole.songs[0].shared[LINE].source == "Song 9"


def test_chords_are_compared_as_a_whole() -> None:
    rng = np.random.default_rng(0)

    def chords(tops: np.ndarray, seed: int) -> np.ndarray:
        below = np.random.default_rng(seed).integers(3, 12, (2, len(tops)))
        starts = np.arange(len(tops)) * 2
        parts = [tops, tops - below[0], tops - below.sum(axis=0)]
        rows = [np.stack([starts, starts + 2, keys, 0 * keys + 80], axis=1) for keys in parts]
        return note_array(np.concatenate(rows))

    tops = [70 + rng.integers(0, 12, 60) for _ in range(10)]
    training = [
        Reference(song_of(chords(top, i)), f"Song {i}", f"{i}") for i, top in enumerate(tops)
    ]
    same, other = song_of(moved(chords(tops[6], 6), semitones=2)), song_of(chords(tops[6], 99))
    card = score_batch([same, other], training=training, held_out=[])
    assert card.part == ALL_NOTES
    assert card.songs[0].shared[CHORDS].source == "Song 6"
    assert card.songs[0].shared[CHORDS].notes > 50
    assert card.songs[1].shared[CHORDS].notes < 5, "the chords below are others"
    assert card.songs[1].shared[LINE].source == "Song 6", "the top line is the same"


def test_files_of_one_group_are_no_copies_of_each_other() -> None:
    twins = [melody(i) for i in (0, 0, 1, 2, 3)]
    passages = [read_passage(song_of(notes)) for notes in twins]
    names = list("abcde")
    apart = memorisation(passages[:1], passages, names=names, groups=names, view=LINE)
    together = memorisation(passages[:1], passages, names=names, groups=list("aabcd"), view=LINE)
    assert sorted(apart.real_notes)[-2:] == [apart.shared[0].notes] * 2
    assert together.real_notes.max() < 10


def test_the_baseline_is_of_music_as_long_as_the_new_part() -> None:
    twins = [read_passage(song_of(melody(i))) for i in (0, 0, 1, 2)]
    short = read_passage(song_of(melody(50, bars=4), bars=4))
    found = memorisation([short], twins, names=list("abcd"), groups=list("abcd"), view=LINE)
    notes = [len(bars_of(melody(0), bar, bar + 3)) for bar in (1, 5, 9, 13)]
    assert len(found.real_notes) == 16, "four songs of four times four bars"
    assert 10 < max(found.real_notes) <= max(notes)


def test_a_song_is_flagged_beyond_95_in_100_real_ones(training: list[Reference]) -> None:
    passages = [read_passage(reference.song) for reference in training]
    names = [reference.name for reference in training]
    bass = moved(melody(77), semitones=-30)
    for part, songs in ((MELODY, [song_of(melody(70))]), (ALL_NOTES, [song_of(melody(70), bass)])):
        card = card_of(*songs, training=training, part=part)
        baseline = memorisation(passages[:1], passages, names=names, groups=names, view=LINE)
        share = 0.95 if part == MELODY else 0.975  # half of the 5 % for the line, half for chords
        assert card.real["copied_notes"].high == np.quantile(baseline.real_notes, share)


def test_to_share_less_than_real_songs_do_is_no_fault() -> None:
    figure = bars_of(melody(5), 1, 4)
    known = [Reference(song_of(spliced(i, figure, bar=5)), f"{i}", f"{i}") for i in range(8)]
    card = card_of(song_of(melody(800)), training=known)
    assert card.real["copied_notes"].low > card.songs[0].metrics["copied_notes"]
    assert not {"copied_notes", "copied_share"} & set(card.songs[0].marks)


def test_a_longer_new_song_is_held_to_more_real_music() -> None:
    passages = [read_passage(song_of(melody(i))) for i in range(40)]
    names = [str(i) for i in range(40)]
    long = read_passage(song_of(melody(900, bars=128), bars=128))
    means = [
        memorisation([new], passages, names=names, groups=names, view=LINE).real_notes.mean()
        for new in (passages[0], long)
    ]
    assert means[1] > means[0] + 0.3


def test_without_other_songs_nothing_is_flagged_but_what_is_shared_is_told() -> None:
    card = card_of(song_of(melody(0)), training=[Reference(song_of(melody(0)), "only", "only")])
    assert card.real["copied_notes"] is None
    assert card.songs[0].warning == ""
    assert card.songs[0].shared[LINE].source == "only"
    nothing = card_of(song_of(melody(0)), training=[])
    assert nothing.songs[0].shared[LINE].notes == 0


@pytest.fixture(scope="module")
def snippets(lab_folder: Path) -> list[Reference]:
    paths = sorted(lab_folder.iterdir())
    return [Reference(read_midi(path), path.stem, song_title(path.stem)) for path in paths]


def halves(snippets: list[Reference], seed: int) -> list[list[Reference]]:
    """The snippets in two halves without a song in common."""
    titles = sorted({snippet.group for snippet in snippets})
    half = set(np.random.default_rng(seed).permutation(titles)[: len(titles) // 2].tolist())
    return [[s for s in snippets if (s.group in half) == side] for side in (True, False)]


def test_real_songs_are_flagged_at_the_rate_that_was_chosen(snippets: list[Reference]) -> None:
    """Snippets as if they were new, those of other songs as if they were learnt: 5 %."""
    flags = []
    for seed in range(4):
        for known, new in permutations(halves(snippets, seed)):
            songs = [snippet.song for snippet in new]
            card = score_batch(songs, training=known, held_out=[], part=MELODY)
            flags += [bool(song.warning) for song in card.songs]
    assert 0.02 < np.mean(flags) < 0.1


def test_every_transposed_snippet_is_known_again(snippets: list[Reference]) -> None:
    known, others = halves(snippets, 0)
    up = np.eye(4, dtype=np.int32)[PITCH] * 3
    songs = [
        snippet.song.with_tracks(
            tuple(Track(t.notes + up, t.name, t.program, t.is_drum) for t in snippet.song.tracks)
        )
        for snippet in known
    ]
    held_out = [snippet.song for snippet in others]
    card = score_batch(songs, training=known, held_out=held_out, part=MELODY)
    found = [song.shared[LINE] for song in card.songs]
    groups = {snippet.name: snippet.group for snippet in known}
    right = [
        shared.share > 0.9 and groups[shared.source] == snippet.group
        for shared, snippet in zip(found, known, strict=True)
    ]
    # Some snippets hold a few notes again and again: too few moves for a figure.
    assert np.mean(right) > 0.9
