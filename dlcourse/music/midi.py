"""MIDI files in and out: the only file that knows MIDI libraries.

Reading uses symusic (a C++ parser, 60 to 240 times faster than pretty_midi); writing and audio use
pretty_midi. `reader="pretty_midi"` reads with the slow one, as an independent reference. The two
agree note for note, except that pretty_midi drops notes of zero length before anybody sees them.
"""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pretty_midi
import symusic

from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.music.midi_checks import check_header, check_times
from dlcourse.music.notes import COMMON_TIME, Metre, Song, Track, note_array
from dlcourse.trust.strange_files import content_of, memory_limit
from dlcourse.trust.terminal import first_line, printable

MIDI_SUFFIXES = (".mid", ".midi")
LARGEST_FILE = 2**22  # bytes: over a million notes
_MEMORY = 512  # MiB; symusic takes it for each instrument anew, and a file may name thousands


def is_midi(path: Path) -> bool:
    """Whether the name says that this is a MIDI file."""
    return path.suffix.lower() in MIDI_SUFFIXES


def read_midi(path: str | Path, *, reader: str = "symusic") -> Song:
    """Read a MIDI file.

    Raises:
        InputError: The file is missing, empty, not MIDI, damaged, has no time base (ticks per
            quarter) or lasts longer than anybody plays.
    """
    return parse_midi(midi_content(path), path, reader=reader)


def midi_content(path: str | Path) -> bytes:
    """What a MIDI file holds.

    Raises:
        InputError: The file cannot be read, or is larger than any music.
    """
    return content_of(path, most=LARGEST_FILE)


def parse_midi(data: bytes, path: str | Path, *, reader: str = "symusic") -> Song:
    """A MIDI file of which the content is at hand; see `read_midi`.

    Args:
        path: What the song and the errors are named after.
    """
    path = Path(path)
    if reader not in _READERS:
        raise InputError(f"reader={reader!r}: choose one of {', '.join(_READERS)}")
    if not data.startswith(b"MThd"):
        found = f"starts with {data[:4]!r}" if data else "is empty (0 bytes)"
        raise InputError(f"{path}: not a MIDI file: it {found}, a MIDI file starts with b'MThd'")
    check_header(path, data)
    try:
        with memory_limit(_MEMORY):
            song = _READERS[reader](path, data)
    except MemoryError as error:
        raise InputError(f"{path}: needs more than {_MEMORY} MiB of memory to be read") from error
    except Exception as error:  # the parsers raise what they like; mido, plain `Exception`s
        raise InputError(f"{path}: damaged MIDI file: {printable(first_line(error))}") from error
    if song.ticks_per_quarter < 1:
        raise InputError(f"{path}: no ticks per quarter note (SMPTE time is not supported)")
    check_times(path, song)
    return song


def write_midi(song: Song, path: str | Path) -> None:
    """Write a song as a MIDI file, whole or not at all. `read_midi` gives the same notes back."""
    with written_whole(path) as partial:
        _to_pretty_midi(song).write(str(partial))


def synthesize(song: Song, *, sample_rate: int = 22050, tail: float = 0.5) -> np.ndarray:
    """The song as audio (samples,) float32 in [-1, 1], by pretty_midi's own plain synthesis.

    Args:
        tail: Seconds of silence after the end of the song.
    """
    midi = _to_pretty_midi(song)
    audio = np.zeros(round((midi.tick_to_time(song.end) + tail) * sample_rate))
    if song.pitched:
        # pretty_midi adds a second of its own after the last note.
        tones = midi.synthesize(fs=sample_rate, wave=_soft_tone)[: len(audio)]
        audio[: len(tones)] = tones
    peak = np.abs(audio).max(initial=0.0)
    return (audio * (0.9 / peak) if peak else audio).astype(np.float32)


def _soft_tone(phase: np.ndarray) -> np.ndarray:
    """A sine with two quiet overtones: easier to follow on small speakers than a bare sine."""
    return np.sin(phase) + 0.35 * np.sin(2 * phase) + 0.15 * np.sin(3 * phase)


