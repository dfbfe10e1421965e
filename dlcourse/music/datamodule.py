"""The songs as batches of windows to train on and whole songs to be held to."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlcourse.data import Batch, BatchPlan, CourseData, one_at_a_time
from dlcourse.errors import InputError
from dlcourse.music.corpus import Entry, read_corpus, split_corpus, write_ledger
from dlcourse.music.encoding import IGNORED, NO_CLASS, STEPS_A_BAR, Encoding
from dlcourse.music.sources import Source
from dlcourse.splits import SPLITS, TRAIN, Split

log = logging.getLogger(__name__)

EVERY, LAST = "every", "last"


class SongTable:
    """The frames of a split, end to end, from which any set of windows is one block copy.

    At position j of a song the network is given earlier frames (`Encoding.context`) and asked for
    frame j.
    """

    def __init__(self, entries: Sequence[Entry], encoding: Encoding) -> None:
        self.entries = list(entries)
        frames = [torch.from_numpy(entry.encoded.frames) for entry in entries]
        positions = [torch.from_numpy(entry.encoded.positions) for entry in entries]
        context = [
            encoding.context(f[None], p[None])[0] for f, p in zip(frames, positions, strict=True)
        ]
        self.lengths = np.array([len(f) for f in frames], dtype=np.int64)
        self.offsets = np.cumsum(self.lengths) - self.lengths
        self.targets = torch.cat(frames)
        scored = torch.where(self.targets == NO_CLASS, IGNORED, self.targets)
        # One small table, so that a window is one short copy. It may reach beyond the last song,
        # where nothing is scored.
        rows = torch.cat([torch.cat(context), torch.cat(positions), scored[:, None]], dim=1)
        beyond = rows[-1:].expand(int(self.lengths.max()), -1)
        self._rows = torch.cat([rows, beyond]).short()  # (L, C + 3 + 1)

    def gather(self, starts: Tensor, lengths: Tensor) -> Batch:
        """Windows from flat `starts` (N,), T the longest of `lengths` (N,), beyond which `IGNORED`.

        Returns:
            context (N, T, C), positions (N, T, 3), targets (N, T), all int16.
        """
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


class SongData(CourseData):
    """Songs from a folder of MIDI files.

    Args:
        source: Where the folder comes from when `root` does not name one.
        encoding: What a frame is.
        split: Who is trained on and who is held out.
        window: Steps a training window is long (the lab: 64).
        supervise: "every" step of a window is a target, or only the "last", as in the lab. Held-out
            songs are then scored whole, from their first frame, or by every full window.
        draw: "windows" runs through all of them; "songs" draws a song first, as in the lab, with
            replacement, so that short songs are seen as often as long ones.
        root: A folder of MIDI files to use instead of the source's.
        data_dir: Where sources keep what they download or compose.
        timing: "auto", "score" or "performed"; see `corpus.on_grid`.
        exclude: Patterns of files to leave out.
    """

    ledger = "corpus.csv"

    def __init__(
        self,
        *,
        source: Source | None,
        encoding: Encoding,
        split: Split,
        window: int,
        supervise: str,
        draw: str,
        batch_size: int,
        seed: int,
        root: str | None = None,
        data_dir: str = "data",
        timing: str = "auto",
        exclude: Sequence[str] = (),
    ) -> None:
        super().__init__(batch_size=batch_size, seed=seed)
        if supervise not in (EVERY, LAST):
            raise InputError(f"supervise={supervise}: choose {EVERY} or {LAST}")
        if draw not in ("windows", "songs"):
            raise InputError(f"data.draw={draw}: choose windows or songs")
        if window < 1:
            raise InputError(f"data.window={window}: at least 1")
        if source is None and root is None:
            raise InputError("data.root=<folder> is needed: a folder with MIDI files")
        self.source, self.encoding, self.split = source, encoding, split
        self.window, self.supervise, self.draw = window, supervise, draw
        self.root, self.data_dir = root, Path(data_dir)
        self.timing, self.exclude = timing, tuple(exclude)
        self.entries: list[Entry] = []

    def prepare_data(self) -> None:
        """Download or compose the songs, once."""
        if self.root is None:
            with one_at_a_time(self.data_dir):
                self.source.folder(self.data_dir)

    def setup(self, stage: str = "fit") -> None:
        """Read, encode and split the songs, once."""
        if not self.entries:
            folder = self.source.folder(self.data_dir) if self.root is None else self.root
            entries = read_corpus(folder, self.encoding, timing=self.timing, exclude=self.exclude)
            self.entries = split_corpus(entries, self.split)

    @cached_property
    def tables(self) -> dict[str, SongTable]:
        """The songs of each split."""
        by_split = {s: [e for e in self.entries if e.split == s] for s in SPLITS}
        empty = [split for split, entries in by_split.items() if not entries]
        if empty:
            raise InputError(f"no songs in the split {empty[0]!r}; see the ledger corpus.csv")
        return {split: SongTable(entries, self.encoding) for split, entries in by_split.items()}

    @cached_property
    def items(self) -> dict[str, Tensor]:
        """What a batch is made of, for each split (W, 3): song, flat start, steps that count.

        Windows; or whole songs where they are held out and every step counts.
        """
        return {split: self._items(split) for split in SPLITS}

    def _items(self, split: str) -> Tensor:
        table, usable = self.tables[split], self._usable(split)
        if split != TRAIN and self.supervise == EVERY:
            columns = [np.arange(len(usable)), table.offsets, table.lengths]
            return torch.from_numpy(np.stack(columns, axis=1))
        # "last" needs a full window of frames before its target, so it starts at position 1.
        first = 1 if self.supervise == LAST else 0
        counts = usable - self.window - first + 1
        counts = counts.clip(min=0 if self.supervise == LAST else 1)
        song = np.repeat(np.arange(len(counts)), counts)
        if not len(song):
            longest = int(table.lengths.max())
            raise InputError(
                f"no {split} song has a full window of {self.window} steps and a next frame: the "
                f"longest has {longest} steps; set a smaller data.window"
            )
        nth = np.arange(len(song)) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = [song, table.offsets[song] + first + nth, usable[song].clip(max=self.window)]
        return torch.from_numpy(np.stack(columns, axis=1))

    def _usable(self, split: str) -> np.ndarray:
        """How many frames of each song may be targets (songs,)."""
        cut = split == TRAIN and not self.encoding.predict_last_frame
        return self.tables[split].lengths - cut

    def batch_plan(self) -> BatchPlan:
        """Over the training windows; see `draw`."""
        song = self.items[TRAIN][:, 0].numpy()
        weights = 1.0 / np.bincount(song)[song] if self.draw == "songs" else None
        return BatchPlan(len(song), self.batch_size, seed=self.seed, weights=weights)

    def held_out_size(self, split: str) -> tuple[int, int]:
        """Whole songs, 64 a batch, or windows, 1024 a batch."""
        return len(self.items[split]), 1024 if self.supervise == LAST else 64

    def fetch(self, split: str, items: np.ndarray) -> Batch:
        """Windows, or whole songs where they are held out and every step counts.

        Returns:
            context (N, T, C), positions (N, T, 3) and targets (N, T) int16, with `IGNORED` where
            nothing is scored; song (N,) int64.
        """
        chosen = self.items[split].index_select(0, torch.from_numpy(items))
        songs, starts, lengths = chosen.unbind(1)
        batch = self.tables[split].gather(starts, lengths)
        if self.supervise == LAST:
            batch["targets"][:, :-1] = IGNORED
        return batch | {"song": songs}

    def scored(self, split: str) -> list[np.ndarray]:
        """For every song of a split, which of its frames (T,) are scored."""
        first = self.window if self.supervise == LAST else 0
        return [
            (np.arange(len(entry.encoded.frames)) >= first) & (entry.encoded.frames != NO_CLASS)
            for entry in self.tables[split].entries
        ]

    def class_counts(self) -> Tensor:
        """How often each class (K,) is a frame of the training split."""
        targets = self.tables[TRAIN].targets
        return torch.bincount(targets[targets >= 0], minlength=self.encoding.num_classes)

    def write_ledger(self, folder: Path) -> None:
        """`corpus.csv`: every file, and what became of its notes."""
        write_ledger(self.entries, folder / self.ledger)
        dropped = sum(bool(entry.reason) for entry in self.entries)
        kept = len(self.entries) - dropped
        log.info("%d songs kept, %d dropped: %s", kept, dropped, folder / self.ledger)
