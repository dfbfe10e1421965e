"""How busy the music is."""

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.grid import STEP_IN_BAR, STEPS_A_BAR
from dlcourse.music.notes import STRUCK
from dlcourse.music.priors.prior import Moment, Prior


class NoteDensity(Prior):
    """Strikes by how many steps the bar is behind: step + 1/2 - struck * steps a bar / target.

    `struck` are the notes of this bar so far. A proportional controller: a strike gains when less
    was struck than the target says for the time that has passed, and loses when more was. Counting
    in steps, not in notes, makes its gain that of the weight whatever the target, stable below 2.
    Where g nats are missing between the network's own density and the target, a bar ends about
    g / weight steps of music short of it: a wish, which the weight presses. (The half step centres
    the count within the step that is to be drawn.)

    Args:
        target: Notes a bar, counting each note of a chord.

    Raises:
        InputError: A target that is not positive.
    """

    def __init__(self, target: float = 8.0, *, weight: float = 1.0) -> None:
        super().__init__(weight=weight)
        if target <= 0:
            raise InputError(f"prior.density.target={target}: notes a bar, above 0")
        self.target = target

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        step, bar = moment.positions[:, STEP_IN_BAR], moment.positions[:, STEPS_A_BAR]
        behind = step + 0.5 - struck_in_bar(moment) * bar / self.target
        return moment.on_strikes(behind[:, None])


def struck_in_bar(moment: Moment) -> np.ndarray:
    """(N,) how many notes were struck in the bar of this moment before it."""
    step = moment.positions[:, STEP_IN_BAR]
    recent = moment.last(int(step.max()))
    struck = np.count_nonzero(recent == STRUCK, axis=-1)  # (N, T)
    age = np.arange(recent.shape[1], 0, -1)
    return (struck * (age <= step[:, None])).sum(-1)
