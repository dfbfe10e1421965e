"""Songs that share a long stretch of their melody are one, against a search for every stretch."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.corpus import read_corpus, split_corpus
from dlcourse.music.melody import Melody
from dlcourse.music.midi import write_midi
from dlcourse.music.notes import Song, Track, note_array
from dlcourse.music.signatures import DIFFERENT, RUN, STRETCH, melody_signatures
from dlcourse.splits import Fractions

Moves = list[tuple[int, int]]


def song_of(moves: Moves, *, first: int = 60, start: int = 0, name: str = "song") -> Song:
    """One voice that moves by these semitones after these steps; folded into what MIDI holds."""
    intervals, steps = np.array(moves, dtype=int).T
    pitches = np.cumsum([first, *intervals])
    onsets = 120 * np.cumsum([start, *steps])
    assert pitches.min() >= 0
    assert pitches.max() <= 127
    rows = np.stack([onsets, onsets + 60, pitches, np.full_like(pitches, 80)], axis=1)
    return Song(name, 480, ()).with_tracks((Track(note_array(rows), "Melody"),))


def random_moves(rng: np.random.Generator, many: int, *, kinds: int = 40) -> Moves:
    """That stay near where they begin, of so many kinds at most."""
    alphabet = rng.integers([1, 1], [9, 6], (kinds, 2)).tolist()
    moves, pitch = [], 0
    for pick in rng.integers(len(alphabet), size=many):
        interval, steps = alphabet[pick]
        interval = -interval if pitch > 12 else interval
        pitch += interval
        moves.append((interval, steps))
    return moves


def different_runs(moves: Moves, length: int) -> set[tuple]:
    """Every run of moves of a length, of those with enough different ones."""
    runs = (tuple(moves[i : i + length]) for i in range(len(moves) - length + 1))
    return {run for run in runs if len(set(run)) >= DIFFERENT}


def always_found(moves: Moves) -> set[tuple]:
    """Every stretch that no copy can hide."""
    stretches = (moves[i : i + STRETCH] for i in range(len(moves) - STRETCH + 1))
    return {tuple(s) for s in stretches if different_runs(s, RUN)}


def are_one(one: Moves, other: Moves) -> bool:
    """Whether two songs are one, each in a key and at a place of its own."""
    songs = song_of(one, first=60, start=3), song_of(other, first=65, start=16)
    first, second = (set(melody_signatures(song)) for song in songs)
    return bool(first & second)


def spliced(rng: np.random.Generator, one: Moves, shared: int, *, kinds: int) -> Moves:
    """Other moves around so many of a song's."""
    at = int(rng.integers(len(one) - shared + 1))
    before, after = (random_moves(rng, int(rng.integers(0, 40)), kinds=kinds) for _ in range(2))
    return [*before, *one[at : at + shared], *after]


def test_what_a_search_for_every_stretch_finds_is_found_and_nothing_else() -> None:
    rng, seen = np.random.default_rng(0), set()
    for _ in range(400):
        kinds = int(rng.integers(DIFFERENT - 2, 20))  # too few different moves, or enough
        one = random_moves(rng, int(rng.integers(STRETCH, 80)), kinds=kinds)
        shared = int(rng.integers(RUN - 3, min(len(one), STRETCH + 4) + 1))
        other = spliced(rng, one, shared, kinds=kinds)
        must = bool(always_found(one) & always_found(other))
        may = bool(different_runs(one, RUN) & different_runs(other, RUN)) or one == other
        found = are_one(one, other)
        assert must <= found <= may
        seen.add((must, found, may))
    assert seen == {(a, b, c) for a in (0, 1) for b in (a, 1) for c in (b, 1)}, "every case came up"


def test_a_passage_of_29_notes_in_another_key_makes_two_files_one_song(
    make_corpus, tmp_path: Path
) -> None:
    rng, folder = np.random.default_rng(1), make_corpus(6)
    one = random_moves(rng, 70)
    files = {
        "Verse": one,
        "Cover": [*random_moves(rng, 30), *one[11 : 11 + STRETCH], *random_moves(rng, 25)],
        "Quotes": [*random_moves(rng, 30), *one[40 : 40 + RUN - 1], *random_moves(rng, 25)],
    }
    for number, (name, moves) in enumerate(files.items()):
        song = song_of(moves, first=60 - 5 * number, start=7 * number, name=name)
        write_midi(song, folder / f"{name}.mid")
    entries = split_corpus(read_corpus(folder, Melody()), Fractions())
    group = {Path(entry.file).stem: entry.group for entry in entries}
    assert group["Verse"] == group["Cover"] == "cover"
    assert len(set(group.values())) == 8, "the others are songs of their own"


@pytest.mark.parametrize(
    "riff",
    [
        [(0, 4)],
        [(1, 1), (-1, 1)],
        [(2, 1)] * 5 + [(-2, 1)] * 5,
        [(0, 1 + i) for i in range(DIFFERENT - 1)],
    ],
    ids=["one note", "trill", "scales", "a riff of too few moves"],
)
def test_figures_of_few_moves_are_nobody_s_however_long(riff: Moves) -> None:
    rng = np.random.default_rng(2)
    before, after, other_before, other_after = (random_moves(rng, 12) for _ in range(4))
    one, other = [*before, *riff * 60, *after], [*other_before, *riff * 60, *other_after]
    assert not are_one(one, other)
    assert are_one([*one, (1, 1)], other_before + one)
    enough = [(0, 1 + i) for i in range(DIFFERENT)]
    assert are_one([*before, *enough * 4, *after], [*other_before, *enough * 4, *other_after])


def test_a_long_melody_has_few_signatures() -> None:
    moves = random_moves(np.random.default_rng(3), 1000)
    assert 1000 / STRETCH < len(melody_signatures(song_of(moves))) < 1000 / 3


def test_songs_of_different_titles_that_are_one_in_the_real_collections(
    pop909_folder: Path, lab_folder: Path
) -> None:
    """By the collection's own list 018 is a remix of 017, and 103 sings 101 anew."""
    together: dict[str, list[str]] = {}
    for entry in split_corpus(read_corpus(pop909_folder, Melody()), Fractions()):
        together.setdefault(entry.group, []).append(entry.file)
    several = [files for files in together.values() if len(files) > 1]
    assert several == [["017.mid", "018.mid"], ["101.mid", "103.mid"]]
    entries = split_corpus(read_corpus(lab_folder, Melody()), Fractions())
    assert all(entry.group == entry.title for entry in entries)
    for one, other in combinations(entries, 2):
        shared = {kind for kind, _ in set(one.identity) & set(other.identity)}
        assert "stretch" not in shared or one.title == other.title
