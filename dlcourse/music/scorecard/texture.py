"""How much sounds at once, and how much is silent."""

import numpy as np

from dlcourse.music.scorecard.passages import BAR_LENGTH, BAR_START, Passage


def polyphony(passage: Passage) -> float | None:
    """Mean number of keys that sound, over the steps at which any does."""
    counts = _counts(passage)
    return float(counts.mean()) if len(counts) else None


def polyphony_rate(passage: Passage) -> float | None:
    """Share of all steps at which two keys or more sound; None where no key ever does.

    Source: Dong et al., MuseGAN, AAAI 2018 ("polyphonicity"). muspy's default counts three keys
    or more: `muspy.polyphony_rate(music, threshold=1)` is this one.
    """
    counts = _counts(passage)
    return float((counts > 1).sum() / _steps(passage)) if len(counts) else None


def empty_bar_rate(passage: Passage) -> float | None:
    """Share of the bars in which no key sounds at any step.

    muspy counts a bar after the last one when a song ends with a bar, and takes a note that ends
    on a bar line to sound in the next bar; neither is done here.

    Source: Dong et al., MuseGAN, AAAI 2018.
    """
    bars = passage.new_bars
    if not len(bars):
        return None
    sounds = passage.sounding().any(axis=1)
    starts = bars[:, BAR_START] - passage.first_step
    empty = [
        not sounds[start : start + length].any()
        for start, length in zip(starts, bars[:, BAR_LENGTH], strict=True)
    ]
    return float(np.mean(empty))


def _counts(passage: Passage) -> np.ndarray:
    """How many keys sound, at the steps at which any does."""
    counts = passage.sounding().sum(axis=1)
    return counts[counts > 0]


def _steps(passage: Passage) -> int:
    return passage.steps - passage.first_step
