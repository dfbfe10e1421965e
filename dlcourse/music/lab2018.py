"""The lab's own encoding, with each of its defects as a switch.

Source: 2018 lab 1, `midi_manipulation.midiToNoteStateMatrix`, `create_dataset.make_one_hot_notes`
and `noteStateMatrixToMidi`.
"""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from dlcourse.music.class_encoding import NO_CLASS, ClassEncoding, held_or_struck
from dlcourse.music.encoding import Encoded
from dlcourse.music.grid import song_on_grid, song_positions, to_steps
from dlcourse.music.melody import choose_melody
from dlcourse.music.note_account import NoteAccount
from dlcourse.music.notes import (
    COMMON_TIME,
    END,
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

LAB_VELOCITY = 40
LAB_TICKS_PER_QUARTER = 220  # 55 ticks a frame


class Lab2018(ClassEncoding):
    """The highest sounding key of all tracks, one of 78, every 16th note.

    With all switches off the lab's figures come out: 73 of 88 files kept, 12,987 frames, copying
    the last frame is right in 83.7 % of them. A silent frame has no class: its input is all zeros,
    and as a target it adds nothing to the loss.

    Args:
        rests: Silence is a class; in the lab it can be neither learned nor produced.
        rearticulate: A struck key is another class than a held one; the lab ties repeated notes.
        keep_all_metres: Read on after a numerator other than 2 or 4; the lab stops there.
        true_melody: Read the melody track; the lab takes the highest key of all tracks, which
            is a chord's in 52 % of the frames in which the melody sounds.
        min_steps: Shorter songs are dropped; the lab asks for 128.
        predict_last_frame: The lab's `get_batch` never draws a song's last frame as a target.
    """

    def __init__(
        self,
        *,
        rests: bool = False,
        rearticulate: bool = False,
        keep_all_metres: bool = False,
        true_melody: bool = False,
        min_steps: int = 128,
        predict_last_frame: bool = False,
        beat: bool = False,
        lookback: Sequence[int] = (),
        match: bool = False,
    ) -> None:
        super().__init__(beat=beat, lookback=lookback, match=match)
        self.rearticulate = rearticulate
        self.keep_all_metres, self.true_melody = keep_all_metres, true_melody
        self.min_steps, self.predict_last_frame = min_steps, predict_last_frame
        self.silence = NUM_KEYS if rests else NO_CLASS
        self.first_struck = NUM_KEYS + rests
        self.num_classes = NUM_KEYS + rests + NUM_KEYS * rearticulate

    def encode(self, song: Song) -> Encoded:
        """See the class. Every note is encoded or lost for the first reason that applies."""
        tracks, rule = song.tracks, "highest key of all tracks"
        if self.true_melody:
            melody, rule = choose_melody(song)
            tracks = (melody,)
        stop = self._metre_stop(song)
        frames = self._frames(*key_states(tracks, song, stop=stop))
        account = self._account(tracks, song, frames, stop=stop)
        positions = song_positions(song, len(frames))
        return Encoded(frames, positions, len(account.notes), account.lost, rule)

    def _metre_stop(self, song: Song) -> int:
        """The tick from which nothing is read; beyond the end when all is."""
        odd = [m.tick for m in song.metres if m.numerator not in (2, 4)]
        return song.end + 1 if self.keep_all_metres else min(odd, default=song.end + 1)

    def _frames(self, sounding: np.ndarray, struck: np.ndarray) -> np.ndarray:
        top = NUM_KEYS - 1 - np.argmax(sounding[:, ::-1], axis=1)
        frames = np.where(sounding.any(axis=1), top, self.silence)
        if self.rearticulate:
            is_struck = (sounding & struck)[np.arange(len(top)), top]
            frames = np.where(is_struck, self.first_struck + top, frames)
        return frames

    def _account(
        self, tracks: tuple[Track, ...], song: Song, frames: np.ndarray, *, stop: int
    ) -> NoteAccount:
        account = NoteAccount(np.concatenate([note_array([]), *(t.notes for t in tracks)]))
        account.lost["other_tracks"] = sum(len(t.notes) for t in song.tracks) - len(account.notes)
        account.keep_in_range()

        def steps(column: int) -> np.ndarray:
            return to_steps(account.notes[:, column], song.ticks_per_quarter)

        account.keep(account.notes[:, START] < stop, "after_the_metre_stop")
        account.keep(steps(START) < steps(END), "shorter_than_a_step")
        keys = self.keys_of(frames)
        sounds = keys[steps(START)] == account.notes[:, PITCH] - LOWEST_PITCH
        account.keep(sounds, "below_the_highest")
        onsets = steps(START)
        tied = (onsets > 0) & (keys[onsets - 1] == keys[onsets]) & (not self.rearticulate)
        account.keep(~tied, "tied_to_the_note_before")
        return account

    def keys_of(self, frames: np.ndarray) -> np.ndarray:
        """The key 0..77 that each class sounds, `NO_CLASS` for silence."""
        frames = np.asarray(frames)
        keys = np.where(frames >= self.first_struck, frames - self.first_struck, frames)
        return np.where(frames == self.silence, NO_CLASS, keys)

    def decode(
        self,
        frames: Sequence[int],
        *,
        metre: Metre = COMMON_TIME,
        tempo: float = 120.0,
        name: str = "song",
    ) -> Song:
        """Equal frames make one note. The lab lost the last note-off; here every note ends."""
        frames = np.asarray(frames, dtype=np.int64)
        keys = self.keys_of(frames)
        struck = (frames >= self.first_struck) & self.rearticulate
        begins = np.flatnonzero(np.append(True, (keys[1:] != keys[:-1]) | struck[1:])[: len(keys)])
        ends = np.append(begins, len(frames))[1:]
        rows = [
            (begin, end, LOWEST_PITCH + keys[begin], LAB_VELOCITY)
            for begin, end in zip(begins, ends, strict=True)
            if keys[begin] != NO_CLASS
        ]
        return song_on_grid(
            rows,
            len(frames),
            metre=metre,
            tempo=tempo,
            name=name,
            ticks_per_quarter=LAB_TICKS_PER_QUARTER,
        )

    def changes(self, previous: Tensor, targets: Tensor) -> Tensor:
        """Where the class is another than the one before."""
        return (targets != previous) & (targets >= 0)

    def class_name(self, index: int) -> str:
        """The pitch, "struck" where a struck one is a class of its own, or silence."""
        if index == self.silence:
            return "silence"
        name = pitch_name(LOWEST_PITCH + int(self.keys_of(np.array(index))))
        return f"{name} struck" if index >= self.first_struck else name

    def copied(self, frames: np.ndarray) -> np.ndarray:
        """The same key, held."""
        keys = self.keys_of(frames)
        return np.where(
            keys == NO_CLASS, np.where(frames == NO_CLASS, NO_CLASS, self.silence), keys
        )

    def class_keys(self) -> np.ndarray:
        """The key of each class but silence."""
        return self.keys_of(np.arange(self.num_classes))

    def class_states(self, sounding: np.ndarray) -> np.ndarray:
        """A key goes on where it sounds, unless it is struck."""
        keys = self.class_keys()
        states = held_or_struck(keys, sounding)
        if self.rearticulate:
            states[:, self.first_struck :] = STRUCK
        return np.stack([np.broadcast_to(keys, states.shape), states], axis=-1)


def key_states(
    tracks: tuple[Track, ...], song: Song, *, stop: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the 78 keys sound, and which are struck, in every frame: two (T, 78) arrays.

    As in the lab a frame holds the state after its last event, so that a note that ends in the
    frame in which it began is never seen, and a note-off silences the key whoever plays it. Events
    from the tick `stop` on are not read.
    """
    steps = int(to_steps(min(song.end, stop), song.ticks_per_quarter)) + 1
    notes = np.concatenate([note_array([]), *(track.notes for track in tracks)])
    index = np.repeat(np.arange(len(tracks)), [len(track.notes) for track in tracks])
    start, end, key = notes[:, START], notes[:, END], notes[:, PITCH] - LOWEST_PITCH
    begins = np.stack([start, index, start < end, key], axis=1)
    ends = np.stack([end, index, np.zeros_like(index), key], axis=1)
    events = np.concatenate([begins, ends])
    events = events[(events[:, 0] < stop) & (events[:, 3] >= 0) & (events[:, 3] < NUM_KEYS)]
    events = events[np.lexsort(events.T[::-1])]  # by tick, track, off before on
    frame = to_steps(events[:, 0], song.ticks_per_quarter)
    latest = np.zeros((steps, NUM_KEYS), dtype=np.int64)
    np.maximum.at(latest, (frame, events[:, 3]), np.arange(1, len(events) + 1))
    is_on = np.append(False, events[:, 2] == 1)
    struck = is_on[latest]
    return is_on[np.maximum.accumulate(latest, axis=0)], struck
