"""How often a note, or a passage, comes again."""

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.notes import STRUCK
from dlcourse.music.priors.prior import Moment, Prior


class RepetitionControl(Prior):
    """Strikes of what was struck before: log-weight -1 for every time within the last steps.

    With `ngram` = n also against repeating a passage: wherever the last n - 1 frames stood before,
    each key that was struck in the frame after them has -1 more. That is the n-gram blocking of
    Paulus, Xiong and Socher, A Deep Reinforced Model for Abstractive Summarization (ICLR 2018),
    section 2.5, as a weight: it cannot forbid, for it does not bear on frames without a strike. A
    negative weight asks for repetition.

    Args:
        steps: How far back a strike counts; 0 for not at all.
        ngram: Length n of the passages in frames, at least 2; None for no such term.
        history: How far back, in steps, passages are looked for.

    Raises:
        InputError: Less than that.
    """

    def __init__(
        self,
        *,
        steps: int = 16,
        ngram: int | None = None,
        history: int = 128,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        if steps < 0:
            raise InputError(f"prior.repetition.steps={steps}: 0 or more")
        if ngram is not None and not 2 <= ngram <= history:
            raise InputError(
                f"prior.repetition.ngram={ngram}: frames, 2 to history={history}, or null"
            )
        self.steps, self.ngram, self.history = steps, ngram, history

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        struck = moment.last(self.steps) == STRUCK
        times = np.add.reduce(struck, axis=1, dtype=np.float64)  # (N, P)
        if self.ngram is not None:
            times += strikes_after(moment.last(self.history), self.ngram - 1)
        return moment.on_strikes(-times)


def strikes_after(states: np.ndarray, context: int) -> np.ndarray:
    """(N, P) how often each key was struck right after the last `context` frames stood before.

    Args:
        states: (N, t, P) frames.
    """
    songs, steps, keys = states.shape
    starts = steps - context  # of passages that have a frame after them
    if starts <= 0:
        return np.zeros((songs, keys))
    codes = states.astype(np.float64) @ _frame_code(keys)  # (N, t)
    same = np.ones((songs, starts), dtype=bool)
    for i in range(context):
        same &= codes[:, i : i + starts] == codes[:, starts + i, None]
    after = (states[:, context:] == STRUCK).astype(np.float64)  # (N, starts, P)
    return (same[:, None].astype(np.float64) @ after)[:, 0]


def _frame_code(keys: int) -> np.ndarray:
    """(P,) random whole numbers: a frame's dot product tells it from all others.

    Below 2^44, so that sums over 88 keys are exact in float64 whatever their order; two frames
    that differ agree by chance once in more than 10^12.
    """
    return np.random.default_rng(keys).integers(2**44, size=keys).astype(np.float64)
