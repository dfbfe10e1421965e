"""Songs composed by rule from a seed: verse and chorus over pop harmony, nothing to download.

Three notations do the work. A figure is rhythm, one character a 16th note: "x" strikes, "-" holds,
"." is silent, so "x---x-x-" is a quarter and two eighths; in accompaniments "x" is the whole triad
and a digit one note of it. Harmony is in Nashville numbers, a chord a bar: "1564" is I V vi IV.
A degree is pitch, counted along the scale from 0, the tonic: 7 is its octave, -1 the note below
it, and the triad on degree d is d, d + 2 and d + 4.

Figures, shapes, harmony and form are the style of all songs; motifs, key and colours are a song's
own. A motif over a chord is a bar; three bars and a cadence are a phrase, a phrase and its answer
a section, and a song takes its two sections in turn. So the next note follows from the place in
the bar, the key, and what was heard one to eight bars ago: more than a few last notes can tell.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from dlcourse.errors import InputError
from dlcourse.made_folders import made_folder
from dlcourse.music.midi import write_midi
from dlcourse.music.notes import COMMON_TIME, STEPS_PER_QUARTER, Metre, Song, Track, note_array

T = TypeVar("T")
Rng = np.random.Generator
Note = tuple[int, int, int]  # start and length in 16ths from the bar line, degree
Bar = tuple[int, list[Note]]  # the degree on which its triad stands, its melody

TICKS_PER_STEP = 120
FORMS = ("VCVC", "VVCVC", "VVCV", "IVCVC", "IVVCC")  # Intro, Verse, Chorus
# Bars of a section: the motifs a and b, b's rhythm in a new shape (B), and a cadence.
PLANS = ("aab.aab.", "aba.aba.", "aab.aaB.", "aba.abB.", "abb.abB.")
# The moves of a line in degrees, over and over: scale, repeated notes, climb, thirds, neighbours.
SHAPES = ((1,), (-1,), (0, 1), (0, 0, -1), (1, 1, -1), (-1, -1, 1), (2, -1), (-2, 1), (1, -1))
VERSE_HOME, CHORUS_HOME = 65, 72  # the pitches about which they are sung: the chorus lies higher
STARTS = (-2, 0, 2)  # how far from its home a line begins, in degrees
REACH = 4  # how far it may leave it before it turns back
LEAN = 0.1  # a note that lies between two notes of the chord goes to the one it was moving to
MEMBERS = {"x": (0, 2, 4), "1": (0,), "3": (2,), "5": (4,)}  # of the triad, in degrees above it


@dataclass(frozen=True)
class Key:
    """A scale in semitones above its tonic (a MIDI pitch), and the harmony that goes with it.

    A phrase takes one of the `opens`; its answer takes the first chord of that and a close.
    """

    scale: tuple[int, ...]
    opens: tuple[str, ...]
    closes: tuple[str, ...]
    tonic: int = 60

    def pitch(self, degree: int, *, chord: int) -> int:
        """MIDI pitch of a degree; over V the seventh is the leading note, also in minor."""
        octave, step = divmod(degree, 7)
        leading = chord == 4 and step == 6
        return self.tonic + 12 * octave + (11 if leading else self.scale[step])


MAJOR = Key((0, 2, 4, 5, 7, 9, 11), ("1564", "1645", "6415", "1465", "1345"), ("251", "451", "651"))
MINOR = Key((0, 2, 3, 5, 7, 8, 10), ("1637", "1765", "1465", "6715"), ("451", "251", "671"))


@dataclass(frozen=True)
class Groove:
    """A metre and the figures that are played in it; tempos are in quarter notes per minute."""

    metre: Metre
    verse: tuple[str, ...]  # from one strong beat to the next; bars are put together of these
    chorus: tuple[str, ...]
    cadences: tuple[str, ...]  # whole bars: a long note, then time to breathe
    chords: tuple[str, ...]
    bass: tuple[str, ...]
    tempos: tuple[int, ...]


SQUARE = Groove(
    metre=COMMON_TIME,
    verse=("x-x-x-x-", "x-x-x---", "x---x-x-", "..x-x-x-", "x-x-x-..", "x--xx-x-"),
    chorus=("x-------", "x---x---", "x-----x-", "x--x--x-", "x-----.."),
    cadences=("x-x-x-------....", "x---x-----......", "x-----x-----....", "x-x-x---........"),
    chords=("x-------x-------", "x---x---x---x---", "x--x--x-x--x--x-", "1-5-3-5-1-5-3-5-"),
    bass=("1-------5-------", "1---------------", "1-----1-5-----5-", "1---1---5---5---"),
    tempos=(84, 92, 100, 112, 124, 132),
)
WALTZ = Groove(
    metre=Metre(0, 3, 4),
    verse=("x---x---x---", "x-x-x-x-x---", "x---x-x-x-x-", "x-----x-x---", "..x-x-x-x---"),
    chorus=("x-------x---", "x-----------", "x---x-------", "x-------x-x-", "x-------...."),
    cadences=("x---x---....", "x-x-x---....", "x---x-......"),
    chords=("x-----------", "....x---x---", "1-3-5-3-5-3-"),
    bass=("1-----------", "1-------5---"),
    tempos=(96, 108, 126, 144),
)
JIG = Groove(
    metre=Metre(0, 6, 8),
    verse=("x-x-x-", "x---x-", "x--xx-", "..x-x-", "x-x-.."),
    chorus=("x-----", "x---x-", "x-x---", "x---.."),
    cadences=("x---x-x---..", "x-x-x-x---..", "x---x-x-...."),
    chords=("x-----x-----", "x---x-x---x-", "1-3-5-1-3-5-"),
    bass=("1-----5-----", "1---1-5---5-", "1-----------"),
    tempos=(66, 76, 88, 100),
)

# Instruments (General MIDI), velocity, and the lowest pitch of the octave in which it stays.
VOICES = {
    "Melody": ((0, 11, 40, 68, 73), 92, None),
    "Chords": ((0, 4, 24, 48), 62, 50),
    "Bass": ((32, 33, 43), 78, 33),
}
ACCENT = 10  # added to the velocity on the first beat of a bar

# 12 and 13 words, without a common divisor: a pair comes back only after 156 songs.
ADJECTIVES = "Amber Blue Crooked Distant Early Faded Gentle Hollow Idle Northern Paper Silver"
NOUNS = "Anchor Bridge Candle Dancer Echo Ferry Garden Harbour Island Lantern Meadow River Sparrow"


def compose_song(index: int, *, seed: int = 0) -> Song:
    """Song number `index` of the endless corpus called `seed`: a function of these two alone."""
    rng = np.random.default_rng([seed, index])
    groove = (SQUARE, WALTZ, JIG)[rng.choice(3, p=(0.7, 0.15, 0.15))]
    key = replace(_pick(rng, (MAJOR, MAJOR, MINOR)), tonic=int(rng.integers(55, 67)))
    melody = _melody(rng, groove, key=key)
    chords = _accompany(melody, _pick(rng, groove.chords))
    bass = _accompany(melody, _pick(rng, groove.bass))
    parts = zip(VOICES, (melody, chords, bass), strict=True)
    tracks = [_track(rng, name, bars=bars, key=key, metre=groove.metre) for name, bars in parts]
    adjective, noun = (words.split() for words in (ADJECTIVES, NOUNS))
    title = f"{adjective[index % 12]} {noun[index % 13]} Opus {index + 1}"
    tempos = ((0, float(_pick(rng, groove.tempos))),)
    song = Song(title, TICKS_PER_STEP * STEPS_PER_QUARTER, (), tempos, (groove.metre,))
    return song.with_tracks(tuple(tracks))


def compose_corpus(
    folder: str | Path,
    *,
    songs: int = 120,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> None:
    """Write the first `songs` songs as MIDI files into a folder, whole or not at all.

    A folder that is there already, as it was made, is left as it is. `progress` wraps the song
    numbers to show how far we are; `tqdm` fits.

    Raises:
        InputError: `songs` is not positive.
    """
    if songs < 1:
        raise InputError(f"songs={songs}: compose at least 1")

    def fill(partial: Path) -> None:
        for index in progress(range(songs)):
            song = compose_song(index, seed=seed)
            write_midi(song, partial / f"{song.name}.mid")

    made_folder(folder, fill)


def _pick(rng: Rng, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _melody(rng: Rng, groove: Groove, *, key: Key) -> list[Bar]:
    """Verse and chorus, always the same, in the order of one of the forms."""
    verse = _section(rng, groove, key=key, cells=groove.verse, home=VERSE_HOME)
    chorus = _section(rng, groove, key=key, cells=groove.chorus, home=CHORUS_HOME)
    sections = {"I": [(chord, []) for chord, _ in verse[:4]], "V": verse, "C": chorus}
    return [bar for letter in _pick(rng, FORMS) for bar in sections[letter]]


def _section(rng: Rng, groove: Groove, *, key: Key, cells: Sequence[str], home: int) -> list[Bar]:
    """Eight bars: a phrase that stays open, and its answer that closes on the tonic."""
    opening = _pick(rng, key.opens)
    chords = [int(number) - 1 for number in opening + opening[0] + _pick(rng, key.closes)]
    home = round((home - key.tonic) * 7 / 12)  # from semitones to degrees
    pulse, steps = len(cells[0]), groove.metre.steps_per_bar
    figures = {m: "".join(_pick(rng, cells) for _ in range(steps // pulse)) for m in "ab"}
    moves = {m: (_pick(rng, STARTS), *_pick(rng, SHAPES) * steps) for m in "abB"}
    cadence = _pick(rng, groove.cadences)
    bars = []
    for m, chord in zip(_pick(rng, PLANS), chords, strict=True):
        if m == ".":
            line = _close(cadence, chord, home=home)
        else:
            line = _sing(figures[m.lower()], moves[m], chord=chord, home=home, pulse=pulse)
        bars.append((chord, line))
    return bars


def _sing(figure: str, moves: Sequence[int], *, chord: int, home: int, pulse: int) -> list[Note]:
    """A motif over a chord: its strong notes and its long ones belong to that, the others pass."""
    line, degree, direction = [], home, 1
    for (start, length, _), move in zip(_strokes(figure), moves, strict=False):
        if abs(degree + direction * move - home) > REACH:
            direction = -direction
        degree += direction * move
        if start % pulse == 0 or length >= STEPS_PER_QUARTER:
            degree = _nearest(degree + LEAN * direction * move, chord)
        line.append((start, length, degree))
    return line


def _close(cadence: str, chord: int, *, home: int) -> list[Note]:
    """The end of a phrase: down by step to the root or, of a chord that stays open, the third."""
    # A degree below home, so that the fall to it begins above home but within reach.
    target = _nearest(home - 1, chord, members=(0,) if chord == 0 else (0, 2))
    return [(s, n, target + left) for left, (s, n, _) in enumerate(reversed(_strokes(cadence)))]


def _nearest(aim: float, chord: int, *, members: Sequence[int] = (0, 2, 4)) -> int:
    """The degree nearest to the aim that is a member of the chord."""
    around = range(round(aim) - 6, round(aim) + 7)
    return min((d for d in around if (d - chord) % 7 in members), key=lambda d: abs(d - aim))


def _accompany(bars: Sequence[Bar], figure: str) -> list[Bar]:
    """The same figure in every bar; its first sound is held through the last."""
    figures = [figure] * (len(bars) - 1) + [figure.strip("-.")[0].ljust(len(figure), "-")]
    return [
        (chord, [(s, n, chord + m) for s, n, sign in _strokes(played) for m in MEMBERS[sign]])
        for (chord, _), played in zip(bars, figures, strict=True)
    ]


def _strokes(figure: str) -> list[tuple[int, int, str]]:
    """Start, length and sign of each sound of a figure."""
    return [(found.start(), len(found[0]), found[0][0]) for found in re.finditer("[^-.]-*", figure)]


def _track(rng: Rng, name: str, *, bars: Sequence[Bar], key: Key, metre: Metre) -> Track:
    """Bars as a track: degrees become pitches, 16ths become ticks."""
    programs, velocity, floor = VOICES[name]
    rows = []
    for k, (chord, notes) in enumerate(bars):
        for start, length, degree in notes:
            pitch = key.pitch(degree, chord=chord)
            if floor is not None:
                pitch = floor + (pitch - floor) % 12
            tick = (k * metre.steps_per_bar + start) * TICKS_PER_STEP
            loudness = velocity if start else velocity + ACCENT
            rows.append((tick, tick + length * TICKS_PER_STEP, pitch, loudness))
    return Track(note_array(rows), name, _pick(rng, programs))
