"""Between a head and its priors: what they are shown at each frame, and what they add to logits.

Shape legend: N songs drawn together, T steps, P keys, B decisions taken together, K options.
"""

from dataclasses import replace

import numpy as np
import torch

from dlcourse.errors import InputError
from dlcourse.music.encoding import Encoding
from dlcourse.music.grid import STEPS_A_BAR
from dlcourse.music.heads import Drawing, Head
from dlcourse.music.heads.head import CATEGORICAL
from dlcourse.music.notes import OFF
from dlcourse.music.priors.prior import Moment, Priors

NO_PRIORS = Priors()


class Guide:
    """Adds the priors' log-weights to the logits of every decision.

    What is drawn from is p(option) * exp(weights) / sum: a product of experts, renormalised at
    every decision. For factorised and categorical heads that is the product over whole frames; for
    joint ones each decision minds the priors, not yet what they will say of later ones.

    Args:
        priors: None of them costs nothing.
        head: Makes the drawings.
        frames: (N, T, ...) whose first `given` are the primers.
        positions: (N, T, 3).
    """

    def __init__(
        self,
        priors: Priors,
        head: Head,
        frames: np.ndarray,
        *,
        positions: np.ndarray,
        given: int,
    ) -> None:
        self.priors, self.head, self.encoding = priors, head, head.encoding
        self.frames, self.positions = frames, positions
        # One class a frame and no wishes: the network's numbers are all there is to draw from.
        self.is_plain = not priors and head.kind == CATEGORICAL
        if priors:
            self.states = np.zeros((*frames.shape[:2], self.encoding.num_keys), dtype=np.uint8)
            self.states[:, :given] = self.encoding.states(frames[:, :given])

    def begin(self, inputs: np.ndarray, step: int, *, one_by_one: bool = False) -> Drawing:
        """A frame to be drawn, from the head's inputs (N, I); see `Head.begin`."""
        self.step = step
        if self.priors:
            self._moment = self._at(step)
            self._weights = self.priors.frame_weights(self._moment)
        context = self._context(step)
        in_turn = one_by_one or self.priors.within_frame
        return self.head.begin(inputs, context, one_by_one=in_turn)

    def select(self, rows: np.ndarray) -> None:
        """Go on with these of the songs, in this order; the drawing is selected beside."""
        self.frames, self.positions = self.frames[rows], self.positions[rows]
        if self.priors:
            self.states = self.states[rows]
            self._weights, self._moment = self._weights[rows], self._at(self.step)

    def _context(self, step: int) -> np.ndarray:
        """Earlier frames (N, C, P) for a head over keys; one over classes needs none."""
        if not self.encoding.frame_shape:
            return self.frames[:, :0]
        return earlier_frames(self.encoding, self.frames, self.positions, step=step)

    def _at(self, step: int) -> Moment:
        return Moment(
            states=self.states[:, :step],
            positions=self.positions[:, step],
            bar=step // self.positions[:, step, STEPS_A_BAR],
            low=self.encoding.low,
            steps_per_quarter=self.encoding.steps_per_quarter,
            chosen=np.zeros_like(self.states[:, 0]),
        )

    @property
    def _before(self) -> np.ndarray:
        """(N, P) states of the frame before."""
        states = self.states[:, max(0, self.step - 1)]
        return states if self.step else np.zeros_like(states)

    def logits(self, drawing: Drawing) -> np.ndarray:
        """Of the next decisions (N, B, K), priors included."""
        logits = drawing.logits()
        if not self.priors:
            return logits
        weights = self._weights
        if self.priors.within_frame:
            weights = weights + self._within(self._chosen(drawing))
        logits = logits + drawing.weigh(weights, self._before)
        if whole := drawing.whole():
            option, states = whole
            logits[:, 0, option] += self._of_whole(states)
        nothing = np.isneginf(logits).all(-1)  # (N, B)
        if drawing.stop is not None:
            logits[nothing, drawing.stop] = 0.0
        elif nothing.any():
            raise InputError(
                "the hard priors leave nothing to draw, for this encoding cannot be silent: take "
                "encoding=melody (or encoding.rests=true), or priors that only weigh, hard=false"
            )
        return logits

    def _chosen(self, drawing: Drawing) -> np.ndarray:
        """States (N, P) of this frame that are decided; none before a class, which decides all."""
        if not self.encoding.frame_shape:
            return self._moment.chosen
        return self.encoding.next_states(self._before, drawing.frames())

    def _within(self, chosen: np.ndarray) -> np.ndarray:
        return self.priors.within_weights(replace(self._moment, chosen=chosen))

    def _of_whole(self, states: np.ndarray) -> np.ndarray:
        """Log-weights (N,) of whole frames of states (N, P): of one key after the other, down."""
        total = np.zeros(len(states))
        chosen = np.zeros_like(states)
        for key in np.flatnonzero(states.any(axis=0))[::-1]:
            weights = self._weights[:, key]
            if self.priors.within_frame:
                weights = weights + self._within(chosen.copy())[:, key]
            state = states[:, key]
            weight = weights[np.arange(len(states)), state] - weights[:, OFF]
            total += np.where(state > OFF, weight, 0.0)
            chosen[:, key] = state
        return total

    def end(self, drawing: Drawing) -> np.ndarray:
        """The frames (N, ...) that were drawn."""
        frames = drawing.frames()
        if self.priors:
            self.states[:, self.step] = self.encoding.next_states(self._before, frames)
        return frames


def earlier_frames(
    encoding: Encoding, frames: np.ndarray, positions: np.ndarray, *, step: int
) -> np.ndarray:
    """The frames (N, C, ...) that a head is shown at a step: `Encoding.context`, for arrays."""
    known = torch.from_numpy(positions[:, : step + 1])
    return encoding.context(torch.from_numpy(frames), known, first=step)[:, 0].numpy()
