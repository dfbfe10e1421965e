"""How frames of keys were foreseen: likelihood, the sounding keys, and what begins or ends.

Shape legend: M scored frames, T steps, P keys, S states a key.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from dlcourse.music.corpus import Entry
from dlcourse.music.roll_history import gone_on, previous
from dlcourse.music.scoring.measures import Files, Measures, Sums, decimals, ratio
from dlcourse.music.scoring.roll_baselines import (
    COPY_FRAMES,
    COPY_KEYS,
    MARKOV_FRAMES,
    MARKOV_KEYS,
    RollBaseline,
)

_FIRST = "_without_first"
SUMS = (
    "nll", f"nll{_FIRST}", "exact", "hits", "extra", "missed",
    "change_hits", "change_extra", "change_missed", f"frames{_FIRST}", "frames",
)  # fmt: skip


def score_rolls(
    nll: np.ndarray,
    predicted: np.ndarray,
    frames: np.ndarray,
    before: np.ndarray,
    *,
    first: np.ndarray,
) -> np.ndarray:
    """Scores of every frame (M, `SUMS`) float64, to be added up.

    A key is a hit when it sounds and is said to, held or struck. A change is a key whose state is
    not that of going on (`gone_on`): copying foresees none. It is a hit when its state is the one
    foreseen; a key that is said to be struck and ends is one extra and one missed.

    Args:
        nll: (M,) nats.
        predicted: (M, P) states of the likeliest frames.
        frames: (M, P) states that came.
        before: (M, P) states of the frames before.
        first: (M,) which frames are the first of their song.
    """
    held, same = gone_on(before), predicted == frames
    sounds = _counts((predicted > 0) & (frames > 0), predicted > 0, frames > 0)
    said, came = predicted != held, frames != held
    changes = _counts(said & same, said, came)
    later = np.where(first, 0.0, nll)
    columns = [nll, later, same.all(axis=1), *sounds, *changes, ~first, np.ones(len(nll))]
    return np.stack(columns, axis=1).astype(np.float64)


def _counts(hits: np.ndarray, said: np.ndarray, came: np.ndarray) -> list[np.ndarray]:
    """How many keys of each frame (M,) are hits, extra and missed, from masks (M, P)."""
    hit = hits.sum(axis=1)
    return [hit, said.sum(axis=1) - hit, came.sum(axis=1) - hit]


def sums(scores: np.ndarray) -> Sums:
    """`SUMS` over frames, from `score_rolls`."""
    return dict(zip(SUMS, scores.sum(axis=0).tolist(), strict=True))


def score_roll_baseline(
    baseline: RollBaseline, entries: Sequence[Entry], scored: Sequence[np.ndarray]
) -> Files:
    """A baseline on the scored frames (T,) of every file."""
    files = {}
    for entry, mask in zip(entries, scored, strict=True):
        song = entry.encoded
        first = np.arange(len(song.frames)) == 0
        nll = -baseline.log_likelihood(song, song.frames)
        columns = nll, baseline.likeliest(song), song.frames, previous(song.frames)
        files[entry.file] = sums(score_rolls(*(c[mask] for c in columns), first=first[mask]))
    return files


def _figures(total: Mapping[str, float]) -> dict[str, float | None]:
    hits, wrong = total["hits"], total["extra"] + total["missed"]
    changes, off = total["change_hits"], total["change_extra"] + total["change_missed"]
    return {
        "nll_without_first": ratio(total[f"nll{_FIRST}"], total[f"frames{_FIRST}"]),
        "f1": ratio(2 * hits, 2 * hits + wrong),
        "accuracy": ratio(hits, hits + wrong),
        "exact": total["exact"] / total["frames"],
        "change_f1": ratio(2 * changes, 2 * changes + off),
    }


ROLL_MEASURES = Measures(
    name="keys",
    figures=_figures,
    columns={
        "without first frames": decimals("nll_without_first"),
        "exact frames": decimals("exact"),
        "F1 of sounding keys": decimals("f1"),
        "accuracy": decimals("accuracy"),
        "F1 of changes": decimals("change_f1"),
    },
    likelihood="exact likelihood of each next frame",
    copying=(COPY_KEYS, COPY_FRAMES),
    counts=(MARKOV_KEYS, MARKOV_FRAMES),
)