def _read_symusic(path: Path, data: bytes) -> Song:
    score = symusic.Score.from_midi(data)
    tracks = []
    for track in score.tracks:
        columns = track.notes.numpy()
        start = columns["time"]
        notes = np.stack(
            [start, start + columns["duration"], columns["pitch"], columns["velocity"]], axis=1
        )
        tracks.append(
            Track(note_array(notes), _clean_name(track.name), track.program, track.is_drum)
        )
    return Song(
        name=printable(path.stem),
        ticks_per_quarter=score.ticks_per_quarter,
        tracks=tuple(tracks),
        tempos=_tempos([(t.time, t.qpm) for t in score.tempos]),
        metres=_metres([(m.time, m.numerator, m.denominator) for m in score.time_signatures]),
        end=score.end(),
    )


def _read_pretty_midi(path: Path, data: bytes) -> Song:
    with warnings.catch_warnings():
        # Tempo and metre events on every track: legal in the lab's files, and handled by us.
        warnings.simplefilter("ignore", RuntimeWarning)
        midi = pretty_midi.PrettyMIDI(BytesIO(data))
    tracks = tuple(
        Track(
            note_array([(_tick(midi, n.start), _tick(midi, n.end), n.pitch, n.velocity)
                        for n in instrument.notes]),
            _clean_name(instrument.name), instrument.program, instrument.is_drum,
        )
        for instrument in midi.instruments
    )  # fmt: skip
    times, tempos = midi.get_tempo_changes()
    return Song(
        name=printable(path.stem),
        ticks_per_quarter=midi.resolution,
        tracks=tracks,
        tempos=_tempos([(_tick(midi, t), q) for t, q in zip(times, tempos, strict=True)]),
        metres=_metres(
            [(_tick(midi, m.time), m.numerator, m.denominator)
             for m in midi.time_signature_changes]
        ),
        end=max((int(t.notes[:, 1].max()) for t in tracks if len(t.notes)), default=0),
    )  # fmt: skip


_READERS = {"symusic": _read_symusic, "pretty_midi": _read_pretty_midi}


def _tick(midi: pretty_midi.PrettyMIDI, seconds: float) -> int:
    """The tick nearest to a time; pretty_midi's own `time_to_tick` is off by one here and there."""
    table = midi._PrettyMIDI__tick_to_time
    right = min(int(np.searchsorted(table, seconds)), len(table) - 1)
    left = max(0, right - 1)
    return left if abs(table[left] - seconds) < abs(table[right] - seconds) else right


def _tempos(changes: list[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """One tempo a tick (the last one written wins), starting at tick 0."""
    table = {0: 120.0} | {int(tick): float(qpm) for tick, qpm in changes}
    ordered = sorted(table.items())
    return tuple(c for i, c in enumerate(ordered) if i == 0 or c[1] != ordered[i - 1][1])


def _metres(changes: list[tuple[int, int, int]]) -> tuple[Metre, ...]:
    """One metre a tick, starting at tick 0, without repetitions."""
    table = {0: COMMON_TIME} | {int(c[0]): Metre(*map(int, c)) for c in changes if c[1] and c[2]}
    ordered = [table[tick] for tick in sorted(table)]
    changes = zip(ordered[1:], ordered, strict=False)
    return (ordered[0], *(new for new, old in changes if _beats(new) != _beats(old)))


def _beats(metre: Metre) -> tuple[int, int]:
    return metre.numerator, metre.denominator


def _to_pretty_midi(song: Song) -> pretty_midi.PrettyMIDI:
    midi = pretty_midi.PrettyMIDI(resolution=song.ticks_per_quarter)
    # pretty_midi has no public way to set a tempo map; this is the one its own adjust_times uses.
    midi._tick_scales = [(t, 60.0 / (qpm * song.ticks_per_quarter)) for t, qpm in song.tempos]
    midi._update_tick_to_time(song.end + 1)
    midi.time_signature_changes = [
        pretty_midi.TimeSignature(m.numerator, m.denominator, midi.tick_to_time(m.tick))
        for m in song.metres
    ]
    for track in song.tracks:
        # A MIDI file's text is Latin-1: what it cannot spell becomes a question mark.
        name = track.name.encode("latin-1", "replace").decode("latin-1")
        instrument = pretty_midi.Instrument(track.program, track.is_drum, name)
        instrument.notes = [
            pretty_midi.Note(int(v), int(p), midi.tick_to_time(int(s)), midi.tick_to_time(int(e)))
            for s, e, p, v in track.notes
        ]
        midi.instruments.append(instrument)
    return midi


def _clean_name(name: str) -> str:
    """The lab's files name their tracks with a NUL; padding and control characters go too."""
    return "".join(c for c in name if c.isprintable()).strip()
