"""The card of songs that were made just now: what is new of them, beside what was learnt."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.generation import NewSong, Primer
from dlcourse.music.grid import song_on_grid
from dlcourse.music.matrices.reading import positions_of
from dlcourse.music.melody import Melody
from dlcourse.music.notes import COMMON_TIME, HELD, STRUCK, Metre, Song
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.scorecard import Reference, ScoreCard, score_batch
from dlcourse.music.song_pages import write_songs
from dlcourse.music.song_scores import score_new_songs
from dlcourse.splits import TEST, TRAIN

STEPS = 128  # eight bars of a song, in 16th notes
LEARNT = 7  # the training song that is copied below
SEVERAL = [Melody(), PianoRoll(low=36, high=96)]
EVERY_ENCODING = pytest.mark.parametrize("encoding", SEVERAL, ids=["melody", "all notes"])


def tune(seed: int) -> Song:
    """One voice that wanders about."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum(rng.choice([1, 2, 2, 3, 4], STEPS))
    ends = ends[ends <= STEPS]
    keys = 66 + np.abs(np.cumsum(rng.integers(-4, 5, len(ends))) % 24 - 12)
    rows = np.stack([np.append(0, ends[:-1]), ends, keys, np.full_like(keys, 80)], axis=1)
    return song_on_grid(rows, STEPS, metre=COMMON_TIME, tempo=120.0, name=f"Song {seed:02d}")


def frames_of(encoding: Encoding, seed: int) -> np.ndarray:
    return encoding.encode(tune(seed)).frames


def corpus(encoding: Encoding) -> list[Entry]:
    """Thirty training songs, five held-out ones, and one that takes no part."""
    entries = [
        Entry(f"{song.name}.mid", song.name, song=song, encoded=encoding.encode(song))
        for song in map(tune, range(35))
    ]
    splits = [TRAIN] * 30 + [TEST] * 5
    placed = [replace(e, group=e.title, split=s) for e, s in zip(entries, splits, strict=True)]
    return [*placed, Entry("broken.mid", "broken", reason="damaged")]


