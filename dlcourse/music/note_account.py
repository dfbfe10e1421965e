"""What becomes of a file's notes on their way into an encoding."""

import numpy as np

from dlcourse.music.notes import HIGHEST_PITCH, LOWEST_PITCH, PITCH


class NoteAccount:
    """Follows a file's notes through an encoding: each is kept, or lost for one stated reason."""

    def __init__(self, notes: np.ndarray) -> None:
        self.notes = notes
        self.lost: dict[str, int] = {}

    def keep(self, mask: np.ndarray, otherwise: str) -> None:
        """Keep the notes where `mask` (M,) holds; count the others as lost for this reason."""
        self.lost[otherwise] = int((~mask).sum())
        self.notes = self.notes[mask]

    def keep_in_range(self, low: int = LOWEST_PITCH, high: int = HIGHEST_PITCH) -> None:
        """Keep the pitches from `low` to `high`; the lab's 78 unless told otherwise."""
        pitches = self.notes[:, PITCH]
        self.keep((pitches >= low) & (pitches <= high), "out_of_range")
