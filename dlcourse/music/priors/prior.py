"""What a prior is, what it may look at, and how several are one."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.notes import OFF, STRUCK

NUM_STATES = 3  # OFF, HELD, STRUCK


@dataclass(frozen=True, eq=False)
class Moment:
    """What stands when a frame is about to be drawn, for N songs at once.

    Attributes:
        states: (N, t, P) uint8 states of every earlier frame; t may be 0.
        positions: (N, 3) of the frame to be drawn: step in the bar, step in the beat, steps a bar.
        bar: (N,) the number of the bar in which that frame lies; 0 at the song's first frame.
        low: MIDI pitch of key 0.
        steps_per_quarter: The grid of the steps.
        chosen: (N, P) uint8 states of this frame that are decided; OFF where none is yet.
    """

    states: np.ndarray
    positions: np.ndarray
    bar: np.ndarray
    low: int
    steps_per_quarter: int
    chosen: np.ndarray

    @cached_property
    def pitches(self) -> np.ndarray:
        """(P,) MIDI pitches of the keys."""
        return self.low + np.arange(self.states.shape[2])

    @cached_property
    def pitch_classes(self) -> np.ndarray:
        """(P,) pitch classes of the keys, 0 for C."""
        return self.pitches % 12

    @cached_property
    def sounding(self) -> np.ndarray:
        """(N, P) bool: which keys sound in the frame before; none before a song."""
        if not self.states.shape[1]:
            return np.zeros(self.chosen.shape, dtype=bool)
        return self.states[:, -1] != OFF

    def last(self, steps: int) -> np.ndarray:
        """(N, at most `steps`, P) states of the frames just before this one."""
        return self.states[:, max(0, self.states.shape[1] - steps) :]

    def on_strikes(self, weights: np.ndarray) -> np.ndarray:
        """(N, P, 3) log-weights from those of being struck, (P,), (N, 1) or (N, P)."""
        full = np.zeros((*self.chosen.shape, NUM_STATES))
        full[..., STRUCK] = weights
        return full


class Prior(ABC):
    """One wish about the next frame.

    Attributes:
        within_frame: Whether the log-weights depend on `Moment.chosen`, and so change within a
            frame.

    Args:
        weight: Factor of the log-weights; 0 switches the term off, below 0 asks for the contrary.
        hard: The term forbids, whatever its weight, instead of weighing.
    """

    within_frame: bool = False

    def __init__(self, *, weight: float = 1.0, hard: bool = False) -> None:
        self.weight, self.hard = weight, hard

    @abstractmethod
    def log_weights(self, moment: Moment) -> np.ndarray:
        """(N, P, 3) float64 log-weights of each key being OFF, HELD, STRUCK, before `weight`.

        They are relative: adding a constant to all keys and states of a song changes nothing. A
        hard term gives 0 or -inf, and 0 for OFF.
        """


class Priors:
    """Terms that act together: the sum of their log-weights, each times its weight.

    Args:
        terms: By name, as `conf/prior` composes them, or in a sequence.

    Raises:
        InputError: A weight that is no number. A hard term with a negative weight: what it
            forbids has no contrary. Options of a term that is not there.
    """

    def __init__(self, terms: Mapping[str, Prior] | Sequence[Prior] = ()) -> None:
        named = terms if isinstance(terms, Mapping) else dict(enumerate(terms))
        for name, term in named.items():
            if not isinstance(term, Prior):  # as experiment=<one that sets it> prior=none leaves it
                raise InputError(
                    f"prior.{name}={term}: options of a prior that is not chosen; choose it as "
                    f"well, prior=[{name}], or drop them, ~prior.{name}"
                )
            if not isinstance(term.weight, (int, float)) or not math.isfinite(term.weight):
                raise InputError(f"prior.{name}.weight={term.weight}: a finite number")
            if term.hard and term.weight < 0:
                raise InputError(
                    f"prior.{name}.weight={term.weight}: a hard term forbids and cannot be turned "
                    f"round; 0 switches it off, prior.{name}.hard=false makes it a wish"
                )
        self.terms = tuple(term for term in named.values() if term.weight != 0)

    def __len__(self) -> int:
        """How many terms are switched on."""
        return len(self.terms)

    @property
    def within_frame(self) -> bool:
        """Whether `within_weights` has to be asked at every decision."""
        return any(term.within_frame for term in self.terms)

    def log_weights(self, moment: Moment) -> np.ndarray:
        """(N, P, 3) float64: all of it."""
        return self._sum(moment, self.terms)

    def frame_weights(self, moment: Moment) -> np.ndarray:
        """(N, P, 3) float64: what holds for the whole frame, whatever is chosen in it."""
        return self._sum(moment, [term for term in self.terms if not term.within_frame])

    def within_weights(self, moment: Moment) -> np.ndarray:
        """(N, P, 3) float64: what depends on the keys that are chosen already."""
        return self._sum(moment, [term for term in self.terms if term.within_frame])

    def _sum(self, moment: Moment, terms: Sequence[Prior]) -> np.ndarray:
        total = np.zeros((*moment.chosen.shape, NUM_STATES))
        for term in terms:
            total += term.log_weights(moment) * (1.0 if term.hard else term.weight)
        return total
