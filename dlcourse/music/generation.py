"""From a trained predictor to a folder of songs: primers, draws, files, and their page."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from dlcourse.errors import InputError
from dlcourse.music.cells import CellSteps
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.corpus import BEAT_FILE, Entry, on_grid
from dlcourse.music.encoding import Encoding
from dlcourse.music.grid import STEPS_A_BAR, bar_positions, to_steps
from dlcourse.music.guide import NO_PRIORS
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.midi import is_midi, read_midi
from dlcourse.music.notes import COMMON_TIME, PITCH, START, Metre, Song
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.priors.prior import Priors
from dlcourse.music.sampling import Predict, Sampler, find_loop
from dlcourse.splits import TRAIN
from dlcourse.trust.terminal import printable

NOTHING, RANDOM = "nothing", "random"


@dataclass(frozen=True, eq=False)
class Primer:
    """The beginning of a song, handed to the model to go on from."""

    name: str
    frames: np.ndarray
    metre: Metre = COMMON_TIME
    tempo: float = 120.0

    def cut(self, steps: int) -> "Primer":
        """Its first `steps` steps."""
        return Primer(self.name, self.frames[:steps], self.metre, self.tempo)


@dataclass(frozen=True, eq=False)
class NewSong:
    """A primer and what the model made of it.

    Attributes:
        seed_end: The tick at which the new part begins.
        loop: The period in steps of the loop it ends in, if it does.
        new_end: The tick at which it ends, if what was given goes on there; else infinity.
    """

    primer: Primer
    song: Song
    new_steps: int
    seed_end: int
    loop: int | None
    new_end: float = np.inf

    @property
    def made(self) -> str:
        """How it was made, for its title."""
        return "from nothing" if self.primer.name == NOTHING else f"after {self.primer.name}"

    @property
    def facts(self) -> dict[str, str]:
        """What its card says of it."""
        return {"notes": str(self._notes), "new steps": str(self.new_steps)}

    @property
    def warning(self) -> str:
        """What is wrong with it, or an empty string."""
        if not self._notes:
            return "No note was drawn."
        if self.loop == 1 and len(set(self.song.tracks[0].notes[:, PITCH].tolist())) < 3:
            return "One note, or silence, for ever: a higher temperature helps."
        if self.loop is not None:
            return f"Ends in a loop of {self.loop} steps: a higher temperature helps."
        return ""

    @property
    def _notes(self) -> int:
        return sum(len(track.notes) for track in self.song.tracks)


def song_primer(name: str, song: Song, frames: np.ndarray, encoding: Encoding) -> Primer:
    """A song from the bar in which its first note begins: an intro says nothing about it."""
    metre, per_quarter = song.metres[0], encoding.steps_per_quarter
    decoded = encoding.decode(frames)
    ticks = decoded.tracks[0].notes[:1, START]
    onset = to_steps(ticks, decoded.ticks_per_quarter, steps_per_quarter=per_quarter)
    bar = metre.bar_length(per_quarter)
    first = int(onset[0]) // bar * bar if len(onset) else 0
    return Primer(name, frames[first:], metre, song.tempos[0][1])


def entry_primer(entry: Entry, encoding: Encoding) -> Primer:
    """A song of the corpus."""
    name = f"{Path(entry.file).stem} ({entry.split})"
    if entry.song is None:
        return Primer(name, entry.encoded.frames, entry_metre(entry, encoding))
    return song_primer(name, entry.song, entry.encoded.frames, encoding)


def entry_metre(entry: Entry, encoding: Encoding) -> Metre:
    """A song's first metre; of a matrix all that is known is how long a bar is."""
    if entry.song is not None:
        return entry.song.metres[0]
    bar = int(entry.encoded.positions[0, STEPS_A_BAR])
    return Metre(0, max(1, bar // encoding.steps_per_quarter), 4)


def file_primer(path: str | Path, encoding: Encoding) -> Primer:
    """Any MIDI file."""
    path = Path(path)
    song, _ = on_grid(read_midi(path), path.with_name(BEAT_FILE))
    encoded = encoding.encode(song)
    if not encoded.encoded:
        raise InputError(f"{path}: no notes that this encoding can hold")
    return song_primer(printable(path.name), song, encoded.frames, encoding)


def choose_primers(
    start: str | int, entries: Sequence[Entry], encoding: Encoding, *, songs: int, seed: int
) -> list[Primer]:
    """One primer for each of `songs` songs.

    Args:
        start: "nothing", "random" (training songs), the index of a kept song in the order of the
            ledger (the lab's "How Deep Is Your Love" is 41), part of a song's name, or a MIDI file.

    Raises:
        InputError: No such song or file, or several; says which there are.
    """
    kept = [entry for entry in entries if not entry.reason]
    if start == NOTHING:
        dtype = np.int8 if encoding.frame_shape else np.int64
        return [Primer(NOTHING, np.zeros((0, *encoding.frame_shape), dtype=dtype))] * songs
    if start == RANDOM:
        trained = [entry for entry in kept if entry.split == TRAIN] or kept
        picks = np.random.default_rng(seed).choice(
            len(trained), songs, replace=songs > len(trained)
        )
        return [entry_primer(trained[pick], encoding) for pick in picks]
    if str(start).isdigit():
        if int(start) >= len(kept):
            raise InputError(f"start={start}: choose 0 to {len(kept) - 1}")
        return [entry_primer(kept[int(start)], encoding)] * songs
    if is_midi(Path(str(start))) and Path(str(start)).is_file():
        return [file_primer(str(start), encoding)] * songs
    return [entry_primer(_named(str(start), kept), encoding)] * songs


def _named(start: str, kept: Sequence[Entry]) -> Entry:
    found = [entry for entry in kept if start.casefold() in entry.file.casefold()]
    exact = [entry for entry in found if Path(entry.file).stem.casefold() == start.casefold()]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        several = ", ".join(repr(Path(entry.file).stem) for entry in found[:5])
        raise InputError(f"start={start}: {len(found)} songs have that in their name: {several}")
    stems = {Path(entry.file).stem.casefold(): Path(entry.file).stem for entry in kept}
    near = difflib.get_close_matches(start.casefold(), stems, n=1, cutoff=0.0)
    raise InputError(
        f"start={start}: no song of {len(kept)} and no MIDI file has that name; the nearest is "
        f"{stems[near[0]]!r}. Or: {RANDOM}, {NOTHING}, 0 to {len(kept) - 1}, a .mid file"
        if near
        else f"start={start}: no such MIDI file"
    )


def new_songs(
    predictor: NotePredictor,
    primers: Sequence[Primer],
    *,
    primer_steps: int,
    steps: int,
    sampler: Sampler,
    seed: int,
    priors: Priors = NO_PRIORS,
) -> list[NewSong]:
    """Continue every primer by `steps` steps, all of them in one batch.

    The primers are cut to `primer_steps`, and to the shortest among them.
    """
    if steps < 1 or primer_steps < 0 or not primers:
        raise InputError(
            f"songs={len(primers)}, steps={steps}, primer_steps={primer_steps}: at least 1, 1 and 0"
        )
    given = min(primer_steps, *(len(primer.frames) for primer in primers))
    primers = [primer.cut(given) for primer in primers]
    per_quarter = predictor.encoding.steps_per_quarter
    positions = [
        bar_positions(primer.metre, given + steps, steps_per_quarter=per_quarter)
        for primer in primers
    ]
    frames = sampler.compose(
        next_frame_of(predictor, sampler),
        np.stack([primer.frames for primer in primers]),
        np.stack(positions),
        head=predictor.head,
        seed=seed,
        priors=priors,
    )
    return [
        _decoded(predictor.encoding, primer, row, given)
        for primer, row in zip(primers, frames, strict=True)
    ]


def next_frame_of(predictor: NotePredictor, sampler: Sampler) -> Predict:
    """Cell by cell for the LSTM; other cells, other networks and whole windows by torch."""
    net = predictor.net
    by_class = isinstance(predictor.encoding, ClassEncoding) and not predictor.encoding.match
    by_class = by_class and sampler.window is None
    if by_class and type(net) is NoteLSTM and isinstance(net.rnn, nn.LSTM):
        return CellSteps(net, predictor.encoding)
    return predictor.next_inputs


def _decoded(encoding: Encoding, primer: Primer, frames: np.ndarray, given: int) -> NewSong:
    song = encoding.decode(frames, metre=primer.metre, tempo=primer.tempo)
    seed_end = song.end * given // len(frames)
    new = frames[given:]
    return NewSong(primer, song, len(new), seed_end, loop=find_loop(new))
