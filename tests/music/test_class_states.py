"""What a class does to the keys: the states of a melody are those of the notes it decodes to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlcourse.music.class_encoding import NO_CLASS, ClassEncoding
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.melody import Melody
from dlcourse.music.notes import HELD, LOWEST_PITCH, NUM_KEYS, OFF, STRUCK

ENCODINGS = {
    "melody": Melody(),
    "lab2018": Lab2018(),
    "lab2018 with rests": Lab2018(rests=True),
    "lab2018 with struck keys": Lab2018(rearticulate=True),
    "lab2018 with both": Lab2018(rests=True, rearticulate=True),
}
EVERY_ENCODING = pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)


def few_classes(encoding: ClassEncoding, seed: int, *shape: int) -> np.ndarray:
    """Frames of three keys and whatever names none, so that keys go on and come again."""
    keys = encoding.class_keys()
    classes = np.flatnonzero((keys < 2) | (keys == NUM_KEYS - 1))
    if isinstance(encoding, Lab2018) and encoding.silence == NO_CLASS:
        classes = np.append(classes, NO_CLASS)
    return np.random.default_rng(seed).choice(classes, shape)


@EVERY_ENCODING
@given(seed=st.integers(0, 999), steps=st.integers(0, 40))
def test_a_key_is_struck_where_a_decoded_note_begins_and_held_where_it_goes_on(
    encoding: ClassEncoding, seed: int, steps: int
) -> None:
    frames = few_classes(encoding, seed, 2, steps)
    states = encoding.states(frames)
    assert states.dtype == np.uint8
    for song in range(2):
        decoded, expected = encoding.decode(frames[song]), np.full((steps, NUM_KEYS), OFF)
        step = decoded.ticks_per_quarter // 4
        for start, end, pitch, _ in decoded.tracks[0].notes.tolist():
            key = pitch - LOWEST_PITCH
            assert not expected[start // step : end // step, key].any()
            expected[start // step : end // step, key] = HELD
            expected[start // step, key] = STRUCK
        assert np.array_equal(states[song], expected)
        assert ((expected > 0).sum(1) <= 1).all()


@EVERY_ENCODING
def test_the_weight_of_a_class_is_that_of_the_states_it_brings_about(
    encoding: ClassEncoding,
) -> None:
    """Against adding up the weights of all keys, less those of silence."""
    rng, songs = np.random.default_rng(0), 6
    weights = rng.normal(size=(songs, NUM_KEYS, 3))
    before = np.zeros((songs, NUM_KEYS), dtype=np.uint8)
    before[np.arange(4), [0, 5, 77, 5]] = [HELD, STRUCK, STRUCK, HELD]
    found = encoding.class_weights(weights, before)
    assert found.shape == (songs, encoding.num_classes)
    for option in range(encoding.num_classes):
        after = encoding.next_states(before, np.full(songs, option))
        for song in range(songs):
            each = [weights[song, key, after[song, key]] for key in range(NUM_KEYS)]
            expected = sum(each) - weights[song, :, OFF].sum()
            assert found[song, option] == pytest.approx(expected, abs=1e-9)


def test_a_melody_holds_or_strikes_the_key_that_sounds_and_the_lab_can_only_hold_it() -> None:
    """Spelled out; key 0 sounds, then nothing."""
    before = np.array([[STRUCK, OFF], [OFF, OFF]], dtype=np.uint8)
    before = np.pad(before, ((0, 0), (0, NUM_KEYS - 2)))

    def after(encoding: ClassEncoding, option: int) -> list[list[int]]:
        return encoding.next_states(before, np.full(2, option))[:, :2].tolist()

    melody, lab = Melody(), Lab2018(rests=True)
    assert after(melody, melody.HOLD) == [[HELD, OFF], [OFF, OFF]]
    assert after(melody, melody.REST) == [[OFF, OFF], [OFF, OFF]]
    assert after(melody, melody.FIRST_KEY) == [[STRUCK, OFF], [STRUCK, OFF]]
    assert after(melody, melody.FIRST_KEY + 1) == [[OFF, STRUCK], [OFF, STRUCK]]
    assert after(lab, 0) == [[HELD, OFF], [STRUCK, OFF]]
    assert after(lab, 1) == [[OFF, STRUCK], [OFF, STRUCK]]
    assert after(lab, lab.silence) == [[OFF, OFF], [OFF, OFF]]
    assert after(Lab2018(rearticulate=True), NUM_KEYS) == [[STRUCK, OFF], [STRUCK, OFF]]
