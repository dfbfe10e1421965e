"""Frames of states: one after another, transposed, and as the network sees them."""

import numpy as np
import pytest
import torch

from dlcourse.errors import InputError
from dlcourse.music.notes import HELD, OFF, STRUCK
from dlcourse.music.pianoroll import PianoRoll
from tests.music.small_rolls import keyboard, random_frames

Rows = list[tuple[int, int, int]]  # onset, end, pitch


@pytest.mark.parametrize("onsets", [False, True])
def test_states_are_those_of_one_step_after_another_and_frames_come_of_them(onsets: bool) -> None:
    encoding = keyboard(5, onsets=onsets)
    frames = random_frames(encoding, 4, 30, seed=0).numpy()
    states = encoding.states(frames)
    for song in range(4):
        before = np.zeros(5, dtype=np.uint8)
        for step in range(30):
            for key in range(5):
                frame = frames[song, step, key]
                struck = before[key] == OFF or (onsets and frame == STRUCK)
                expected = OFF if frame == 0 else STRUCK if struck else HELD
                assert states[song, step, key] == expected
            before = encoding.next_states(before[None], frames[song, step][None])[0]
            assert np.array_equal(before, states[song, step])
    assert states.dtype == np.uint8
    again = encoding.from_states(states)
    assert np.array_equal(again > 0, frames > 0)
    assert np.array_equal(encoding.states(again), states)
    if not onsets:
        assert np.array_equal(again, frames)


def test_a_song_is_transposed_by_its_own_semitones_and_its_range_says_how_far() -> None:
    encoding = keyboard(12, lookback=(1,))
    frames = torch.zeros(3, 4, 2, 12, dtype=torch.int8)
    frames[..., 4:7] = random_frames(keyboard(3), 3, 4, 2, seed=1)
    semitones = torch.tensor([-4, 0, 5])
    moved = encoding.transpose(frames, semitones)
    for song, by in enumerate(semitones.tolist()):
        was, now = (encoding.key_range(x[song].flatten(0, 1).numpy()) for x in (frames, moved))
        assert was == (4, 6)
        assert now == (4 + by, 6 + by)
        assert torch.equal(moved[song, ..., 4 + by : 7 + by], frames[song, ..., 4:7])
    assert encoding.key_range(np.zeros((9, 12), dtype=np.int8)) == (12, -1)
    ignored = torch.full((1, 2, 12), -100, dtype=torch.int8)
    assert torch.equal(encoding.transpose(ignored, torch.tensor([3])), ignored)
    assert encoding.is_scored(torch.cat([ignored, frames[:1, 0]], dim=1)).tolist() == [
        [False, False, True, True]
    ]


@pytest.mark.parametrize("onsets", [False, True])
def test_the_input_is_what_sounds_then_what_is_struck_of_each_earlier_frame(onsets: bool) -> None:
    encoding = PianoRoll(onsets=onsets, low=60, high=62, lookback=(1, 2))
    context = random_frames(encoding, 2, 5, 3, seed=2)
    positions = torch.tensor([[[31, 5, 16]] * 5, [[0, 1, 12]] * 5])
    features = encoding.features(context, positions)
    assert features.shape == (2, 5, encoding.num_features)
    for song, step in np.ndindex(2, 5):
        expected = []
        for frame in context[song, step].tolist():
            expected += [float(state > 0) for state in frame]
            expected += [float(state == STRUCK) for state in frame] if onsets else []
        bar, beat, _ = positions[song, step].tolist()
        expected += [float(i == bar) for i in range(32)] + [float(i == beat) for i in range(6)]
        assert features[song, step].tolist() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 70, "high": 60}, "low=70, high=60: 0 <= low <= high <= 127"),
        ({"high": 128}, "high=128"),
        ({"low": -1}, "low=-1"),
        ({"steps_per_quarter": 0}, "steps_per_quarter=0: at least 1"),
    ],
)
def test_senseless_keyboards_are_errors(options: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PianoRoll(**options)


def test_the_unit_says_how_long_a_step_is_and_how_many_keys_there_are() -> None:
    assert PianoRoll().unit == "nats per 16th, all 88 keys"
    assert keyboard(4).unit == "nats per 16th, all 4 keys"
    assert PianoRoll(steps_per_quarter=12).unit == "nats per 1/48 note, all 88 keys"
    assert PianoRoll(unit="nats per chord").unit == "nats per chord"
