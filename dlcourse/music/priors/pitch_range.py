"""The compass of a voice or an instrument."""

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.notes import OFF
from dlcourse.music.priors.names import midi_pitch
from dlcourse.music.priors.prior import NUM_STATES, Moment, Prior


class PitchRange(Prior):
    """Notes outside a range: forbidden, struck or held; or log-weight -1 a semitone beyond it.

    Forbidden is also to hold what a primer left sounding outside. The soft range bears on strikes
    alone.

    Args:
        low: The lowest pitch allowed, "C3" or a MIDI number.
        high: The highest one.

    Raises:
        InputError: No such pitch, or the lowest lies above the highest.
    """

    def __init__(
        self,
        low: str | int = "C3",
        high: str | int = "C6",
        *,
        weight: float = 1.0,
        hard: bool = True,
    ) -> None:
        super().__init__(weight=weight, hard=hard)
        self.low = midi_pitch(low, "prior.range.low")
        self.high = midi_pitch(high, "prior.range.high")
        if self.low > self.high:
            raise InputError(f"prior.range.low={low}: above prior.range.high={high}; swap them")

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        pitches = moment.pitches
        beyond = np.maximum(np.maximum(self.low - pitches, pitches - self.high), 0)
        if not self.hard:
            return moment.on_strikes(-beyond)
        weights = np.zeros((*moment.chosen.shape, NUM_STATES))
        weights[:, beyond > 0] = -np.inf
        weights[..., OFF] = 0
        return weights
