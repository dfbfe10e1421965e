"""The notes of a key."""

from collections.abc import Sequence

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.keys import PROFILES, standardised
from dlcourse.music.notes import OFF, PITCH_CLASSES
from dlcourse.music.priors.names import scale_of
from dlcourse.music.priors.prior import Moment, Prior

AUTO = "auto"
OPTION = "prior.key.key"
# (24, 12) bool: the scales of the keys in the order of the profiles.
_SCALES = np.array(
    [scale_of(f"{tonic} {mode}", OPTION) for mode in ("major", "minor") for tonic in PITCH_CLASSES]
)


class KeyScale(Prior):
    """Strikes of notes outside a scale: log-weight -1, or forbidden; all else 0.

    A note of the scale so becomes exp(weight) times likelier against one outside it.

    Args:
        key: A tonic and a mode ("C major", "A harmonic minor", "D dorian"), a list of pitch classes
            ([C, D, E, G, A]), or "auto": each song's own, as its beginning correlates with the
            profiles of Krumhansl, Cognitive Foundations of Musical Pitch (1990), chapter 4. Until
            something has sounded, an estimate weighs nothing.
        listen: From how many steps, from the song's first on, "auto" estimates.

    Raises:
        InputError: No such note or mode; less than one step.
    """

    def __init__(
        self,
        key: str | Sequence[str | int] = AUTO,
        *,
        listen: int = 64,
        weight: float = 1.0,
        hard: bool = False,
    ) -> None:
        super().__init__(weight=weight, hard=hard)
        if listen < 1:
            raise InputError(f"prior.key.listen={listen}: steps, at least 1")
        self.scale = None if key == AUTO else scale_of(key, OPTION)
        self.listen = listen

    def log_weights(self, moment: Moment) -> np.ndarray:
        """See `Prior`."""
        scale = self._estimated(moment) if self.scale is None else self.scale
        outside = ~scale[..., moment.pitch_classes]
        return moment.on_strikes(np.where(outside, -np.inf if self.hard else -1.0, 0.0))

    def _estimated(self, moment: Moment) -> np.ndarray:
        """(N, 12) bool: the scale of each song, all twelve notes as long as it is silent."""
        heard = moment.states[:, : self.listen] != OFF
        steps = np.add.reduce(heard, axis=1, dtype=np.int64)  # (N, P)
        durations = steps @ (moment.pitch_classes[:, None] == np.arange(12))  # (N, 12)
        best = (standardised(durations) @ PROFILES.T).argmax(-1)
        return _SCALES[best] | ~durations.any(-1, keepdims=True)
