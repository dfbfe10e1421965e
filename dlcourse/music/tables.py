"""The frames of a split, end to end, from which any set of windows is cut at once.

At position j of a song the network is given earlier frames (`Encoding.context`) and asked for
frame j.

Shape legend: L frames of all songs, N windows, T steps, C earlier frames, P keys.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dlcourse.data import Batch
from dlcourse.music.class_encoding import NO_CLASS, ClassEncoding
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import IGNORED, Encoding
from dlcourse.music.grid import STEPS_A_BAR


class SongTable(ABC):
    """Songs end to end.

    Attributes:
        entries: The songs.
        lengths: Of the songs, in frames.
        offsets: Where each begins.
        targets: (L, ...) frames.
    """

    def __init__(self, entries: Sequence[Entry], encoding: Encoding) -> None:
        self.entries, self.encoding = list(entries), encoding
        self.frames = [torch.from_numpy(entry.encoded.frames) for entry in entries]
        self.positions = [torch.from_numpy(entry.encoded.positions) for entry in entries]
        self.lengths = np.array([len(frames) for frames in self.frames], dtype=np.int64)
        self.offsets = np.cumsum(self.lengths) - self.lengths
        self.targets = torch.cat(self.frames)

    @cached_property
    def key_ranges(self) -> Tensor:
        """(songs, 2): the lowest and the highest key of each."""
        return torch.tensor([self.encoding.key_range(e.encoded.frames) for e in self.entries])

    @cached_property
    def _matches(self) -> Tensor:
        songs = zip(self.frames, self.positions, strict=True)
        return self.padded([self.encoding.matches(f[None], p[None])[0] for f, p in songs])

    def padded(self, songs: Sequence[Tensor]) -> Tensor:
        """Rows (T, X) of every song end to end, and the last again for windows that reach beyond.

        Nothing is scored there.
        """
        return torch.cat([*songs, songs[-1][-1:].expand(self.longest, -1)])

    @property
    def longest(self) -> int:
        """Frames of the longest song."""
        return int(self.lengths.max())

    def gather(self, starts: Tensor, lengths: Tensor) -> Batch:
        """Windows from flat `starts` (N,), T the longest of `lengths` (N,), beyond which `IGNORED`.

        Returns:
            context (N, T, C, ...), positions (N, T, 3), targets (N, T, ...); where the encoding
            matches also matches (N, T, `num_matches`).
        """
        batch = self.windows(starts, lengths)
        if self.encoding.match:
            batch["matches"] = self._matches[starts[:, None] + torch.arange(int(lengths.max()))]
        return batch

    @abstractmethod
    def windows(self, starts: Tensor, lengths: Tensor) -> Batch:
        """`gather` without matches."""


class ClassTable(SongTable):
    """One small table of classes, so that a window is one short copy; all int16."""

    def __init__(self, entries: Sequence[Entry], encoding: ClassEncoding) -> None:
        super().__init__(entries, encoding)
        context = [
            encoding.context(frames[None], positions[None])[0]
            for frames, positions in zip(self.frames, self.positions, strict=True)
        ]
        scored = torch.where(self.targets == NO_CLASS, IGNORED, self.targets)
        rows = torch.cat([torch.cat(context), torch.cat(self.positions), scored[:, None]], dim=1)
        self._rows = self.padded([rows]).short()  # (L + longest, C + 3 + 1)

    def windows(self, starts: Tensor, lengths: Tensor) -> Batch:
        """See `SongTable`."""
        steps, width = int(lengths.max()), self._rows.shape[1]
        stretches = self._rows.flatten().unfold(0, steps * width, width)  # a view: no copy yet
        windows = stretches.index_select(0, starts).view(len(starts), steps, width)
        targets = windows[..., -1]
        if int(lengths.min()) < steps:
            targets[torch.arange(steps) >= lengths[:, None]] = IGNORED
        return {
            "context": windows[..., : -STEPS_A_BAR - 2],
            "positions": windows[..., -STEPS_A_BAR - 2 : -1],
            "targets": targets,
        }


class RollTable(SongTable):
    """The states of all keys are kept once, as int8; earlier frames are looked up when cut."""

    def __init__(self, entries: Sequence[Entry], encoding: Encoding) -> None:
        super().__init__(entries, encoding)
        size, longest = len(self.targets), self.longest
        # Row L stands for what is before a song and for what is beyond the last.
        nothing = torch.full_like(self.targets[:1], encoding.nothing)
        self._frames = torch.cat([self.targets, nothing])
        context = []
        for positions, offset in zip(self.positions, self.offsets.tolist(), strict=True):
            steps = encoding.context_steps(positions)  # (T, C)
            context.append(torch.where(steps < 0, size, steps + offset))
        self._context = torch.cat([*context, torch.full((longest, encoding.num_lags), size)])
        self._positions = self.padded(self.positions)

    def windows(self, starts: Tensor, lengths: Tensor) -> Batch:
        """See `SongTable`; int8 but for the positions, which are int64."""
        step = torch.arange(int(lengths.max()))
        rows = starts[:, None] + step  # (N, T)
        targets = self._frames[rows.clamp(max=len(self._frames) - 1)]
        targets[step >= lengths[:, None]] = IGNORED
        return {
            "context": self._frames[self._context[rows]],
            "positions": self._positions[rows],
            "targets": targets,
        }


def song_table(entries: Sequence[Entry], encoding: Encoding) -> SongTable:
    """The table of an encoding's frames."""
    return (RollTable if encoding.frame_shape else ClassTable)(entries, encoding)
