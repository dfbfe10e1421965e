"""Which of the matches of a stretch of music is a figure that somebody could have copied.

The rule: a note struck again counts once, and a figure has at least `FEWEST_MOVES` different moves
(interval and time to the next note). So one note repeated, a trill and a scale in even notes are
no figures, however many songs have them; a figure has four notes at least.
"""

from dataclasses import dataclass

import numpy as np

from dlcourse.music.scorecard.events import Events

FEWEST_MOVES = 3
# No 16 bars of the lab's melodies share so long a figure with another song; of POP909 5 % do.
LONG_FIGURE = 8  # notes


@dataclass(frozen=True)
class Figure:
    """Events `first` to `last`, both included, of which `notes` count."""

    first: int
    last: int
    notes: int


def longest_figure(events: Events, lengths: np.ndarray, span: slice) -> Figure | None:
    """The figure of the most notes that is matched, all of it within the span; None without one.

    Args:
        lengths: (E - 1,) how many tokens are matched from each on.
        span: Of tokens, as `Events.between` gives it.
    """
    places, lengths, notes = _candidates(events, lengths, span)
    for at in np.argsort(-notes, kind="stable"):
        if notes[at] <= FEWEST_MOVES:
            break
        if _is_figure(events, places[at], lengths[at]):
            return Figure(int(places[at]), int(places[at] + lengths[at]), int(notes[at]))
    return None


def covered_share(events: Events, lengths: np.ndarray, span: slice) -> float:
    """Share of a span's events that lie in matched figures of at least `LONG_FIGURE` notes.

    Arguments as for `longest_figure`.
    """
    covered = np.zeros(max(0, span.stop - span.start) + 1, dtype=bool)
    places, lengths, notes = _candidates(events, lengths, span)
    for at in np.flatnonzero(notes >= LONG_FIGURE):
        if _is_figure(events, places[at], lengths[at]):
            first = places[at] - span.start
            covered[first : first + lengths[at] + 1] = True
    return float(covered.mean())


def _candidates(
    events: Events, lengths: np.ndarray, span: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places in the span, the tokens matched from each within it, the notes that count there."""
    places = np.arange(span.start, span.stop)
    lengths = np.minimum(lengths[span], span.stop - places)
    moves = np.append(0, np.cumsum(events.moves))
    return places, lengths, 1 + moves[places + lengths] - moves[places]


def _is_figure(events: Events, place: int, length: int) -> bool:
    span = slice(place, place + length)
    return len(set(events.tokens[span][events.moves[span]].tolist())) >= FEWEST_MOVES
