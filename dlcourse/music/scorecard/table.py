"""Score cards as text: what each number is called, how it is written, and how it is marked."""

from dlcourse.music.scorecard.spread import Spread

LABELS = {
    "pitch_class_entropy": "pitch-class entropy (bits)",
    "scale_consistency": "scale consistency",
    "pitch_range": "pitch range (semitones)",
    "polyphony": "polyphony (keys at once)",
    "polyphony_rate": "polyphony rate",
    "empty_bar_rate": "empty-bar rate",
    "note_density": "notes a bar",
    "groove_consistency": "groove consistency",
    "ngram_repetition": "repeated 4-note figures (share)",
    "longest_strikes": "most strikes of one note in a row",
    "longest_stay": "longest stay on one note (steps)",
    "copied_notes": "longest figure of a training song (notes)",
    "copied_share": "share in training figures of 8 notes or more",
    "copied_chords": "longest run of a training song's chords",
    "copied_chord_share": "share in training runs of 8 chords or more",
}
HEADER = ["", "these songs", "range", "real songs", "range", "outside"]
NOTHING = "–"  # undefined


def number(value: float | None, *, mark: str = "") -> str:
    """A number in three figures, its mark in brackets behind it."""
    if value is None:
        return NOTHING
    return f"{value:.3g}" + (f" ({mark})" if mark else "")


def spread_row(label: str, own: Spread | None, real: Spread | None, *, outside: str) -> list[str]:
    """One row under `HEADER`; the median of the new songs is marked where it is out of range."""
    mark = real.mark(own.median) if own and real else ""
    return [label, number(own and own.median, mark=mark), _range(own), *_real(real), outside]


def overlap_row(feature: str, own: float | None, real: Spread | None, *, mark: str) -> list[str]:
    """One row under `HEADER` for the overlap of a feature, which has one value a batch."""
    return [f"overlap of {feature}", number(own, mark=mark), NOTHING, *_real(real), NOTHING]


def _real(real: Spread | None) -> list[str]:
    return [number(real and real.median), _range(real)]


def _range(values: Spread | None) -> str:
    return f"{values.low:.3g} to {values.high:.3g}" if values else NOTHING
