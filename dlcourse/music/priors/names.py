"""Names of notes and of keys, as people write them, in numbers."""

import re
from collections.abc import Sequence

import numpy as np

from dlcourse.errors import InputError
from dlcourse.trust.terminal import printable

_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "b": -1}
_NOTE = re.compile(r"([A-G])(#{0,2}|b{0,2})(-?\d{1,2})?")

MODES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
    "whole tone": (0, 2, 4, 6, 8, 10),
}


def pitch_class(name: str | int, option: str) -> int:
    """0 to 11 for "C" to "B", with up to two sharps or flats; a number is itself.

    Args:
        option: What the error names.

    Raises:
        InputError: No such note.
    """
    if isinstance(name, int) and 0 <= name < 12:
        return name
    match = _NOTE.fullmatch(str(name))
    if not match or match[3]:
        raise InputError(
            f"{option}={_told(name)}: a note is a letter from A to G, then # or b, or 0 to 11"
        )
    return _semitones(match) % 12


def midi_pitch(name: str | int, option: str) -> int:
    """The MIDI pitch of "C4" (60), or a number from 0 to 127.

    Args:
        option: What the error names.

    Raises:
        InputError: No such pitch.
    """
    match = _NOTE.fullmatch(str(name))
    if match and match[3]:
        name = _semitones(match) + 12 * (int(match[3]) + 1)
    if not isinstance(name, int) or not 0 <= name <= 127:
        raise InputError(
            f"{option}={_told(name)}: a pitch is a note with its octave, C4, or 0 to 127"
        )
    return name


def scale_of(key: str | Sequence[str | int], option: str) -> np.ndarray:
    """(12,) bool: which pitch classes are in a key ("A minor") or in a list ([C, D, E, G, A]).

    Raises:
        InputError: No such note or mode.
    """
    scale = np.zeros(12, dtype=bool)
    if isinstance(key, Sequence) and not isinstance(key, str):
        scale[[pitch_class(name, option) for name in key]] = True
        return scale
    tonic, _, mode = str(key).strip().partition(" ")
    mode = " ".join(mode.replace("_", " ").split()).casefold()
    if mode not in MODES:
        raise InputError(
            f'{option}={_told(key)}: a key is a tonic and a mode ("A minor"), auto, or a list of '
            f"notes; modes are {', '.join(MODES)}"
        )
    scale[(pitch_class(tonic, option) + np.array(MODES[mode])) % 12] = True
    return scale


def _told(name: object) -> str:
    return printable(str(name))[:80]


def _semitones(match: re.Match[str]) -> int:
    return _NATURALS[match[1]] + sum(_ACCIDENTALS[sign] for sign in match[2])
