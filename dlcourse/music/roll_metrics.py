"""Metrics of frames of keys: what a frame costs in nats, however many decisions make it.

F1 is not among them: it needs the likeliest frame, which a joint head has to search for, and it
does not tell models apart. `results.json` has it, of the test split.

Shape legend: M frames, D decisions, P keys.
"""

from torch import Tensor

from dlcourse.metrics import MeanNLL
from dlcourse.music.roll_history import gone_on


class FrameNLL(MeanNLL):
    """Mean negative log-likelihood of a frame, in nats: the sum over its decisions."""

    def update(self, nats: Tensor, frames: Tensor) -> None:
        """Add frames: what their decisions (D,) cost, and their states (M, P)."""
        self.nats += nats.sum()
        self.frames += len(frames)


class ChangeNLL(FrameNLL):
    """The same over the frames in which a note begins or ends, where copying cannot shine."""

    def update(self, nats: Tensor, frame: Tensor, frames: Tensor, previous: Tensor) -> None:
        """Add frames.

        Args:
            nats: (D,).
            frame: (D,) which of the M frames each decision belongs to.
            frames: (M, P) states that came.
            previous: (M, P) states of the frames before.
        """
        changed = (frames != gone_on(previous)).any(dim=-1)
        self.nats += nats[changed[frame]].sum()
        self.frames += changed.sum()