def new_song(
    encoding: Encoding, frames: np.ndarray, *, given: int = 0, until: int | None = None
) -> NewSong:
    """As generation leaves it: frames of which those from `given` to `until` are new."""
    song = encoding.decode(frames)
    ends = [song.end * step // len(frames) for step in (given, until or len(frames))]
    new_end = np.inf if until is None else ends[1]
    return NewSong(Primer("x", frames[:given]), song, len(frames) - given, ends[0], None, new_end)


def higher(encoding: Encoding, frames: np.ndarray, semitones: int) -> np.ndarray:
    """The same frames in another key."""
    if encoding.frame_shape:
        return np.roll(frames, semitones, axis=1)
    return np.where(frames >= Melody.FIRST_KEY, frames + semitones, frames)


def card_of(encoding: Encoding, *songs: NewSong, entries: list[Entry] | None = None) -> ScoreCard:
    return score_new_songs(songs, entries or corpus(encoding), encoding, seed=0)


@EVERY_ENCODING
def test_a_transposed_training_song_is_flagged_on_its_page_and_another_one_is_not(
    encoding: Encoding, tmp_path: Path
) -> None:
    copied = new_song(encoding, higher(encoding, frames_of(encoding, LEARNT), 3))
    own = new_song(encoding, frames_of(encoding, 900))
    card = card_of(encoding, copied, own)
    write_songs([copied, own], tmp_path, facts={"seed": "5"}, command="python x", card=card)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    first, second = page.partition("<h2>Score card</h2>")[0].split("<article")[1:]
    assert f"Copies Song {LEARNT:02d} from bar 1 to 8, in bars 1 to 8" in first
    assert "Copies" not in second
    assert (tmp_path / "scorecard.json").is_file()
    assert page.count("<dt>seed</dt><dd>5</dd>") == 2


@EVERY_ENCODING
def test_held_out_songs_and_dropped_files_are_not_looked_for(encoding: Encoding) -> None:
    card = card_of(encoding, new_song(encoding, frames_of(encoding, 31)))
    assert card.songs[0].warning == ""
    entries = [replace(e, split=TRAIN) if e.title == "Song 31" else e for e in corpus(encoding)]
    song = new_song(encoding, frames_of(encoding, 31))
    assert "Copies Song 31" in card_of(encoding, song, entries=entries).songs[0].warning


@EVERY_ENCODING
@pytest.mark.parametrize("until", [64, 67, 70])
def test_an_infilled_song_is_scored_up_to_the_end_of_what_is_new(
    encoding: Encoding, until: int
) -> None:
    """What follows is of a training song, but was given; notes last over its beginning."""
    frames = frames_of(encoding, 900)
    if encoding.frame_shape:
        frames[until - 1 : until + 2, 40] = [STRUCK, HELD, HELD]
    else:
        frames[until - 1 : until + 1] = [Melody.FIRST_KEY + 40, Melody.HOLD]
    frames[until + 2 :] = frames_of(encoding, LEARNT)[until + 2 :]
    infilled = card_of(encoding, new_song(encoding, frames, given=32, until=until))
    alone = card_of(encoding, new_song(encoding, frames[:until], given=32))
    assert infilled.as_json() == alone.as_json()
    assert infilled.songs[0].warning == ""
    continued = card_of(encoding, new_song(encoding, frames, given=32))
    assert f"Copies Song {LEARNT:02d}" in continued.songs[0].warning


def test_scoring_leaves_the_song_as_it_was() -> None:
    new = new_song(SEVERAL[1], frames_of(SEVERAL[1], 900), given=32, until=67)
    before = new.song.tracks[0].notes.copy()
    card_of(SEVERAL[1], new)
    assert np.array_equal(new.song.tracks[0].notes, before)
    assert new.song.end == STEPS * 120


@pytest.mark.parametrize("per_quarter", [4, 7, 12])
def test_the_new_part_begins_after_the_primers_steps_however_fine_the_grid(
    per_quarter: int,
) -> None:
    encoding = PianoRoll(low=36, high=96, steps_per_quarter=per_quarter)
    given = 61 * per_quarter // 4  # not on a bar line
    frames = np.concatenate([frames_of(encoding, LEARNT)[:given], frames_of(encoding, 900)[given:]])
    card = card_of(encoding, new_song(encoding, frames, given=given))
    entries = corpus(encoding)
    real = [encoding.decode(e.encoded.frames, name=e.title) for e in entries if e.encoded]
    expected, later = (
        score_batch(
            [encoding.decode(frames)],
            training=[Reference(song, song.name, song.name) for song in real[:30]],
            held_out=real[30:],
            first_steps=[first],
            part="all notes",
            steps_per_quarter=per_quarter,
        )
        for first in (given, given + 2 * per_quarter)
    )
    assert card.as_json() == expected.as_json() != later.as_json()
    assert card.songs[0].warning == ""
    assert card_of(encoding, new_song(encoding, frames)).songs[0].warning, "the primer is a copy"


@pytest.mark.parametrize("steps_a_bar", [6, 8])
def test_matrices_are_scored_in_bars_of_their_own_length(steps_a_bar: int) -> None:
    """They are no songs: of what they were read from nothing is known but the length of a bar."""
    encoding = PianoRoll(low=36, high=96, onsets=False, steps_per_quarter=2)
    entries = [
        replace(entry, song=None, encoded=Encoded(entry.encoded.frames, places, 1, {}, ""))
        for entry in corpus(encoding)[:-1]
        for places in [positions_of(len(entry.encoded.frames), steps_a_bar, steps_a_beat=2)]
    ]
    frames = higher(encoding, entries[LEARNT].encoded.frames, -2)
    metre = Metre(0, steps_a_bar // 2, 4)
    songs = [
        replace(new_song(encoding, frames), song=encoding.decode(frames, metre=metre)),
        new_song(encoding, entries[32].encoded.frames),
    ]
    card = card_of(encoding, *songs, entries=entries)
    assert [bool(song.warning) for song in card.songs] == [True, False]
    shared = next(found for found in card.songs[0].shared.values() if found.notes > 10)
    assert shared.source == f"Song {LEARNT:02d}"
    assert shared.source_bars == shared.bars
    assert shared.bars[1] == -(-len(frames) // steps_a_bar)
