"""Sequences that stand in two splits: the same, the same in another key, or the same top line.

A benchmark's splits are what its numbers are compared on, so that a leak is counted and listed
there; only a split of one's own can mend it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from dlcourse.music.corpus import Entry
from dlcourse.splits import TEST, TRAIN

CONTENT, TRANSPOSED, TOP_LINE = KINDS = ("content", "transposed", "top line")  # strictest first
_MOVES = 8  # top lines that move less often are alike by chance


def identity_of(frames: np.ndarray) -> tuple[Hashable, ...]:
    """What frames (T, P), some key of which sounds, have in common with their copies.

    Returns:
        (kind, signature) for each of `KINDS`; without the last one where the top line hardly moves.
    """
    sounds = frames > 0
    keys = np.flatnonzero(sounds.any(axis=0))
    moved = sounds[:, keys[0] : keys[-1] + 1]  # from the lowest to the highest key that is used
    voiced = sounds[sounds.any(axis=1)]
    steps = np.diff(voiced[:, ::-1].argmax(axis=1))
    identity = [(CONTENT, _signature(sounds)), (TRANSPOSED, _signature(moved))]
    if np.count_nonzero(steps) >= _MOVES:
        identity.append((TOP_LINE, _signature(steps)))
    return tuple(identity)


def _signature(array: np.ndarray) -> str:
    shape = repr(array.shape).encode()
    return hashlib.sha1(shape + np.ascontiguousarray(array).tobytes()).hexdigest()


def with_copies(entries: Sequence[Entry]) -> list[Entry]:
    """The same entries, each with `also_in`: its copies in other splits, "file", "file +2"."""
    places: dict[Hashable, list[Entry]] = defaultdict(list)
    for entry in entries:
        for key in entry.identity:
            places[key].append(entry)
    return [replace(entry, also_in=_also_in(entry, places)) for entry in entries]


def _also_in(entry: Entry, places: dict[Hashable, list[Entry]]) -> str:
    found: dict[str, str] = {}
    for kind, signature in entry.identity:
        for other in places[kind, signature]:
            if other.split != entry.split:
                found.setdefault(other.file, f"{other.file}{_as_copy(kind, entry, other)}")
    return "; ".join(found.values())


def _as_copy(kind: str, entry: Entry, other: Entry) -> str:
    if kind == TRANSPOSED:
        return f" {_lowest(other) - _lowest(entry):+d}"
    return "" if kind == CONTENT else f" ({kind})"


def _lowest(entry: Entry) -> int:
    return int(np.flatnonzero((entry.encoded.frames > 0).any(axis=0))[0])


def leaks(entries: Sequence[Entry]) -> Counter[str]:
    """How many test sequences have a copy in the training split, each under its strictest kind."""
    trained = {key for entry in entries if entry.split == TRAIN for key in entry.identity}
    shared = [[kind for kind, s in e.identity if (kind, s) in trained] for e in _tests(entries)]
    return Counter(kinds[0] for kinds in shared if kinds)


def leak_sentence(entries: Sequence[Entry]) -> str:
    """`leaks` in words: "2 of 170 test pieces are in the training split too"."""
    found, tests = leaks(entries), len(_tests(entries))
    same = found[CONTENT] + found[TRANSPOSED]
    return (
        f"{same} of {tests} test pieces are in the training split too ({found[TRANSPOSED]} of them "
        f"in another key), {found[TOP_LINE]} more have the top line of a training piece"
    )


def _tests(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.split == TEST]
