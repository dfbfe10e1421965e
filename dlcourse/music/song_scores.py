"""The score card of songs that a model has just made: beside the corpus it has learnt from."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding
from dlcourse.music.generation import NewSong, entry_metre
from dlcourse.music.grid import to_steps
from dlcourse.music.notes import END, START, Song
from dlcourse.music.scorecard import Reference, ScoreCard, score_batch
from dlcourse.splits import TEST, TRAIN


def score_new_songs(
    songs: Sequence[NewSong], entries: Sequence[Entry], encoding: Encoding, *, seed: int
) -> ScoreCard:
    """Score new songs beside the held-out ones, and look in them for what was trained on.

    All of them are read as the encoding has them: every note, or the one voice.

    Args:
        songs: At least one.
        entries: The corpus of the run; its test split is held out.
        encoding: Of the corpus and of the songs.
        seed: Of the excerpts that are drawn from real songs.
    """
    kept = [entry for entry in entries if not entry.reason]
    per_quarter = encoding.steps_per_quarter
    first = [
        int(to_steps(new.seed_end, new.song.ticks_per_quarter, steps_per_quarter=per_quarter))
        for new in songs
    ]
    return score_batch(
        [_up_to(new.song, new.new_end) for new in songs],
        training=[
            Reference(_as_seen(entry, encoding), Path(entry.file).stem, entry.group)
            for entry in kept
            if entry.split == TRAIN
        ],
        held_out=[_as_seen(entry, encoding) for entry in kept if entry.split == TEST],
        first_steps=first,
        names=[f"song-{number:02d}" for number in range(len(songs))],
        part="all notes" if encoding.frame_shape else "melody",
        steps_per_quarter=per_quarter,
        seed=seed,
    )


def _up_to(song: Song, end: float) -> Song:
    """What is new and what is given before it: nothing of what is given from a tick on."""
    if end >= song.end:
        return song
    tracks = []
    for track in song.tracks:
        notes = track.notes[track.notes[:, START] < end]
        notes[:, END] = np.minimum(notes[:, END], end)
        tracks.append(replace(track, notes=notes))
    return replace(song, end=int(end)).with_tracks(tuple(tracks))


def _as_seen(entry: Entry, encoding: Encoding) -> Song:
    """A real song as the encoding has it: what is lost on the way is no fault of a new song."""
    metre, name = entry_metre(entry, encoding), Path(entry.file).stem
    return encoding.decode(entry.encoded.frames, metre=metre, name=name)
