"""Strong and weak places of the bar."""

from collections.abc import Sequence

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.grid import STEP_IN_BAR, STEP_IN_BEAT, STEPS_A_BAR
from dlcourse.music.priors.prior import Moment, Prior

LEVELS = ("the bar", "half a bar", "a beat", "half a quarter", "a 16th", "finer")


class MetricalAccent(Prior):
    """Strikes by the strength of their place in the bar: positive on strong, negative on weak.

    A place is as strong as the highest level of the metrical grid on which it falls. Source:
    Lerdahl and Jackendoff, A Generative Theory of Tonal Music (1983), chapter 4. A negative weight
    asks for syncopation.

    Args:
        strengths: Log-weights at the beginning of the bar, of its half, of a beat (a dotted quarter
            in compound metres), of an eighth, of a 16th, and in between.

    Raises:
        InputError: Other than six strengths.
    """

    def __init__(
        self,
        strengths: Sequence[float] = (1.0, 0.5, 0.0, -0.5, -1.0, -1.5),
        *,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight=weight)
        if len(strengths) != len(LEVELS):
            raise InputError(
                f"prior.accent.strengths={list(strengths)}: {len(LEVELS)} numbers, for "
                f"{', '.join(LEVELS)}"
            )
        self.strengths = np.array(strengths, dtype=np.float64)

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        level = metrical_level(moment.positions, moment.steps_per_quarter)
        return moment.on_strikes(self.strengths[level][:, None])


def metrical_level(positions: np.ndarray, steps_per_quarter: int) -> np.ndarray:
    """(N,) the place in `LEVELS` of positions (N, 3): 0 on the bar line, 4 on a weak 16th."""
    step, bar = positions[:, STEP_IN_BAR], positions[:, STEPS_A_BAR]
    dotted = 3 * steps_per_quarter  # two beats of a compound metre
    on_grid = (step % steps_per_quarter == 0) | ((2 * step % dotted == 0) & (2 * bar % dotted == 0))
    beat = on_grid & (positions[:, STEP_IN_BEAT] == 0)
    places = [step == 0, beat & (2 * step == bar), beat]
    places += [2 * step % steps_per_quarter == 0, 4 * step % steps_per_quarter == 0]
    return np.select(places, range(len(places)), len(places))
