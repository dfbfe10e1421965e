"""Songs at other tempos on the same grid: the same notes, twice or half as long."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding
from dlcourse.music.grid import to_steps
from dlcourse.music.notes import START, VELOCITY, Metre, Song
from dlcourse.progress import progress_bar

FACTORS = (0.5, 2.0)  # of a note's length
_NO_NOTES = "frames without notes"
_OFF_GRID = "onsets between the steps"


def stretched(song: Song, factor: float) -> Song:
    """The song with every note so many times as long, in the same metres, at the same tempo.

    The clock is made finer rather than a tick rounded, so that to stretch by 2 and by 0.5 is to do
    nothing.
    """
    ratio = Fraction(factor)
    times = np.array([ratio.numerator, ratio.numerator, 1, 1], dtype=np.int32)
    return replace(
        song,
        ticks_per_quarter=song.ticks_per_quarter * ratio.denominator,
        tracks=tuple(replace(track, notes=track.notes * times) for track in song.tracks),
        tempos=tuple((tick * ratio.numerator, tempo) for tick, tempo in song.tempos),
        metres=tuple(
            Metre(m.tick * ratio.numerator, m.numerator, m.denominator) for m in song.metres
        ),
        end=song.end * ratio.numerator,
    )


def with_velocities(song: Song, by: int, *, rng: np.random.Generator) -> Song:
    """The song with each velocity changed by at most `by`, from 1 to 127 as MIDI has them."""
    tracks = []
    for track in song.tracks:
        notes = track.notes.copy()
        jitter = rng.integers(-by, by, len(notes), endpoint=True)
        notes[:, VELOCITY] = (notes[:, VELOCITY] + jitter).clip(1, 127)
        tracks.append(replace(track, notes=notes))
    return replace(song, tracks=tuple(tracks))


def stretched_copies(
    entries: Sequence[Entry],
    encoding: Encoding,
    *,
    factors: Sequence[float],
    velocity: int,
    seed: int,
) -> tuple[list[Entry], str]:
    """Every song once more for every factor, in its own group and split, and the fact in words.

    Not where onsets would come to lie between the steps, nor where the encoding drops the result,
    nor of frames that were never a file of notes, for these do not say how a beat is divided.

    Args:
        entries: Training songs.
        encoding: Encodes the stretched ones.
        factors: Of `FACTORS`.
        velocity: See `with_velocities`.
        seed: Of the velocities.
    """
    rng, copies, left_out = np.random.default_rng(seed), [], Counter[str]()
    for entry in progress_bar(entries, "stretching songs"):
        for factor in factors:
            reason = _obstacle(entry, encoding, factor)
            if not reason:
                song = with_velocities(stretched(entry.song, factor), velocity, rng=rng)
                encoded = encoding.encode(song)
                reason = encoding.reason_to_drop(encoded) and "too short"
            if reason:
                left_out[f"{reason} at {factor:g}"] += 1
            else:
                copies.append(replace(entry, song=song, encoded=encoded, stretched=(factor,)))
    counts = "".join(f", left out {number} for {why}" for why, number in left_out.items())
    lengths = " and ".join(f"{factor:g}" for factor in factors)
    return copies, f"{len(copies)} more training songs, stretched by {lengths}{counts}"


def _obstacle(entry: Entry, encoding: Encoding, factor: float) -> str:
    """Why a song cannot be stretched; empty where it can."""
    if entry.song is None:
        return _NO_NOTES
    played = encoding.decode(entry.encoded.frames)
    starts = np.concatenate([track.notes[:, START] for track in played.tracks])
    steps = to_steps(starts, played.ticks_per_quarter, steps_per_quarter=encoding.steps_per_quarter)
    ratio = Fraction(factor)
    return _OFF_GRID if np.any(steps * ratio.numerator % ratio.denominator) else ""
