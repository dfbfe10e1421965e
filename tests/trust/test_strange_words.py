"""Chords, keys and notes as anybody may type them: understood or refused in one line, at once."""

import unicodedata
from collections.abc import Callable, Sequence
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlcourse.errors import InputError
from dlcourse.music.priors.chords import ChordProgression, chord_tones
from dlcourse.music.priors.names import midi_pitch, pitch_class, scale_of
from tests.reliability import Trials
from tests.trust.bounds import refused

ANY_TEXT = st.text(st.characters(), max_size=30)  # halves of characters and control characters too
# Pieces of symbols, in an order that makes sense more often than not.
CHORDS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from([*"ABCDEFGH", "c", "C#", "Bb", "F##", "Ebb", ""]),
        st.sampled_from(
            ["", "m", "7", "maj7", "m7b5", "dim", "aug", "sus4", "6/9", "M7", "°", "-"]
        ),
        st.sampled_from(
            ["", "", "/E", "/G#", "/1", "/2", "/3", "/9", "/12", "/", "/H", "(9)", "//"]
        ),
        st.sampled_from(["", "", "", "/1", "\n", "\x1b[31m", " ", "9", "\ud800", "²"]),
    ),
)
NOTES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from([*"ABCDEFGH", "c", ""]),
        st.sampled_from(["", "#", "b", "##", "#b", "♯"]),
        st.sampled_from(["", "4", "-1", "10", "99", "9" * 5000, "٣", ".5"]),
        st.sampled_from(["", "", " minor", " Harmonic_Minor", " no mode", "\n", "\x00"]),
    ),
)


def understood(call: Callable[[], object]) -> bool:
    """Whether it is; else it is refused as everything has to be."""
    try:
        call()
    except InputError as error:
        message = str(error)
    else:
        return True
    assert {"Cc", "Cs", "Zl", "Zp"}.isdisjoint(map(unicodedata.category, message)), ascii(message)
    assert len(message) < 500
    return False


def tried(trials: Trials, what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`hypothesis.settings` with as many examples as are wanted."""
    return settings(max_examples=trials(what, usual=200, nightly=5000), deadline=None)


def test_a_chord_symbol_is_understood_or_refused(trials: Trials) -> None:
    found = set()

    @tried(trials, "strange chord symbols")
    @given(symbol=ANY_TEXT | CHORDS)
    @example(symbol="C/999999999999")
    @example(symbol="C/" + "9" * 5000)
    @example(symbol="Am")
    @example(symbol="x" * 100_000)
    def check(symbol: str) -> None:
        found.add(understood(lambda: chord_tones(symbol)))
        understood(lambda: ChordProgression(symbol))

    assert refused(check, megabytes=300, seconds=120) is None  # or it hangs
    check()
    assert found == {True, False}


def test_a_note_a_pitch_and_a_key_are_understood_or_refused(trials: Trials) -> None:
    found = set()

    @tried(trials, "strange names of notes and keys")
    @given(name=ANY_TEXT | NOTES | st.integers() | st.floats() | st.none())
    @example(name="C" + "9" * 5000)
    @example(name="C4")
    @example(name="A minor")
    @example(name="C")
    def check(name: object) -> None:
        for read in (pitch_class, midi_pitch, scale_of):
            found.add((read, understood(partial(read, name, "prior.key.key"))))
        understood(lambda: scale_of([name, name], "prior.key.key"))

    check()
    assert len(found) == 6


@pytest.mark.parametrize("symbol", ["C/3", "C/0", "C/9", "C/12", "C7/4", "C/1/E", "C/1/1", "C/1x"])
def test_an_inversion_that_a_chord_does_not_have_is_refused(symbol: str) -> None:
    with pytest.raises(InputError, match="unknown chord symbol"):
        chord_tones(symbol)


@pytest.mark.parametrize(("symbol", "bass"), [("C/1", 4), ("C/2", 7), ("C7/3", 10), ("G6/9/1", 11)])
def test_an_inversion_that_it_has_is_its_bass(symbol: str, bass: int) -> None:
    assert [*(chord_tones(symbol)[1] > 0).nonzero()[0]] == [bass]


def long_progressions(symbols: Sequence[str]) -> None:
    progression = ChordProgression(" ".join(symbols))
    assert len(progression.tones) == len(symbols)


def test_a_hundred_thousand_chords_take_a_second_or_two() -> None:
    symbols = ["C", "Am7", "F#m7b5", "G7/B"] * 25_000
    assert refused(long_progressions, symbols, megabytes=300, seconds=5) is None
