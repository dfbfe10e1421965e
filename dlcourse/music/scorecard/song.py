"""What can be said of one song by itself: ten numbers, each None where it is undefined."""

from collections.abc import Callable

from dlcourse.music.notes import STEPS_PER_QUARTER, Song
from dlcourse.music.scorecard.passages import ALL_NOTES, Passage, read_passage
from dlcourse.music.scorecard.repetition import longest_stay, longest_strikes, ngram_repetition
from dlcourse.music.scorecard.rhythm import groove_consistency, note_density
from dlcourse.music.scorecard.texture import empty_bar_rate, polyphony, polyphony_rate
from dlcourse.music.scorecard.tonality import pitch_class_entropy, pitch_range, scale_consistency

METRICS: dict[str, Callable[[Passage], float | None]] = {
    "pitch_class_entropy": pitch_class_entropy,
    "scale_consistency": scale_consistency,
    "pitch_range": pitch_range,
    "polyphony": polyphony,
    "polyphony_rate": polyphony_rate,
    "empty_bar_rate": empty_bar_rate,
    "note_density": note_density,
    "groove_consistency": groove_consistency,
    "ngram_repetition": ngram_repetition,
    "longest_strikes": longest_strikes,
    "longest_stay": longest_stay,
}


def score_song(
    song: Song,
    *,
    first_step: int = 0,
    part: str = ALL_NOTES,
    steps_per_quarter: int = STEPS_PER_QUARTER,
) -> dict[str, float | None]:
    """Score one song from a step on.

    Args:
        first_step: Where the new part begins, in steps of this grid; what is before it counts
            only as what sounds on and as what is repeated.
        part: As in `read_passage`.
        steps_per_quarter: How fine the grid is; 4 are 16th notes.

    Returns:
        A number for each name of `METRICS`; None where it is undefined, as for want of notes.
    """
    return score_passage(
        read_passage(song, part=part, first_step=first_step, steps_per_quarter=steps_per_quarter)
    )


def score_passage(passage: Passage) -> dict[str, float | None]:
    """`score_song` of what is on the grid already."""
    return {name: metric(passage) for name, metric in METRICS.items()}
