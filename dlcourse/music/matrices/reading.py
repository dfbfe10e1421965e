"""The 88-key benchmark matrices as a corpus: JSB Chorales, Nottingham, MuseData, Piano-midi.

They have splits of their own, no onsets (a repeated note is a long one) and no metre.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dlcourse.errors import InputError
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.grid import steps_in_bar, steps_in_beat
from dlcourse.music.matrices.copies import identity_of, leak_sentence, with_copies
from dlcourse.music.matrices.mat_files import HIGHEST_KEY, LOWEST_KEY, load_cells
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.splits import named_groups
from dlcourse.trust.terminal import printable

log = logging.getLogger(__name__)

TIMING = "matrix"  # what the ledger says of the grid: the file's own frames


def read_matrices(
    path: str | Path, encoding: Encoding, *, file: str, steps_a_bar: int
) -> list[Entry]:
    """Read every sequence of a benchmark's file, in its order, with the split the file gives it.

    A sequence that stands in two splits is no error: `Entry.also_in` and the log tell of it.

    Args:
        path: The .mat file, or the folder with `file` in it.
        encoding: A piano roll without onsets, whose keys hold all that sounds.
        steps_a_bar: Frames a bar, counted from the first one.

    Raises:
        InputError: There is no such file, it is no such file, no sequence can be used, or the
            encoding cannot hold them.
    """
    if not isinstance(encoding, PianoRoll) or encoding.onsets:
        raise InputError(
            f"{file} says which keys sound and not which are struck: set encoding=pianoroll "
            f"encoding.onsets=false"
        )
    if steps_a_bar < 1:
        raise InputError(f"data.reader.steps_a_bar={steps_a_bar}: at least 1")
    path = _located(Path(path), file)
    cells = {
        printable(f"{path.name}/{split}/{place:03}"): (split, cell)
        for split, content in load_cells(path).items()
        for place, cell in enumerate(content)
    }
    matrices = [cell for _, cell in cells.values() if not isinstance(cell, str)]
    _check_range(path, matrices, encoding)
    entries = [
        Entry(name, _title(name), reason=cell, timing=TIMING)
        if isinstance(cell, str)
        else _entry(name, cell, encoding, split=split, steps_a_bar=steps_a_bar)
        for name, (split, cell) in cells.items()
    ]
    return _checked(path, entries)


def _located(path: Path, file: str) -> Path:
    if not path.is_dir():
        return path
    if not (path / file).is_file():
        found = ", ".join(sorted(p.name for p in path.glob("*.mat"))) or "none"
        raise InputError(
            f"{path}: no {file} in this folder, found {found} of that kind; "
            f"data.root=<file or folder> names another"
        )
    return path / file


def _title(name: str) -> str:
    """ "JSB_Chorales train/017" of "JSB_Chorales.mat/train/017"."""
    return name.replace(".mat/", " ")


def _check_range(path: Path, matrices: Sequence[np.ndarray], encoding: PianoRoll) -> None:
    """Stop when a key that the encoding does not have sounds anywhere.

    A likelihood of fewer keys than sound would be no likelihood of these sequences.
    """
    pitches = np.arange(LOWEST_KEY, HIGHEST_KEY + 1)
    low, high = encoding.low, encoding.low + encoding.num_keys - 1
    outside = (pitches < low) | (pitches > high)
    sounding = sum((matrix > 0).sum(axis=0) for matrix in matrices) * outside
    if np.any(sounding):
        keys = pitches[sounding > 0]
        affected = sum(bool((matrix[:, outside] > 0).any()) for matrix in matrices)
        raise InputError(
            f"{path}: {len(keys)} keys that encoding.low={low} encoding.high={high} leave out "
            f"sound, {sounding.sum()} frames in {affected} of {len(matrices)} sequences: "
            f"{', '.join(map(str, keys))}; set encoding.low={min(low, keys[0])} "
            f"encoding.high={max(high, keys[-1])}"
        )


def _entry(
    name: str, matrix: np.ndarray, encoding: PianoRoll, *, split: str, steps_a_bar: int
) -> Entry:
    states = (matrix > 0).astype(np.uint8)
    encoded = _encoded(states, encoding, steps_a_bar)
    reason = encoding.reason_to_drop(encoded)
    return Entry(
        name,
        _title(name),
        reason,
        encoded=encoded,
        timing=TIMING,
        sha1=hashlib.sha1(states.tobytes()).hexdigest(),
        identity=() if reason else identity_of(states),
        split="" if reason else split,
    )


def _encoded(states: np.ndarray, encoding: PianoRoll, steps_a_bar: int) -> Encoded:
    """Frames (T, P) of all keys' states (T, 88); a note is a key's uninterrupted sounding."""
    above = max(0, encoding.low + encoding.num_keys - 1 - HIGHEST_KEY)
    states = np.pad(states, ((0, 0), (LOWEST_KEY, above)))  # column p is now MIDI pitch p
    states = states[:, encoding.low : encoding.low + encoding.num_keys]
    begins = np.diff(states, axis=0, prepend=0) == 1
    positions = positions_of(len(states), steps_a_bar, steps_a_beat=encoding.steps_per_quarter)
    return Encoded(encoding.from_states(states), positions, int(begins.sum()), {}, "")


def positions_of(steps: int, steps_a_bar: int, *, steps_a_beat: int) -> np.ndarray:
    """The positions (T, 3) of a sequence that begins with a bar; see `Encoded`."""
    step = np.arange(steps) % steps_a_bar
    in_bar = step % steps_in_bar(steps_a_beat)
    in_beat = step % steps_a_beat % steps_in_beat(steps_a_beat)
    return np.stack([in_bar, in_beat, np.full_like(step, steps_a_bar)], axis=1)


def _checked(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """The entries with their groups and their copies, which are told of; some can be used."""
    kept = [entry for entry in entries if not entry.reason]
    if not kept:
        first = f"the first is {entries[0].file}: {entries[0].reason}" if entries else "it is empty"
        raise InputError(f"{path}: none of {len(entries)} sequences can be used; {first}")
    log.info("%s: %s (also_in in corpus.csv)", path.name, leak_sentence(kept))
    groups = named_groups([e.identity[:1] for e in kept], [e.title for e in kept])  # by content
    group_of = {entry.file: group for entry, group in zip(kept, groups, strict=True)}
    return with_copies([replace(entry, group=group_of.get(entry.file, "")) for entry in entries])
