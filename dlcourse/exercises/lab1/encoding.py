"""Exercise: from notes to one class a step, as the lab's network sees a song."""

from collections.abc import Callable, Iterator

import numpy as np

from dlcourse.exercises.exercise import Exercise, Finding, Mistake
from dlcourse.exercises.judging import Wrong, judging, right, same, tensor_from
from dlcourse.music.grid import song_on_grid
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.notes import COMMON_TIME, LOWEST_PITCH

SKELETON = '''
def encode_song(notes: np.ndarray, num_steps: int) -> np.ndarray:
    """The highest sounding key at every step of a song.

    Key k is the MIDI pitch 24 + k, for k = 0, ..., 77. A note (start, end, pitch) sounds in the
    steps start, ..., end - 1: `end` is the first step in which it is silent. Notes whose pitch is
    on none of the 78 keys are left out. Where no key sounds the class is -1.

    Args:
        notes: (M, 3) integers: start step, end step, MIDI pitch; in any order, M may be 0.
        num_steps: T; no note ends after it.

    Returns:
        (T,) int64: for each step the highest key that sounds, -1 for silence.

    Source: 2018 lab 1, part 2 (`midi_manipulation`, `make_one_hot_notes`).
    """
    raise NotImplementedError
'''

SOLUTION = """
def encode_song(notes: np.ndarray, num_steps: int) -> np.ndarray:
    from dlcourse.exercises.lab1.encoding import reference

    return reference(notes, num_steps)
"""

_LOOP = """
def encode_song(notes: np.ndarray, num_steps: int) -> np.ndarray:
    classes = np.full(num_steps, -1, dtype=np.int64)
    for start, end, pitch in notes.tolist():
        key = pitch - 24
        if 0 <= key < 78:
            classes[start:end] = np.maximum(classes[start:end], key)
    return classes
"""


def reference(notes: np.ndarray, num_steps: int) -> np.ndarray:
    """(T,) classes, by the package."""
    rows = [(start, end, pitch, 64) for start, end, pitch in notes.tolist()]
    song = song_on_grid(rows, num_steps, metre=COMMON_TIME, tempo=120.0, name="song")
    return Lab2018(min_steps=1).encode(song).frames[:num_steps]


def _encoded(student: Callable[..., np.ndarray], rows: list[tuple[int, ...]]) -> np.ndarray:
    notes = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return tensor_from(student(notes, 12), (12,), "encode_song").numpy()


@judging
def check(student: Callable[..., np.ndarray]) -> Iterator[Finding]:
    """One note, silence, chords, keys that do not exist, and whole songs against the package's."""
    yield _one_note(_encoded(student, [(3, 7, 60)]))
    if not same(_encoded(student, []), np.full(12, -1)):
        raise Wrong("A song without notes has to be -1 at every step.")
    yield right("A song without notes is silent.")
    yield _chords(student)
    outside = _encoded(student, [(0, 12, 23), (0, 6, 102), (2, 4, 24), (6, 8, 101)])
    if not same(outside, [-1, -1, 0, 0, -1, -1, 77, 77, -1, -1, -1, -1]):
        raise Wrong(
            "A note outside the 78 keys is not left out: is every key compared with 0 and 77 "
            "before it is used? (A negative index counts from the end.)"
        )
    yield right("Notes outside the 78 keys are left out.")
    for seed in range(3):
        notes = _random_notes(np.random.default_rng(seed))
        classes = tensor_from(student(notes, 64), (64,), "encode_song").numpy()
        if not same(classes, reference(notes, 64)):
            raise Wrong(f"A song of {len(notes)} notes comes out differently from ours.")
    yield right("Three songs come out as ours.")


def _one_note(classes: np.ndarray) -> Finding:
    """Of a middle C (pitch 60) from step 3 up to step 7."""
    key, sounding = 60 - LOWEST_PITCH, slice(3, 7)
    silent = np.delete(classes, np.r_[sounding])
    if (classes[sounding] == 60).all():
        raise Wrong("The class is the MIDI pitch; it has to be the key, pitch - 24.")
    if classes[3] == key and classes[7] == key:
        raise Wrong(
            "A note still sounds in its end step: `end` is the first step in which it is silent."
        )
    if classes[3] == key and (classes[4:7] != key).all():
        raise Wrong("A note is there at its start only: it has to sound until it ends.")
    if (silent == 0).all():
        raise Wrong("Silence is 0, which is a key (pitch 24); it has to be -1.")
    if (classes[sounding] != key).any() or (silent != -1).any():
        raise Wrong("A song of one note comes out wrong: look at start, end and pitch - 24.")
    return right("One note sounds from its start up to its end, and the rest is silence.")


def _chords(student: Callable[..., np.ndarray]) -> Finding:
    high, low = (0, 12, 72), (0, 12, 60)
    rising, falling = (_encoded(student, rows) for rows in ([low, high], [high, low]))
    top, bottom = np.full(12, 72 - LOWEST_PITCH), np.full(12, 60 - LOWEST_PITCH)
    if same(rising, bottom) and same(falling, bottom):
        raise Wrong("In a chord the lowest key is taken; it has to be the highest.")
    if same(rising, top) and same(falling, bottom):
        raise Wrong(
            "In a chord the note that is written last wins: the highest has to, in any order."
        )
    inner = _encoded(student, [(0, 12, 60), (4, 6, 72)])
    if not (same(rising, top) and same(falling, top)):
        raise Wrong("In a chord the class has to be the highest key that sounds.")
    if not same(inner, np.where(np.isin(np.arange(12), (4, 5)), top, bottom)):
        raise Wrong("After a high note has ended, a lower one that goes on has to be heard.")
    return right("In a chord the highest key is taken, in whatever order the notes come.")


def _random_notes(rng: np.random.Generator) -> np.ndarray:
    """(M, 3) notes within 64 steps; no key is struck while it sounds."""
    pitches = rng.choice(np.arange(18, 108), size=24, replace=False)
    starts = rng.integers(0, 60, size=24)
    ends = np.minimum(starts + rng.integers(1, 16, size=24), 64)
    return np.stack([starts, ends, pitches], axis=1)


MISTAKES = (
    Mistake("the pitch instead of the key", _LOOP.replace("key = pitch - 24", "key = pitch")
            .replace("< 78", "< 128"), "MIDI pitch"),
    Mistake("the end step sounds", _LOOP.replace("start:end", "start : end + 1"), "end step"),
    Mistake("onsets only", _LOOP.replace("start:end", "start : start + 1"), "start only"),
    Mistake("silence is key 0", _LOOP.replace("num_steps, -1", "num_steps, 0"), "Silence is 0"),
    Mistake("the lowest key", _LOOP.replace("np.maximum(classes[start:end], key)",
            "np.where(classes[start:end] < 0, key, np.minimum(classes[start:end], key))"),
            "lowest key"),
    Mistake("the last note wins", _LOOP.replace("np.maximum(classes[start:end], key)", "key"),
            "written last"),
    Mistake("keys that do not exist", _LOOP.replace("if 0 <= key < 78:", "if True:"), "outside"),
)  # fmt: skip

EXERCISES = (
    Exercise(
        name="encode_song",
        lab=1,
        title="Encode a song",
        source="2018 lab 1, part 2: the data",
        skeleton=SKELETON,
        solution=SOLUTION,
        check=check,
        mistakes=MISTAKES,
    ),
)
