"""Chord symbols against tables made by hand and against pychord's own note names."""

from dataclasses import replace

import numpy as np
import pytest
from pychord import Chord
from pychord.utils import note_to_val

from dlcourse.errors import InputError
from dlcourse.music.notes import STRUCK, Metre
from dlcourse.music.priors.chords import ChordProgression, chord_tones
from dlcourse.music.priors.names import midi_pitch, pitch_class
from tests.music.test_priors import moment_of

BY_HAND = {
    "C": {0, 4, 7},
    "Am": {9, 0, 4},
    "F": {5, 9, 0},
    "G7": {7, 11, 2, 5},
    "Bb": {10, 2, 5},
    "F#m7b5": {6, 9, 0, 4},
    "Cmaj7": {0, 4, 7, 11},
    "Ebdim": {3, 6, 9},
    "Abaug": {8, 0, 4},
    "Dsus4": {2, 7, 9},
    "Cdim7": {0, 3, 6, 9},
    "C9": {0, 4, 7, 10, 2},
    "G6/9": {7, 11, 2, 4, 9},
    "G69/B": {7, 11, 2, 4, 9},
    "C/D": {2, 0, 4, 7},
    "C5": {0, 7},
}
SYMBOLS = ["Em7", "C#m", "Gbmaj7", "B7b9", "Am/G", "E7/G#", "Fm6", "A7sus4", "Dbadd9", "BbmM7"]


def tones(symbol: str, *, bass: bool = False) -> set[int]:
    return set(np.flatnonzero(chord_tones(symbol)[int(bass)] > 0).tolist())


@pytest.mark.parametrize("symbol", BY_HAND)
def test_the_tones_are_those_of_the_table(symbol: str) -> None:
    assert tones(symbol) == BY_HAND[symbol]
    assert set(np.unique(chord_tones(symbol))) == {-1, 1}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_tones_are_the_notes_that_pychord_names(symbol: str) -> None:
    names = Chord(symbol).components(visible=True)
    assert tones(symbol) == {note_to_val(name) % 12 for name in names}


@pytest.mark.parametrize(
    ("symbol", "bass"),
    [("C/E", {4}), ("C/1", {4}), ("Am/G", {7}), ("C/D", {2}), ("G69/B", {11}), ("C", {0, 4, 7})],
)
def test_a_slash_chord_has_one_bass_note(symbol: str, bass: set[int]) -> None:
    assert tones(symbol, bass=True) == bass


def test_the_bass_register_ends_below_its_pitch() -> None:
    moment = moment_of(np.zeros((1, 0, 24), np.uint8), low=36)  # C2 to B3
    weights = ChordProgression("C/E", bass_below="C3").log_weights(moment)[0, :, STRUCK]
    assert (np.flatnonzero(weights > 0) + 36).tolist() == [40, 48, 52, 55]


@pytest.mark.parametrize("symbol", ["H", "Cmoll", "c", "C/", "C/H", "7", "A-7x"])
def test_an_unknown_symbol_is_named_in_one_line(symbol: str) -> None:
    with pytest.raises(InputError, match=rf"unknown chord symbol '{symbol}'; write") as error:
        ChordProgression(["C", symbol, "G"])
    assert "\n" not in str(error.value)


def test_other_options_that_cannot_be_are_one_line() -> None:
    with pytest.raises(InputError, match=r"prior\.chords\.progression=' '"):
        ChordProgression(" ")
    with pytest.raises(InputError, match=r"prior\.chords\.bars_per_chord=0"):
        ChordProgression("C", bars_per_chord=0)
    with pytest.raises(InputError, match=r"prior\.chords\.bass_below=E"):
        ChordProgression("C", bass_below="E")


def test_separators_and_lists_are_the_same_progression() -> None:
    expected = ChordProgression(["C", "Am", "G7/B"]).tones
    for text in ("C Am G7/B", "C | Am | G7/B |", "C, Am,G7/B"):
        assert np.array_equal(ChordProgression(text).tones, expected)


def heard(term: ChordProgression, steps: int, metre: Metre) -> list[set[int]]:
    """The pitch classes favoured at each step, above the bass."""
    found = []
    for step in range(steps):
        moment = moment_of(np.zeros((1, step, 12), np.uint8), metre=metre, low=60)
        found.append(set(np.flatnonzero(term.log_weights(moment)[0, :, STRUCK] > 0).tolist()))
    return found


@pytest.mark.parametrize("metre", [Metre(0, 4, 4), Metre(0, 3, 4), Metre(0, 6, 8)])
@pytest.mark.parametrize("bars", [0.25, 0.5, 1, 2])
def test_chords_last_as_long_as_asked_and_come_again(metre: Metre, bars: float) -> None:
    steps = int(bars * metre.steps_per_bar)
    order = [BY_HAND[symbol] for symbol in ("C", "F", "G7")]
    expected = [order[step // steps % 3] for step in range(5 * steps)]
    assert heard(ChordProgression("C F G7", bars_per_chord=bars), 5 * steps, metre) == expected


def test_no_chord_weighs_nothing() -> None:
    moment = moment_of(np.zeros((2, 16, 12), np.uint8))
    for hard in (False, True):
        term = ChordProgression("C N.C. G", hard=hard)
        assert not term.log_weights(moment).any()
        assert term.log_weights(replace(moment, bar=moment.bar + 1)).any()


def test_note_names_are_numbers() -> None:
    assert [midi_pitch(name, "x") for name in ("C4", "A0", "C8", "Bb3", "Cb4", "C-1", 64)] == [
        *(60, 21, 108, 58, 59, 0, 64)
    ]
    assert [pitch_class(name, "x") for name in ("C", "Cb", "B#", "F##", "Bb", 7)] == [
        *(0, 11, 0, 7, 10, 7)
    ]
