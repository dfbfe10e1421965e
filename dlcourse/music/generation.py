"""From a trained predictor to a folder of songs: primers, draws, files, and their page."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from dlcourse.errors import InputError
from dlcourse.music.cells import CellSteps
from dlcourse.music.corpus import BEAT_FILE, Entry, on_grid
from dlcourse.music.encoding import Encoding, bar_positions, to_steps
from dlcourse.music.lstm import NoteLSTM
from dlcourse.music.midi import is_midi, read_midi
from dlcourse.music.notes import COMMON_TIME, PITCH, START, Metre, Song
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.render import RenderedSong, render_song, songs_page
from dlcourse.music.sampling import Predict, Sampler, find_loop, sample
from dlcourse.progress import progress_bar
from dlcourse.splits import TRAIN

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
    """

    primer: Primer
    song: Song
    new_steps: int
    seed_end: int
    loop: int | None


def song_primer(name: str, song: Song, frames: np.ndarray, encoding: Encoding) -> Primer:
    """A song from the bar in which its first note begins: an intro says nothing about it."""
    metre = song.metres[0]
    decoded = encoding.decode(frames)
    notes = decoded.tracks[0].notes
    onset = int(to_steps(notes[0, START], decoded.ticks_per_quarter)) if len(notes) else 0
    first = onset // metre.steps_per_bar * metre.steps_per_bar
    return Primer(name, frames[first:], metre, song.tempos[0][1])


def entry_primer(entry: Entry, encoding: Encoding) -> Primer:
    """A song of the corpus."""
    name = f"{Path(entry.file).stem} ({entry.split})"
    return song_primer(name, entry.song, entry.encoded.frames, encoding)


def file_primer(path: str | Path, encoding: Encoding) -> Primer:
    """Any MIDI file."""
    path = Path(path)
    song, _ = on_grid(read_midi(path), path.with_name(BEAT_FILE))
    encoded = encoding.encode(song)
    if not encoded.encoded:
        raise InputError(f"{path}: no notes that this encoding can hold")
    return song_primer(path.name, song, encoded.frames, encoding)


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
        return [Primer(NOTHING, np.zeros(0, dtype=np.int64))] * songs
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
    positions = np.stack([bar_positions(primer.metre, given + steps) for primer in primers])
    frames = sample(
        _predict(predictor, sampler),
        np.stack([primer.frames for primer in primers]),
        positions,
        sampler=sampler,
        seed=seed,
    )
    return [
        _decoded(predictor.encoding, primer, row, given)
        for primer, row in zip(primers, frames, strict=True)
    ]


def _predict(predictor: NotePredictor, sampler: Sampler) -> Predict:
    """Cell by cell for the LSTM; other cells, other networks and whole windows by torch."""
    net = predictor.net
    if type(net) is NoteLSTM and isinstance(net.rnn, nn.LSTM) and sampler.window is None:
        return CellSteps(net, predictor.encoding)
    return predictor.next_logits


def _decoded(encoding: Encoding, primer: Primer, frames: np.ndarray, given: int) -> NewSong:
    song = encoding.decode(frames, metre=primer.metre, tempo=primer.tempo)
    seed_end = song.end * given // len(frames)
    new = frames[given:]
    return NewSong(primer, song, len(new), seed_end, loop=find_loop(new))


def write_songs(
    songs: Sequence[NewSong], folder: str | Path, *, facts: dict[str, str], command: str
) -> list[Path]:
    """Leave every song as .mid, .wav and .png, and `index.html` with all of them.

    Returns:
        The paths of the MIDI files.
    """
    folder, rendered = Path(folder), []
    for number, new in enumerate(progress_bar(songs, "rendering songs")):
        stem = f"song-{number:02d}"
        after = "from nothing" if new.primer.name == NOTHING else f"after {new.primer.name}"
        title = f"Song {number}: {after}"
        render_song(new.song, folder, stem=stem, seed_end=new.seed_end, title=title)
        notes = sum(len(track.notes) for track in new.song.tracks)
        own = {"notes": str(notes), "new steps": str(new.new_steps)}
        rendered.append(RenderedSong(title, stem, own | facts, warning=_warning(new, notes)))
    songs_page(rendered, folder / "index.html", title="New songs", command=command)
    return [folder / f"{song.stem}.mid" for song in rendered]


def _warning(new: NewSong, notes: int) -> str:
    if not notes:
        return "No note was drawn."
    if new.loop == 1 and len(set(new.song.tracks[0].notes[:, PITCH].tolist())) < 3:
        return "One note, or silence, for ever: a higher temperature helps."
    if new.loop is not None:
        return f"Ends in a loop of {new.loop} steps: a higher temperature helps."
    return ""
