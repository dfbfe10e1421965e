"""The songs as batches of windows to train on and whole songs to be held to."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlcourse.data import Batch, BatchPlan, CourseData, one_at_a_time
from dlcourse.errors import InputError
from dlcourse.music.augmentation.song_augmentation import (
    Augmented,
    SongAugmentation,
    check_augmentation,
)
from dlcourse.music.augmentation.transposition import SHIFTS, expected_counts, shift_ranges
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.corpus import Entry, read_corpus, split_corpus, write_ledger
from dlcourse.music.encoding import IGNORED, Encoding
from dlcourse.music.sources import Source
from dlcourse.music.tables import SongTable, song_table
from dlcourse.splits import SPLITS, TRAIN, Split

EVERY, LAST = "every", "last"
_MOST_ROLLS = 8192  # frames of all keys in a held-out batch: some hundred megabytes


class SongData(CourseData):
    """Songs from a folder of MIDI files.

    Args:
        source: Where the folder comes from when `root` does not name one.
        encoding: What a frame is.
        split: Who is trained on and who is held out; None where the reader's file says so.
        window: Steps a training window is long (the lab: 64).
        supervise: "every" step of a window is a target, or only the "last", as in the lab. Held-out
            songs are then scored whole, from their first frame, or by every full window.
        draw: "windows" runs through all of them; "songs" draws a song first, as in the lab, with
            replacement, so that short songs are seen as often as long ones.
        reader: What makes entries of the source's folder and the encoding; None for MIDI files,
            which alone have `timing` and `exclude`.
        root: A folder of MIDI files, or what the reader reads, to use instead of the source's.
        data_dir: Where sources keep what they download or compose.
        timing: "auto", "score" or "performed"; see `corpus.on_grid`.
        exclude: Patterns of files to leave out.
        augment: How training songs are varied; not at all when None.
    """

    ledger = "corpus.csv"

    def __init__(
        self,
        *,
        source: Source | None,
        encoding: Encoding,
        split: Split | None,
        window: int,
        supervise: str,
        draw: str,
        batch_size: int,
        seed: int,
        reader: Callable[[str | Path, Encoding], list[Entry]] | None = None,
        root: str | None = None,
        data_dir: str = "data",
        timing: str = "auto",
        exclude: Sequence[str] = (),
        augment: SongAugmentation | None = None,
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
        self.reader = reader or partial(read_corpus, timing=timing, exclude=tuple(exclude))
        self.window, self.supervise, self.draw = window, supervise, draw
        self.root, self.data_dir = root, Path(data_dir)
        self.augment = check_augmentation(augment)
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
            entries = self.reader(folder, self.encoding)
            self.entries = split_corpus(entries, self.split) if self.split else entries

    def songs(self, split: str) -> list[Entry]:
        """The songs of a split as they were read."""
        entries = [entry for entry in self.entries if entry.split == split]
        if not entries:
            raise InputError(f"no songs in the split {split!r}; see the ledger corpus.csv")
        return entries

    @cached_property
    def augmented(self) -> Augmented:
        """What becomes of the training songs; `augment` with these songs in view."""
        songs = [entry for entry in self.entries if entry.split == TRAIN]
        return self.augment.of(songs, self.encoding, seed=self.seed)

    @cached_property
    def tables(self) -> dict[str, SongTable]:
        """The songs of each split; those to train on with their stretched copies at the end."""
        by_split = {split: self.songs(split) for split in SPLITS}
        by_split[TRAIN] += self.augmented.copies
        return {split: song_table(entries, self.encoding) for split, entries in by_split.items()}

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
        """Whole songs, 64 a batch, or windows, 1024; of many keys as many as fit into memory."""
        size, steps = (1024, self.window) if self.supervise == LAST else (64, 0)
        if self.encoding.frame_shape:
            steps = steps or self.tables[split].longest
            size = min(size, max(1, _MOST_ROLLS // steps))
        return len(self.items[split]), size

    def fetch(self, split: str, items: np.ndarray) -> Batch:
        """Windows, or whole songs where they are held out and every step counts.

        Returns:
            context (N, T, C, ...), positions (N, T, 3) and targets (N, T, ...), with `IGNORED`
            where nothing is scored; song (N,) int64. In training `SHIFTS` (N, 2) too, by how many
            semitones a window may be transposed, where it may.
        """
        chosen = self.items[split].index_select(0, torch.from_numpy(items))
        songs, starts, lengths = chosen.unbind(1)
        batch = self.tables[split].gather(starts, lengths)
        if self.supervise == LAST:
            batch["targets"][:, :-1] = IGNORED
        batch["song"] = songs
        if split == TRAIN and self.augmented.semitones is not None:
            batch[SHIFTS] = self._shifts(self.tables[split].key_ranges[songs])
        return batch

    def _shifts(self, key_ranges: Tensor) -> Tensor:
        """By how many semitones songs (N, 2) of these keys may be transposed in training."""
        interval = self.augmented.semitones or (0, 0)
        return shift_ranges(key_ranges, self.encoding.num_keys, semitones=interval)

    def scored(self, split: str) -> list[np.ndarray]:
        """For every song of a split, which of its frames (T,) are scored."""
        first = self.window if self.supervise == LAST else 0
        return [
            (np.arange(len(entry.encoded.frames)) >= first)
            & self.encoding.is_scored(entry.encoded.frames)
            for entry in self.tables[split].entries
        ]

    def class_counts(self) -> Tensor:
        """How often each class (K,) is a target in training.

        Raises:
            InputError: Frames are no classes.
        """
        if not isinstance(self.encoding, ClassEncoding):
            raise InputError(
                "a loss that weights classes by their counts needs one class a frame; for piano "
                "rolls take loss=cross_entropy or loss=focal"
            )
        table, targets = self.tables[TRAIN], self.tables[TRAIN].targets
        if self.augmented.semitones is not None:
            lengths = torch.from_numpy(table.lengths)
            ranges = self._shifts(table.key_ranges).repeat_interleave(lengths, 0)
            return expected_counts(targets, ranges, self.encoding)
        return torch.bincount(targets[targets >= 0], minlength=self.encoding.num_classes)

    def write_ledger(self, folder: Path) -> None:
        """`corpus.csv`: every file, and what became of its notes."""
        lengths = {entry.file: () for entry in self.entries}
        for copy in self.augmented.copies:
            lengths[copy.file] += copy.stretched
        entries = [replace(entry, stretched=lengths[entry.file]) for entry in self.entries]
        write_ledger(entries, folder / self.ledger)

    def facts(self) -> list[str]:
        """How many songs are kept, and what augmentation makes of them."""
        dropped = sum(bool(entry.reason) for entry in self.entries)
        kept = len(self.entries) - dropped
        return [f"{kept} songs kept, {dropped} dropped", *self.augmented.facts]
