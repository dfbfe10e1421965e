"""Chord symbols, and a progression of them to follow."""

import re
from collections.abc import Sequence

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.grid import STEP_IN_BAR, STEPS_A_BAR
from dlcourse.music.priors.names import midi_pitch
from dlcourse.music.priors.prior import Moment, Prior

NO_CHORD = ("N.C.", "NC")
OPTION = "prior.chords.progression"


class ChordProgression(Prior):
    """Strikes of chord tones: log-weight +1; of other notes -1, or forbidden.

    The progression begins with the song's first bar and comes over and over. A slash chord says
    what its bass is: below `bass_below` its bass note alone counts as a chord tone.

    Args:
        progression: Chord symbols, "C Am F G7" (bar lines and commas may stand between them) or a
            list; "N.C." is a time without a chord, in which nothing is weighed.
        bars_per_chord: How long each lasts; 0.5 for two chords a bar.
        bass_below: Where the bass register ends, "C3" or a MIDI number.

    Raises:
        InputError: An unknown symbol, none at all, no such pitch, a time that is not positive.
    """

    def __init__(
        self,
        progression: str | Sequence[str],
        *,
        bars_per_chord: float = 1,
        bass_below: str | int = "C3",
        weight: float = 1.0,
        hard: bool = False,
    ) -> None:
        super().__init__(weight=weight, hard=hard)
        if bars_per_chord <= 0:
            raise InputError(f"prior.chords.bars_per_chord={bars_per_chord}: bars, above 0")
        text = progression if isinstance(progression, str) else " ".join(map(str, progression))
        symbols = re.findall(r"[^\s,|]+", text)
        if not symbols:
            raise InputError(
                f'{OPTION}={text[:80]!r}: at least one chord symbol, as in "C Am F G7"'
            )
        known = {symbol: chord_tones(symbol) for symbol in dict.fromkeys(symbols)}
        self.tones = np.array([known[symbol] for symbol in symbols])  # (chords, 2, 12)
        self.bars_per_chord = bars_per_chord
        self.bass_below = midi_pitch(bass_below, "prior.chords.bass_below")

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        step, bar = moment.positions[:, STEP_IN_BAR], moment.positions[:, STEPS_A_BAR]
        begun = (moment.bar * bar + step) / (bar * self.bars_per_chord) + 1e-9
        tones = self.tones[begun.astype(np.int64) % len(self.tones)]  # (N, 2, 12)
        register = (moment.pitches < self.bass_below).astype(np.int64)
        fits = tones[:, register, moment.pitch_classes]  # (N, P)
        if self.hard:
            return moment.on_strikes(np.where(fits < 0, -np.inf, 0.0))
        return moment.on_strikes(fits)


def chord_tones(symbol: str) -> np.ndarray:
    """(2, 12) int: +1 for the tones of a chord, -1 for others; row 1 in the bass register.

    `pychord` knows the symbols. "C/E" and "C/1" (first inversion) have E in the bass.

    Raises:
        InputError: It does not know this one.
    """
    from pychord import Chord

    if symbol in NO_CHORD:
        return np.zeros((2, 12), dtype=np.int64)
    try:
        # "/9" would be read as an inversion, and the ninth be lost.
        symbol = symbol.replace("6/9", "69")
        chord = [int(tone) % 12 for tone in Chord(_checked(symbol)).components(False)]
    except ValueError:
        raise InputError(
            f"{OPTION}: unknown chord symbol {symbol[:80]!r}; write a root from A to G, # or b, "
            f"then m, 7, maj7, m7, dim, aug, sus4 and the like, and /bass: C Am F#m7b5 G7 C/E"
        ) from None
    tones = np.full((2, 12), -1)
    tones[:, chord] = 1
    if "/" in symbol:
        tones[1], tones[1, chord[0]] = -1, 1
    return tones


def _checked(symbol: str) -> str:
    """The symbol, if its inversion is one: pychord turns "C/9" nine times, "C/999999999" for hours.

    Raises:
        ValueError: It is none.
    """
    from pychord import Chord

    if found := re.search(r"/(\d.*)", symbol):
        tones = len(Chord(symbol[: found.start()]).components(False))
        if found[1] not in map(str, range(1, tones)):
            raise ValueError(found[0])
    return symbol
