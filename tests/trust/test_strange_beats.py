"""Beat annotations from strangers: read or refused in one line."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from dlcourse.errors import InputError
from dlcourse.music.composer import compose_song
from dlcourse.music.corpus import BEAT_FILE, read_corpus
from dlcourse.music.melody import Melody
from dlcourse.music.midi import write_midi
from dlcourse.music.pianoroll import PianoRoll
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.midi_bytes import NOTE, midi_of
from tests.trust.midi_checks import check_entry, check_line, in_batches
from tests.trust.mutating import mutated

BEATS = "".join(f"{0.5 * i:.2f} {float(i % 4 == 0)} {float(i % 4 == 0)}\n" for i in range(64))
STRANGE_BEATS = {
    "denormal": "0 1 1\n1e-320 0 0\n2e-320 0 0\n",
    "a day apart": "0 1 1\n1 0 0\n90000 0 0\n",
    "beyond all numbers": "-1e308 1 1\n1e308 0 0\n",
    "infinite": "0 1 1\ninf 0 0\n",
    "not a number": "0 1 1\n1 nan 0\n",
    "ragged": "0 1 1\n1 0\n",
    "words": "0 1 1\n\x1b[31mone 0 0\n",
    "not UTF-8": b"\xff\xfe0 1 1\n",
    "one long word": "0 1 1\n1 0 " + "9" * 100_000,
    "large": BEATS * 4000,
    "many": "".join(f"{0.02 * i:.2f} 0 0\n" for i in range(300_000)),
}


def read_performed(folder: Path) -> None:
    for encoding in (Melody(), PianoRoll()):
        read_corpus(folder, encoding, timing="performed")


@pytest.mark.parametrize("kind", STRANGE_BEATS)
def test_strange_beats_are_refused_in_one_line(tmp_path: Path, kind: str, trials: Trials) -> None:
    trials("strange beat annotations", usual=1, nightly=1)
    content = STRANGE_BEATS[kind]
    write_midi(compose_song(0), tmp_path / "x.mid")
    (tmp_path / BEAT_FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(read_performed, tmp_path, megabytes=500, seconds=10)
    if kind == "many":
        assert message is None
    else:
        check_line(message)
        assert len(message) < 800


def test_a_song_that_its_beats_make_too_long_is_refused(tmp_path: Path) -> None:
    slow = b"\x00\xff\x51\x03\xff\xff\xff"  # 17 seconds a quarter, for a thousand bars
    (tmp_path / "x.mid").write_bytes(midi_of(slow + NOTE * 4000))
    lines = (f"{0.01 * 1.1 * i} 0 0" for i in range(100))
    (tmp_path / BEAT_FILE).write_text("\n".join(lines))
    message = refused(read_performed, tmp_path, megabytes=300, seconds=10)
    assert "quarter notes by its annotated beats" in message


def read_changed_beats(folder: Path, files: Sequence[bytes], numbers: range) -> None:
    read = 0
    for number in numbers:
        (folder / "at").write_text(str(number))
        rng = np.random.default_rng(number)
        content = bytearray(files[0])
        content[rng.integers(len(content))] = rng.choice([*b"019.- e\n\x00"])  # a slip of the pen
        content = bytes(content) if number % 2 else mutated(files[0], rng)
        (folder / BEAT_FILE).write_bytes(content)
        try:
            entry = read_corpus(folder, Melody(), timing="performed")[0]
            read += check_entry(entry, Melody())
        except InputError as error:
            check_line(str(error))
    (folder / "outcomes").write_text(str(read))


def test_changed_beats_are_read_or_refused_in_one_line(tmp_path: Path, trials: Trials) -> None:
    count = trials("mutated beat annotations", usual=150, nightly=2000)
    write_midi(compose_song(0), tmp_path / "x.mid")
    assert 0.1 * count < in_batches(read_changed_beats, tmp_path, [BEATS.encode()], count) < count
