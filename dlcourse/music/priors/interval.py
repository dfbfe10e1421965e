"""How far a melody leaps."""

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.notes import STRUCK
from dlcourse.music.priors.prior import Moment, Prior

_LOOK_BACK = 32  # frames that are looked through first; nearly always enough


class IntervalFromPrevious(Prior):
    """Strikes by their distance d in semitones from the last note: -d^2 / (2 spread^2).

    The last note is the highest of the last frame in which anything was struck; before there is
    one, nothing is weighed. Hard: a leap of more than `largest` semitones is forbidden. Source:
    the lab's exercise "restrict the output to notes near the previous one"; that intervals are
    about Gaussian: Temperley, Music and Probability (2007), chapter 4 (his proximity profile).

    Args:
        spread: Standard deviation of the Gaussian in semitones.
        largest: The largest leap of the hard term in semitones.

    Raises:
        InputError: A spread that is not positive, a negative leap.
    """

    def __init__(
        self, *, spread: float = 5.0, largest: int = 12, weight: float = 1.0, hard: bool = False
    ) -> None:
        super().__init__(weight=weight, hard=hard)
        if spread <= 0:
            raise InputError(f"prior.interval.spread={spread}: semitones, above 0")
        if largest < 0:
            raise InputError(f"prior.interval.largest={largest}: semitones, 0 or more")
        self.spread, self.largest = spread, largest

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        last = last_struck(moment.states)
        distance = np.arange(moment.states.shape[2]) - last[:, None]  # (N, P)
        if self.hard:
            weights = np.where(np.abs(distance) > self.largest, -np.inf, 0.0)
        else:
            weights = distance**2 / (-2 * self.spread**2)
        return moment.on_strikes(np.where(last[:, None] < 0, 0.0, weights))


def last_struck(states: np.ndarray) -> np.ndarray:
    """(N,) the highest key of the last frame of (N, t, P) in which one was struck; -1 for none."""
    songs, steps, keys = states.shape
    seen = _LOOK_BACK
    while True:
        frames = states[:, max(0, steps - seen) :]
        struck = frames.max(-1, initial=0) == STRUCK  # (N, seen)
        if seen >= steps or struck.any(-1).all():
            break
        seen *= 4
    if not struck.size:
        return np.full(songs, -1)
    latest = struck.shape[1] - 1 - struck[:, ::-1].argmax(-1)
    frame = frames[np.arange(songs), latest] == STRUCK  # (N, P)
    return np.where(frame.any(-1), keys - 1 - frame[:, ::-1].argmax(-1), -1)
