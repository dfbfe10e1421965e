"""How many hands there are."""

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.notes import OFF
from dlcourse.music.priors.prior import NUM_STATES, Moment, Prior


class PolyphonyCap(Prior):
    """At most `most` keys sound at once: when so many are chosen, all others have to be OFF.

    Held keys count as struck ones do. Decisions go from the highest key down, so it is the lowest
    that fall silent.

    Args:
        most: How many keys, 0 or more.

    Raises:
        InputError: Fewer than none.
    """

    within_frame = True

    def __init__(self, most: int = 4, *, weight: float = 1.0) -> None:
        super().__init__(weight=weight, hard=True)
        if most < 0:
            raise InputError(f"prior.polyphony.most={most}: keys, 0 or more")
        self.most = most

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        chosen = moment.chosen != OFF
        full = np.count_nonzero(chosen, axis=-1) >= self.most  # (N,)
        weights = np.zeros((*chosen.shape, NUM_STATES))
        weights[full[:, None] & ~chosen] = -np.inf
        weights[..., OFF] = 0
        return weights
