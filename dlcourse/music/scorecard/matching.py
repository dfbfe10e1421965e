"""The longest stretch that each place of a text shares with texts of other groups.

All texts are joined and all their suffixes are sorted, by doubling: the rank of the 2^(k+1) tokens
from a place on follows from the ranks of the 2^k tokens there and those 2^k further. The longest
common stretch is then shared with a neighbour in that order. Source: Karp, Miller and Rosenberg,
STOC 1972; Manber and Myers, SIAM Journal on Computing 22, 1993. N log N for N tokens in all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Matches:
    """For each place of one text the longest match that begins there.

    Attributes:
        lengths: (E,) how many tokens, from the place on, stand in a source of another group.
        sources: (E,) which of the texts that is; any where the length is 0.
        starts: (E,) at which place of it the match begins.
    """

    lengths: np.ndarray
    sources: np.ndarray
    starts: np.ndarray


def longest_matches(
    texts: Sequence[np.ndarray], groups: Sequence[int], sources: Sequence[bool]
) -> list[Matches]:
    """Find, for every place of every text, the longest match in a source of another group.

    Args:
        texts: Integer tokens, (E,) each.
        groups: One for each text; texts of one group are not compared.
        sources: Whether matches are looked for in this text; they are looked for from all.
    """
    sizes = np.array([len(text) + 1 for text in texts])  # with a separator behind each
    offsets = np.cumsum(sizes) - sizes
    ranks = _ranks(_joined(texts))
    text_of = np.repeat(np.arange(len(texts)), sizes)
    order = np.argsort(ranks[-1])
    group, source = np.asarray(groups)[text_of[order]], np.asarray(sources)[text_of[order]]
    lengths, found = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    for near in _neighbours(group, source):
        here, there = order[near >= 0], order[near[near >= 0]]
        common = _common_prefix(ranks, here, there)
        longer = common > lengths[here]
        lengths[here[longer]], found[here[longer]] = common[longer], there[longer]
    which = text_of[found]
    starts = found - offsets[which]
    return [
        Matches(lengths[span], which[span], starts[span])
        for span in (slice(at, at + size - 1) for at, size in zip(offsets, sizes, strict=True))
    ]


def _joined(texts: Sequence[np.ndarray]) -> np.ndarray:
    """The texts' tokens as small numbers, each text with a separator of its own behind it."""
    tokens = np.concatenate([np.zeros(0, np.int64), *texts])
    _, names = np.unique(tokens, return_inverse=True)
    ends = np.cumsum([len(text) for text in texts])
    return np.insert(names + len(texts), ends, np.arange(len(texts)))


def _ranks(joined: np.ndarray) -> list[np.ndarray]:
    """Entry k: (N,) the rank of the 2^k tokens from each place on; in the last all differ."""
    ranks, step = [joined], 1
    while True:
        beyond = np.full(min(step, len(joined)), -1)
        later = np.concatenate([ranks[-1][step:], beyond]) + 1
        _, rank = np.unique(ranks[-1] * (len(joined) + 2) + later, return_inverse=True)
        ranks.append(rank)
        step *= 2
        if rank.max() == len(rank) - 1:
            return ranks


def _neighbours(group: np.ndarray, source: np.ndarray) -> list[np.ndarray]:
    """Slots, in sorted order: the nearest source of another group before each, and after each.

    -1 where there is none.
    """
    before = _nearest_before(group, source)
    after = _nearest_before(group[::-1], source[::-1])[::-1]
    return [before, np.where(after < 0, -1, len(group) - 1 - after)]


def _nearest_before(group: np.ndarray, source: np.ndarray) -> np.ndarray:
    slots = np.flatnonzero(source)
    if not len(slots):
        return np.full(len(group), -1)
    # Among sources alone: where each run of one group begins.
    begins = np.append(True, group[slots[1:]] != group[slots[:-1]])
    run_start = np.maximum.accumulate(np.where(begins, np.arange(len(slots)), 0))
    nearest = np.searchsorted(slots, np.arange(len(group))) - 1  # strictly before
    same = (nearest >= 0) & (group[slots[nearest]] == group)
    nearest = np.where(same, run_start[nearest] - 1, nearest)
    return np.where(nearest < 0, -1, slots[nearest])


def _common_prefix(ranks: list[np.ndarray], here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """How many tokens two lists of places share from each on."""
    length, size = np.zeros(len(here), np.int64), len(ranks[0])
    for power in reversed(range(len(ranks))):
        one, other = here + length, there + length
        inside = np.maximum(one, other) < size
        one, other = np.minimum(one, size - 1), np.minimum(other, size - 1)
        length += np.where(inside & (ranks[power][one] == ranks[power][other]), 2**power, 0)
    return length
