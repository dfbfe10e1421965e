"""Whether new songs copy training songs: more than real songs share with each other, or not.

For each new song the longest figure (`figures`) of its new part that also stands, in whatever key,
in a training song. Beside it the same of real songs: each training song against those of other
groups, cut to as long a stretch. Nothing can be said of where a shared figure comes from: a common
turn of phrase is shared too. What exceeds the baseline is called a copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlcourse.music.notes import Song
from dlcourse.music.scorecard.events import Events, read_events
from dlcourse.music.scorecard.excerpts import windows
from dlcourse.music.scorecard.figures import Figure, covered_share, longest_figure
from dlcourse.music.scorecard.matching import Matches, longest_matches
from dlcourse.music.scorecard.passages import Passage

_DRAWS = 2000


@dataclass(frozen=True, eq=False)
class Reference:
    """A training song; two of one group are versions of the same song, no copies."""

    song: Song
    name: str
    group: str


@dataclass(frozen=True)
class Shared:
    """What the new part of one song shares with the training songs.

    Attributes:
        notes: Notes (or chords) of the longest shared figure, repeated strikes counted once; 0
            where no figure is shared.
        share: Share of the new part's notes (or chords) that lie in shared figures of at least
            `figures.LONG_FIGURE` notes.
        source: The training song that has the longest figure; "" for none.
        bars: First and last bar of it in the new song, counted from 1 with the primer.
        source_bars: The same in the training song.
    """

    notes: int
    share: float
    source: str = ""
    bars: tuple[int, int] = (0, 0)
    source_bars: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Memorisation:
    """One view of a batch.

    Attributes:
        shared: One for each new song; None where its new part has fewer than two events.
        real_notes: `Shared.notes` of real music as long as a new part, against the other groups;
            empty where all training songs are of one group.
        real_shares: `Shared.share` of the same.
    """

    shared: list[Shared | None]
    real_notes: np.ndarray
    real_shares: np.ndarray


def memorisation(
    new: Sequence[Passage],
    training: Sequence[Passage],
    *,
    names: Sequence[str],
    groups: Sequence[str],
    view: str,
    seed: int = 0,
) -> Memorisation:
    """Compare new songs with training songs, and these with each other.

    What a new song repeats from its own primer is not counted, unless the training song goes on
    alike for longer than the primer does: a primer is often a training song itself.

    Args:
        names: Of the training songs, and
        groups: theirs too; songs of one group are not compared.
        view: One of `events.VIEWS`.
    """
    passages = [*training, *new]
    events = [read_events(passage, view) for passage in passages]
    ids = {group: number for number, group in enumerate(sorted(set(groups)))}
    matches = longest_matches(
        [e.tokens for e in events],
        [*(ids[group] for group in groups), *range(len(ids), len(ids) + len(new))],
        [True] * len(training) + [False] * len(new),
    )
    shared = [
        _shared(passages, events, found, at, names)
        for at, found in enumerate(matches[len(training) :], start=len(training))
    ]
    steps = round(float(np.median([p.steps - p.first_step for p in new])))
    real = _real(training, events, matches, steps) if len(ids) > 1 else np.zeros((0, 3))
    return Memorisation(shared, *_as_long(real, steps, seed=seed))


def _shared(
    passages: Sequence[Passage],
    events: Sequence[Events],
    found: Matches,
    at: int,
    names: Sequence[str],
) -> Shared | None:
    passage, own = passages[at], events[at]
    span = own.between(passage.first_step, passage.steps)
    if span.stop == span.start:
        return None
    old = own.tokens[own.between(0, passage.first_step)]
    lengths = np.where(found.lengths > _repeated(own.tokens, old, span), found.lengths, 0)
    share = covered_share(own, lengths, span)
    figure = longest_figure(own, lengths, span)
    if figure is None:
        return Shared(0, share)
    source, start = int(found.sources[figure.first]), int(found.starts[figure.first])
    there = Figure(start, start + figure.last - figure.first, figure.notes)
    return Shared(
        figure.notes,
        share,
        names[source],
        _bars(passage, own, figure),
        _bars(passages[source], events[source], there),
    )


def _repeated(tokens: np.ndarray, old: np.ndarray, span: slice) -> np.ndarray:
    """How many tokens from each place of the span on stand in the old part as well."""
    lengths, run = np.zeros(len(tokens), np.int64), np.zeros(len(old) + 1, np.int64)
    for place in reversed(range(span.start, span.stop)):
        run[:-1] = np.where(old == tokens[place], run[1:] + 1, 0)
        lengths[place] = run.max()
    return lengths


def _bars(passage: Passage, events: Events, figure: Figure) -> tuple[int, int]:
    first, last = events.onsets[[figure.first, figure.last]]
    return passage.bar_of(int(first)), passage.bar_of(int(last))


def _real(
    training: Sequence[Passage], events: Sequence[Events], matches: Sequence[Matches], steps: int
) -> np.ndarray:
    """(W, 3) of every stretch of real music: notes shared, share, length in steps."""
    rows = []
    for passage, own, found in zip(training, events, matches, strict=False):  # new songs follow
        for start, stop in windows(passage, steps):
            span = own.between(start, stop)
            if span.stop > span.start:
                figure = longest_figure(own, found.lengths, span)
                share = covered_share(own, found.lengths, span)
                rows.append((figure.notes if figure else 0, share, stop - start))
    return np.array(rows, dtype=float).reshape(-1, 3)


def _as_long(real: np.ndarray, steps: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Notes and shares of real music that lasts `steps` steps.

    Where real songs are shorter, several drawn together stand for one: a long song has more
    chances to share a figure.
    """
    together = round(steps / np.median(real[:, 2])) if len(real) else 1
    if together <= 1:
        return real[:, 0], real[:, 1]
    picks = np.random.default_rng(seed).integers(len(real), size=(_DRAWS, together))
    return real[picks, 0].max(axis=1), real[picks, 1].mean(axis=1)
