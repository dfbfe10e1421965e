"""Score a batch of new songs beside the songs the model learnt from and songs it never saw."""

from collections.abc import Mapping, Sequence

import numpy as np

from dlcourse.music.notes import STEPS_PER_QUARTER, Song
from dlcourse.music.scorecard.card import Overlap, ScoreCard, SongScore
from dlcourse.music.scorecard.distributions import (
    FEATURES,
    histograms,
    overlap_area,
    real_overlaps,
)
from dlcourse.music.scorecard.events import CHORDS, LINE, VIEWS
from dlcourse.music.scorecard.excerpts import excerpts
from dlcourse.music.scorecard.memorisation import Memorisation, Reference, Shared, memorisation
from dlcourse.music.scorecard.passages import (
    ALL_NOTES,
    MELODY,
    Passage,
    is_one_voice,
    read_passage,
)
from dlcourse.music.scorecard.song import METRICS, score_passage
from dlcourse.music.scorecard.spread import HIGH, LOW, OUTSIDE, Spread, spread
from dlcourse.progress import progress_bar

COPIED = {LINE: ("copied_notes", "copied_share"), CHORDS: ("copied_chords", "copied_chord_share")}
_EVENTS = {LINE: "notes", CHORDS: "chords"}


def score_batch(
    songs: Sequence[Song],
    *,
    training: Sequence[Reference],
    held_out: Sequence[Song],
    first_steps: Sequence[int] = (),
    names: Sequence[str] = (),
    part: str | None = None,
    steps_per_quarter: int = STEPS_PER_QUARTER,
    seed: int = 0,
) -> ScoreCard:
    """Score new songs.

    Args:
        songs: At least one; all of about one length, to which real songs are cut.
        training: The songs the model was fitted to.
        held_out: Real songs it was not fitted to.
        first_steps: For each song where its new part begins, in steps; all of it when empty.
        names: What the songs are called; song-00, song-01 and so on when empty.
        part: What to read of every song, new and real, so that like is compared with like: see
            `read_passage`. None reads the melody of real songs where no new song has two notes
            at once, and all notes otherwise.
        seed: Of the random choices of real songs that stand for a batch.
    """
    part = part or (MELODY if is_one_voice(songs) else ALL_NOTES)
    new = [
        read_passage(song, part=part, first_step=first, steps_per_quarter=steps_per_quarter)
        for song, first in zip(songs, first_steps or [0] * len(songs), strict=True)
    ]
    known = _read([reference.song for reference in training], part, steps_per_quarter)
    unseen = _cut(_read(held_out, part, steps_per_quarter), new)
    copies = _copies(new, known, training, views=VIEWS if part == ALL_NOTES else (LINE,), seed=seed)
    real = _real_spreads(unseen, copies)
    names = names or [f"song-{number:02d}" for number in range(len(songs))]
    scores = tuple(
        _song_score(name, passage, {view: found.shared[at] for view, found in copies.items()}, real)
        for at, (name, passage) in enumerate(zip(names, new, strict=True))
    )
    overlaps = _overlaps(new, _cut(known, new), unseen, seed=seed)
    return ScoreCard(part, steps_per_quarter, scores, real, overlaps)


def _copies(
    new: Sequence[Passage],
    known: Sequence[Passage],
    training: Sequence[Reference],
    *,
    views: Sequence[str],
    seed: int,
) -> dict[str, Memorisation]:
    names = [reference.name for reference in training]
    groups = [reference.group for reference in training]
    return {
        view: memorisation(new, known, names=names, groups=groups, view=view, seed=seed)
        for view in views
    }


def _read(songs: Sequence[Song], part: str, steps_per_quarter: int) -> list[Passage]:
    bar = progress_bar(songs, "reading songs to compare with")
    return [read_passage(song, part=part, steps_per_quarter=steps_per_quarter) for song in bar]


def _cut(passages: Sequence[Passage], new: Sequence[Passage]) -> list[Passage]:
    """Excerpts of real songs, as long as the median new song and with as long a primer."""
    steps = round(float(np.median([p.steps for p in new])))
    first = round(float(np.median([p.first_step for p in new])))
    return [cut for p in passages for cut in excerpts(p, steps=steps, first_step=first)]


def _real_spreads(
    unseen: Sequence[Passage], copies: Mapping[str, Memorisation]
) -> dict[str, Spread | None]:
    scores = [score_passage(p) for p in progress_bar(unseen, "scoring held-out songs")]
    real = {metric: spread(score[metric] for score in scores) for metric in METRICS}
    for view, found in copies.items():
        notes, share = COPIED[view]
        # However many views there are, one real song in twenty is taken for a copy.
        real[notes] = spread(found.real_notes.tolist(), outside=OUTSIDE / len(copies))
        real[share] = spread(found.real_shares.tolist())
    return real


def _song_score(
    name: str,
    passage: Passage,
    shared: Mapping[str, Shared | None],
    real: Mapping[str, Spread | None],
) -> SongScore:
    metrics, warnings = score_passage(passage), []
    marks = {metric: _mark(real[metric], value) for metric, value in metrics.items()}
    for view, found in shared.items():
        notes, share = COPIED[view]
        metrics |= {notes: found and float(found.notes), share: found and found.share}
        marks |= {m: HIGH for m in (notes, share) if _mark(real[m], metrics[m]) == HIGH}
        if notes in marks:
            warnings.append(_warning(found, real[notes], _EVENTS[view]))
    marks = {metric: mark for metric, mark in marks.items() if mark}
    return SongScore(name, metrics, marks, dict(shared), " ".join(warnings))


def _mark(real: Spread | None, value: float | None) -> str:
    return real.mark(value) if real else ""


def _warning(found: Shared, real: Spread, events: str) -> str:
    return (
        f"Copies {found.source} from bar {found.source_bars[0]} to {found.source_bars[1]}, in bars "
        f"{found.bars[0]} to {found.bars[1]}: {found.notes} {events} in a row; of real songs "
        f"nearly all share at most {real.high:.3g} with any other."
    )


def _overlaps(
    new: Sequence[Passage], known: Sequence[Passage], unseen: Sequence[Passage], *, seed: int
) -> dict[str, Overlap]:
    overlaps = {}
    for feature in progress_bar(FEATURES, "comparing distributions"):
        own, trained, others = (histograms(p, feature) for p in (new, known, unseen))
        area = overlap_area(own, others)
        real = spread(real_overlaps(trained, others, songs=len(new), seed=seed).tolist())
        overlaps[feature] = Overlap(area, real, LOW if _mark(real, area) == LOW else "")
    return overlaps
