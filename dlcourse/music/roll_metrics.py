"""Metrics of frames of keys: what a frame costs in nats, however many decisions make it.

F1 is not among them: it needs the likeliest frame, which a joint head has to search for, and it
does not tell models apart. `results.json` has it, of the test split.

Shape legend: M frames, D decisions, K options of a decision, P keys.
"""

from torch import Tensor

from dlcourse.metrics import MeanNLL
from dlcourse.music.roll_history import gone_on


class FrameNLL(MeanNLL):
    """Mean negative log-likelihood of a frame, in nats: the sum over its decisions."""

    def update(self, probabilities: Tensor, targets: Tensor, frames: Tensor) -> None:
        """Add frames: (D, K), (D,), and their states (M, P)."""
        self.nats += _nats(probabilities, targets).sum()
        self.frames += len(frames)


class ChangeNLL(FrameNLL):
    """The same over the frames in which a note begins or ends, where copying cannot shine."""

    def update(
        self,
        probabilities: Tensor,
        targets: Tensor,
        frame: Tensor,
        frames: Tensor,
        previous: Tensor,
    ) -> None:
        """Add frames.

        Args:
            probabilities: (D, K).
            targets: (D,).
            frame: (D,) which of the M frames each decision belongs to.
            frames: (M, P) states that came.
            previous: (M, P) states of the frames before.
        """
        changed = (frames != gone_on(previous)).any(dim=-1)
        self.nats += _nats(probabilities, targets)[changed[frame]].sum()
        self.frames += changed.sum()


def _nats(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Of each decision (D,) float64."""
    return -probabilities.gather(-1, targets[:, None])[:, 0].double().log()
