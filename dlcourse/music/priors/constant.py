"""The prior that has no wish: a check that the others are what changes a song."""

import numpy as np

from dlcourse.music.priors.prior import NUM_STATES, Moment, Prior


class Constant(Prior):
    """The same log-weight for every key in every state: the distribution stays what it was."""

    def __init__(self, value: float = 1.0, *, weight: float = 1.0) -> None:
        super().__init__(weight=weight)
        self.value = value

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        return np.full((*moment.chosen.shape, NUM_STATES), self.value, dtype=np.float64)
