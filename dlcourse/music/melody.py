"""The melody of a song: which track it is, and its encoding as hold / rest / note-on classes."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import song_on_grid, song_positions, to_steps
from dlcourse.music.note_account import NoteAccount
from dlcourse.music.notes import (
    COMMON_TIME,
    END,
    HELD,
    LOWEST_PITCH,
    NUM_KEYS,
    PITCH,
    START,
    STRUCK,
    Metre,
    Song,
    Track,
    note_array,
    pitch_name,
)

_NAMES = ("melody", "vocal", "voice", "lead", "singer")
_ONE_VOICE = 0.9  # share of a track's notes that begin after the note before has ended


def choose_melody(song: Song) -> tuple[Track, str]:
    """The track that holds the melody, and the rule that found it.

    A track named melody (or vocal, voice, lead, singer) is it. When there is none: of the tracks
    that are one voice (at least 90 % of the notes begin after the one before has ended) the one
    with the highest mean pitch; when no track is, the one nearest to it. Drums take no part.
    """
    tracks = song.pitched
    if not tracks:
        return Track(note_array([])), "no pitched notes"
    for track in tracks:
        if any(word in track.name.casefold() for word in _NAMES):
            return track, f"track {song.tracks.index(track)} named {track.name!r}"
    voices = [t for t in tracks if _monophony(t) >= _ONE_VOICE]
    if voices:
        track = max(voices, key=lambda t: float(t.notes[:, PITCH].mean()))
        rule = "highest one-voice track"
    else:
        track = max(tracks, key=_monophony)
        rule = "track nearest to one voice"
    return track, f"track {song.tracks.index(track)}, {rule}"


def _monophony(track: Track) -> float:
    """Share of the notes after the first that begin when all before them have ended."""
    starts, ends = track.notes[:, START], track.notes[:, END]
    if len(starts) < 2:
        return 1.0
    return float((starts[1:] >= np.maximum.accumulate(ends)[:-1]).mean())


class Melody(ClassEncoding):
    """The melody as events on the 16th grid: whatever one voice can sing is kept.

    Class 0 (hold): what sounds goes on, silence too. Class 1 (rest): the note stops, silence
    begins. Class 2 + k: the key `LOWEST_PITCH + k` is struck. A repeated note is struck again; a
    note shorter than a step lasts one; a note that begins before the one before has ended ends it;
    of notes that fall on the same step the highest is kept. Velocity and instrument are not kept.
    """

    HOLD, REST, FIRST_KEY = 0, 1, 2
    num_classes = FIRST_KEY + NUM_KEYS

    def __init__(
        self, *, beat: bool = True, lookback: Sequence[int] = (), match: bool = False
    ) -> None:
        super().__init__(beat=beat, lookback=lookback, match=match)

    def encode(self, song: Song) -> Encoded:
        """See the class. Notes of other tracks count as lost to `other_tracks`."""
        melody, rule = choose_melody(song)
        account = NoteAccount(melody.notes)
        account.lost["other_tracks"] = sum(len(t.notes) for t in song.tracks) - len(melody.notes)
        account.keep(melody.notes[:, START] < melody.notes[:, END], "zero_length")
        account.keep_in_range()
        onsets = to_steps(account.notes[:, START], song.ticks_per_quarter)
        order = np.lexsort((account.notes[:, PITCH], onsets))
        account.notes, onsets = account.notes[order], onsets[order]
        account.keep(np.append(onsets[1:] != onsets[:-1], True)[: len(onsets)], "same_step")
        frames = self._frames(account.notes, song)
        positions = song_positions(song, len(frames))
        return Encoded(frames, positions, len(account.notes), account.lost, rule)

    def _frames(self, notes: np.ndarray, song: Song) -> np.ndarray:
        onsets = to_steps(notes[:, START], song.ticks_per_quarter)
        ends = np.maximum(to_steps(notes[:, END], song.ticks_per_quarter), onsets + 1)
        ends = np.minimum(ends, np.append(onsets[1:], ends[-1:]))
        # The melody may rest at the end: a song lasts until the last note of any track.
        last = max((int(t.notes[:, END].max()) for t in song.tracks if len(t.notes)), default=0)
        steps = max([int(to_steps(last, song.ticks_per_quarter)), *ends[-1:].tolist()])
        frames = np.full(steps, self.HOLD, dtype=np.int64)
        frames[ends[ends < steps]] = self.REST
        frames[:1] = self.REST
        frames[onsets] = self.FIRST_KEY + notes[:, PITCH] - LOWEST_PITCH
        return frames

    def decode(
        self,
        frames: Sequence[int],
        *,
        metre: Metre = COMMON_TIME,
        tempo: float = 120.0,
        name: str = "song",
    ) -> Song:
        """One track; a note still sounding at the end is ended there."""
        rows, onset, pitch = [], 0, 0
        for step, token in enumerate([*map(int, frames), self.REST]):
            if token == self.HOLD:
                continue
            if pitch:
                rows.append((onset, step, pitch, 80))
            struck = token >= self.FIRST_KEY
            onset, pitch = step, LOWEST_PITCH + token - self.FIRST_KEY if struck else 0
        return song_on_grid(rows, len(frames), metre=metre, tempo=tempo, name=name)

    def changes(self, previous: Tensor, targets: Tensor) -> Tensor:
        """Where a note is struck or ends."""
        return targets > self.HOLD

    def copied(self, frames: np.ndarray) -> np.ndarray:
        """Hold, whatever was."""
        return np.full(len(frames), self.HOLD)

    def class_name(self, index: int) -> str:
        """hold, rest, or the pitch that is struck."""
        if index < self.FIRST_KEY:
            return ("hold", "rest")[index]
        return pitch_name(LOWEST_PITCH + index - self.FIRST_KEY)

    def class_keys(self) -> np.ndarray:
        """The key of each class that strikes one."""
        return np.concatenate([[-1, -1], np.arange(NUM_KEYS)])

    def class_states(self, sounding: np.ndarray) -> np.ndarray:
        """Hold keeps what sounds, rest ends it, the others strike a key."""
        states = np.full((len(sounding), self.num_classes, 2), STRUCK)
        states[..., 0] = self.class_keys()
        states[:, self.HOLD] = np.stack([sounding, np.full_like(sounding, HELD)], axis=1)
        return states
