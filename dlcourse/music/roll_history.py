"""What was before each frame of a song whose frames are states of keys.

Shape legend: T steps, P keys. A state is 0 (off), 1 (held, or sounds) or 2 (struck).
"""

from typing import TypeVar

import numpy as np
from torch import Tensor

from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import STEPS_A_BAR
from dlcourse.music.notes import HELD

Frames = TypeVar("Frames", np.ndarray, Tensor)


def previous(frames: np.ndarray) -> np.ndarray:
    """The frame (T, P) before each; silence before the first."""
    before = np.zeros_like(frames)
    before[1:] = frames[:-1]
    return before


def gone_on(before: Frames) -> Frames:
    """What frames (..., P) become where nothing happens: what sounds is held, or sounds."""
    return before.clip(max=HELD)


def recalled(song: Encoded, bars: int) -> tuple[np.ndarray, np.ndarray]:
    """The frame (T, P) so many bars before each, and where there is one (T,) bool."""
    earlier = np.arange(len(song.frames)) - bars * song.positions[:, STEPS_A_BAR]
    return song.frames[earlier.clip(min=0)], earlier >= 0
