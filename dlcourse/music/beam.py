"""The likeliest continuation that a beam finds, decision by decision."""

from typing import Any

import numpy as np
import torch

from dlcourse.errors import InputError
from dlcourse.music.guide import NO_PRIORS, Guide
from dlcourse.music.heads import Head
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Predict, one_blas_thread, with_room


class BeamSearch:
    """Keeps, after every decision, the `width` likeliest beginnings of each song.

    Likely music is dull: a wide beam ends in long notes and loops, as it does in text. It is here
    to show that, and to find the mode under strong priors. Nothing is drawn: the seed says nothing,
    and songs from one primer are one song. Source: Holtzman et al., The Curious Case of Neural Text
    Degeneration, ICLR 2020, section 4.

    Args:
        width: Beginnings kept; 1 takes the likeliest option of every decision.
    """

    window = None

    def __init__(self, *, width: int = 8) -> None:
        if width < 1:
            raise InputError(f"sampler.width={width}: at least 1")
        self.width = width

    def compose(
        self,
        predict: Predict,
        primers: np.ndarray,
        positions: np.ndarray,
        *,
        head: Head,
        seed: int = 0,
        priors: Priors = NO_PRIORS,
    ) -> np.ndarray:
        """Continue N primers; arguments and result are those of `sampling.sample`."""
        songs, given = primers.shape[:2]
        total = positions.shape[1]
        rows = np.arange(songs).repeat(self.width)  # the beams of a song lie together
        frames = with_room(primers[rows], total - given)
        guide = Guide(priors, head, frames, positions=positions[rows], given=given)
        # All beams of a song begin alike: one of them is enough.
        score = np.full((songs, self.width), -np.inf)
        score[:, 0] = 0.0
        state, first = None, 0
        with one_blas_thread():
            for step in range(given, total):
                places = positions[rows, : step + 1]
                inputs, state = predict(guide.frames, places, first=first, state=state)
                drawing = guide.begin(inputs, step, one_by_one=True)
                while not drawing.finished:
                    score, kept, options = self._best(score, guide.logits(drawing)[:, 0])
                    state, drawing = reordered(state, kept), drawing.select(kept)
                    guide.select(kept)
                    drawing.take(options[:, None])
                guide.frames[:, step] = guide.end(drawing)
                first = step + 1
        return guide.frames[np.arange(songs) * self.width + score.argmax(1)]

    def _best(
        self, score: np.ndarray, logits: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The best (song, beam, option) of each song.

        Returns:
            New scores (songs, W), the rows (songs * W,) that are kept, and their options.
        """
        songs, width = score.shape
        logits = logits.astype(np.float64)
        mass = np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        # A beam that took what cannot be, for want of others, may have nothing left to take.
        log_p = logits - np.where(np.isneginf(mass), 0.0, mass)
        total = (score.reshape(-1, 1) + log_p).reshape(songs, -1)  # (songs, W * K)
        best = np.argsort(-total, axis=1, kind="stable")[:, :width]
        beam, option = np.divmod(best, logits.shape[1])
        kept = (beam + np.arange(songs)[:, None] * width).ravel()
        return np.take_along_axis(total, best, axis=1), kept, option.ravel()


def reordered(state: Any, rows: np.ndarray) -> Any:
    """A network's state with other songs in its batch.

    Arrays of `cells.CellSteps` have the songs first, tensors of torch's layers second.
    """
    if isinstance(state, np.ndarray):
        return state[rows]
    if isinstance(state, torch.Tensor):
        return state[:, torch.from_numpy(rows).to(state.device)]
    return type(state)(reordered(part, rows) for part in state)
