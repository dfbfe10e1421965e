"""Windows of songs in other keys, and whether a corpus has a key of its own.

Shape legend: N windows, T steps, C earlier frames. `...` is nothing where a frame is a class, and
the keys where it is a piano roll.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from dlcourse.data import Batch
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding
from dlcourse.music.keys import estimate_key
from dlcourse.music.notes import PITCH_CLASSES

SHIFTS = "shifts"  # of a batch: the lowest and the highest interval of each window


def is_normalised(
    entries: Sequence[Entry], encoding: Encoding, *, share: float
) -> tuple[bool, str]:
    """Whether songs share a key, and the fact: "79 of 88 training songs are in C major or ...".

    A key is shared with its relative minor, as corpora are that are moved to the white keys, or
    with its parallel one, as those that are moved to one tonic (JSB Chorales).

    Args:
        entries: Songs; of those that are frames alone the notes are made from these.
        encoding: What their frames are.
        share: Of the songs, from which on they share it.
    """
    keys = Counter(
        estimate_key(e.song if e.song is not None else encoding.decode(e.encoded.frames))
        for e in entries
    )
    pairs = [
        (f"{PITCH_CLASSES[tonic]} major", f"{PITCH_CLASSES[(tonic - below) % 12]} minor")
        for below in (3, 0)
        for tonic in range(12)
    ]
    pair = max(pairs, key=lambda names: sum(keys[name] for name in names))
    found = sum(keys[name] for name in pair)
    fact = f"{found} of {len(entries)} training songs are in {' or '.join(pair)}"
    return found >= share * len(entries), fact


def shift_ranges(key_ranges: Tensor, num_keys: int, *, semitones: tuple[int, int]) -> Tensor:
    """By how much each song may be shifted (N, 2), so that it stays on the keyboard.

    Args:
        key_ranges: (N, 2) the lowest and the highest key of each.
        num_keys: Of the keyboard.
        semitones: The lowest and the highest interval asked for, 0 among them.
    """
    low, high = semitones
    down, up = -key_ranges[:, 0], num_keys - 1 - key_ranges[:, 1]
    return torch.stack([down.clamp(min=low), up.clamp(max=high)], dim=1)


def draw_shifts(ranges: Tensor) -> Tensor:
    """Semitones (N,), every one from the lowest to the highest of `ranges` (N, 2) as likely.

    Drawn from torch's generator on the CPU, whatever the device.
    """
    low, high = ranges.unbind(1)
    chance = torch.rand(len(ranges), dtype=torch.float64).to(ranges.device)
    return low + (chance * (high - low + 1)).long()


def transposed(batch: Batch, encoding: Encoding) -> Batch:
    """The batch with every window in a key drawn for it; the same where nothing says how far.

    What a frame is predicted from and what it is are shifted alike: to shift the one alone is the
    classic mistake.

    Args:
        batch: With context (N, T, C, ...), targets (N, T, ...) and `SHIFTS` (N, 2).
        encoding: What the frames are.
    """
    if SHIFTS not in batch:
        return batch
    semitones = draw_shifts(batch[SHIFTS])
    moved = {k: encoding.transpose(batch[k], semitones) for k in ("context", "targets")}
    return batch | moved


def expected_counts(targets: Tensor, ranges: Tensor, encoding: ClassEncoding) -> Tensor:
    """How often each class (K,) is a target when every window is transposed; float64.

    Args:
        targets: (L,) classes, `NO_CLASS` where there is none.
        ranges: (L, 2) by how much the song of each may be shifted.
        encoding: What the classes are.
    """
    targets, ranges = targets[targets >= 0], ranges[targets >= 0]
    low, high = ranges.unbind(1)
    chance = 1.0 / (high - low + 1).double()
    counts = torch.zeros(encoding.num_classes, dtype=torch.float64)
    for shift in range(int(low.min()), int(high.max()) + 1):
        may = (low <= shift) & (shift <= high)
        moved = encoding.transpose(targets[may], torch.full_like(targets[may], shift))
        counts += torch.bincount(moved, weights=chance[may], minlength=len(counts))
    return counts
