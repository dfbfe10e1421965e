"""Songs in other keys and at other tempos: the same music, in training alone."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.music.augmentation.song_augmentation import PRESETS, SongAugmentation
from dlcourse.music.augmentation.transposition import SHIFTS, draw_shifts, shift_ranges, transposed
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.datamodule import SongData
from dlcourse.music.encoding import IGNORED, Encoding
from dlcourse.music.lab2018 import Lab2018
from dlcourse.music.matrices.reading import read_matrices
from dlcourse.music.melody import Melody
from dlcourse.music.notes import PITCH, Song
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.predictor import NotePredictor
from dlcourse.splits import SPLITS, TRAIN, Fractions
from tests.conftest import random_melody
from tests.matrix_files import random_rolls, write_rolls

CONF = Path(__file__).resolve().parents[2] / "conf"
ENCODINGS = {
    "melody": Melody(lookback=[1]),
    "lab": Lab2018(min_steps=1),
    "lab-mended": Lab2018(min_steps=1, rests=True, rearticulate=True, true_melody=True),
    "roll": PianoRoll(lookback=[1]),
    "roll-without-onsets": PianoRoll(onsets=False, low=36, high=96),
}
EVERY_ENCODING = pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS.keys())
SEEDS = st.integers(0, 99)


def some_song(seed: int) -> Song:
    """Pitches from 40 to 83."""
    return random_melody("song", np.random.default_rng(seed), notes=30)


def moved(song: Song, semitones: int) -> Song:
    """The song in another key, note by note."""
    shift = np.eye(4, dtype=np.int32)[PITCH] * semitones
    return song.with_tracks(tuple(replace(t, notes=t.notes + shift) for t in song.tracks))


def shifted(encoding: Encoding, frames: np.ndarray, semitones: int) -> np.ndarray:
    return encoding.transpose(torch.from_numpy(frames)[None], torch.tensor([semitones]))[0].numpy()


def song_data(
    root: Path, encoding: Encoding, augment: object = None, **options: object
) -> SongData:
    settings = {"split": Fractions(val=0.25, test=0.25, split_seed=1), "window": 16, "seed": 0}
    settings |= {"supervise": "every", "draw": "windows", "batch_size": 4, "source": None}
    data = SongData(root=str(root), encoding=encoding, augment=augment, **settings | options)
    data.setup()
    return data


ALWAYS = SongAugmentation(transpose=[-5, 6], when="always")


@EVERY_ENCODING
@given(seed=SEEDS, semitones=st.integers(-4, 12))
def test_frames_of_a_transposed_song_are_its_transposed_frames(
    encoding: Encoding, seed: int, semitones: int
) -> None:
    song = some_song(seed)
    frames = encoding.encode(song).frames
    there = shifted(encoding, frames, semitones)
    assert there.tolist() == encoding.encode(moved(song, semitones)).frames.tolist()
    assert shifted(encoding, there, -semitones).tolist() == frames.tolist()
    assert semitones == 0 or there.tolist() != frames.tolist()


@given(
    keys=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted), min_size=1),
    semitones=st.tuples(st.integers(-20, 0), st.integers(0, 20)),
    seed=SEEDS,
)
def test_no_key_leaves_the_keyboard_and_every_allowed_interval_is_drawn(
    keys: list[list[int]], semitones: tuple[int, int], seed: int
) -> None:
    ranges = shift_ranges(torch.tensor(keys), 10, semitones=semitones)
    for (lowest, highest), (low, high) in zip(keys, ranges.tolist(), strict=True):
        allowed = [
            s for s in range(semitones[0], semitones[1] + 1) if lowest + s >= 0 and highest + s < 10
        ]
        assert [low, high] == [allowed[0], allowed[-1]]
    torch.manual_seed(seed)
    drawn = draw_shifts(ranges[:1].expand(1000, 2))
    low, high = ranges[0].tolist()
    assert set(drawn.tolist()) == set(range(low, high + 1))


@EVERY_ENCODING
def test_what_is_predicted_and_what_it_is_predicted_from_are_shifted_alike(
    encoding: Encoding, make_corpus
) -> None:
    data = song_data(make_corpus(8), encoding, ALWAYS)
    before = data.fetch(TRAIN, np.arange(40))
    torch.manual_seed(3)
    semitones = draw_shifts(before[SHIFTS])
    torch.manual_seed(3)
    after = transposed(before, encoding)
    assert len(set(semitones.tolist())) > 3
    # The frame before a step is the target of the step before: that still holds.
    following, last = after["context"][:, 1:, 0], after["targets"][:, :-1]
    known = last != IGNORED
    assert torch.equal(following[known].long(), last[known].long())
    for name in ("context", "targets"):
        for window, shift in zip(range(40), semitones.tolist(), strict=True):
            frames = before[name][window].numpy()
            assert after[name][window].tolist() == shifted(encoding, frames, shift).tolist()
    assert torch.equal(after["positions"], before["positions"])


class AnyKey(nn.Module):
    """Weighs a key by how far it is from those of the frame before, whichever they are.

    All others, those that name no key, have weights of their own.
    """

    def __init__(self, features: int, outputs: int, *, keys: int, first: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        far = torch.randn(keys, generator=generator)
        rows, columns = torch.meshgrid(torch.arange(keys), torch.arange(keys), indexing="ij")
        weights = torch.zeros(outputs, features)
        weights[first : first + keys, first : first + keys] = far[(rows - columns) % keys]
        self.weights = nn.Parameter(weights)

    def forward_features(self, features: Tensor, state: None = None) -> tuple[Tensor, None]:
        return features, state

    def forward_head(self, hidden: Tensor) -> Tensor:
        return hidden @ self.weights.T


def predictor(encoding: ClassEncoding) -> NotePredictor:
    """Of a network that knows no key."""
    first = 2 if isinstance(encoding, Melody) else 0
    net = partial(AnyKey, keys=encoding.num_keys, first=first)
    task = {"loss": nn.CrossEntropyLoss(), "optimizer": torch.optim.SGD, "scheduler": None}
    return NotePredictor(encoding=encoding, net=net, supervise="every", seed=0, **task)


@pytest.mark.parametrize("encoding", [Melody(), Lab2018(min_steps=1)], ids=["melody", "lab"])
def test_who_knows_no_key_finds_every_key_as_likely(encoding: ClassEncoding, make_corpus) -> None:
    model, data = predictor(encoding), song_data(make_corpus(8), encoding, ALWAYS)
    batch = data.fetch(TRAIN, np.arange(40))
    untouched = {key: value for key, value in batch.items() if key != SHIFTS}
    loss = model.training_step(untouched, 0)["loss"].item()
    torch.manual_seed(0)
    assert model.training_step(batch, 0)["loss"].item() == pytest.approx(loss, rel=1e-5)
    torch.manual_seed(0)
    mistake = untouched | {"context": transposed(batch, encoding)["context"]}
    assert abs(model.training_step(mistake, 0)["loss"].item() - loss) > 0.01


def test_the_step_alone_decides_on_the_keys(make_corpus) -> None:
    model, data = predictor(Melody()), song_data(make_corpus(8), Melody(), ALWAYS)
    shape = Melody().num_classes, Melody().num_features
    model.net.weights = nn.Parameter(torch.randn(shape, generator=torch.Generator()))
    batch = data.fetch(TRAIN, np.arange(40))
    losses = []
    for seed in (5, 5, 6):
        torch.rand(seed)  # whatever was drawn before
        model.seed = seed  # of the run; the step is 0 without a Trainer
        model.on_train_batch_start(batch, 0)
        losses.append(model.training_step(batch, 0)["loss"].item())
    assert losses[0] == losses[1] != losses[2]


@EVERY_ENCODING
def test_nothing_that_is_held_out_is_varied(encoding: Encoding, make_corpus) -> None:
    augment = replace(ALWAYS, stretch=[0.5, 2.0], velocity=20)
    root = make_corpus(8)
    plain, varied = song_data(root, encoding), song_data(root, encoding, augment)
    for split in SPLITS:
        songs = [entry.file for entry in plain.tables[split].entries]
        assert [entry.file for entry in varied.songs(split)] == songs
        if split != TRAIN:
            assert [entry.file for entry in varied.tables[split].entries] == songs
            items = np.arange(plain.held_out_size(split)[0])
            ours, theirs = varied.fetch(split, items), plain.fetch(split, items)
            assert ours.keys() == theirs.keys()
            assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert len(varied.tables[TRAIN].entries) > len(plain.tables[TRAIN].entries)
    assert {e.split for e in varied.augmented.copies} == {TRAIN}
    assert {e.group for e in varied.augmented.copies} <= {e.group for e in varied.songs(TRAIN)}


@pytest.mark.parametrize("encoding", [Melody(), Lab2018(min_steps=1)], ids=["melody", "lab"])
def test_class_counts_are_those_of_all_keys_that_may_be_drawn(
    encoding: ClassEncoding, make_corpus
) -> None:
    data = song_data(make_corpus(8), encoding, SongAugmentation(transpose=[-40, 2], when="always"))
    expected = np.zeros(encoding.num_classes)
    for entry in data.songs(TRAIN):
        low, high = encoding.key_range(entry.encoded.frames)
        shifts = range(max(-40, -low), min(2, encoding.num_keys - 1 - high) + 1)
        for semitones in shifts:
            frames = shifted(encoding, entry.encoded.frames, semitones)
            expected += np.bincount(frames[frames >= 0], minlength=len(expected)) / len(shifts)
    assert data.class_counts().numpy() == pytest.approx(expected)


def tune(scale: list[int], tonic: int, rng: np.random.Generator) -> Song:
    """A cadence among other notes of its scale."""
    degrees = [0, 2, 4, 3, 5, 0, 4, 6, 1, 0, 2, 4, 0, *rng.integers(0, 7, 4), 0, 0, 4, 2, 0]
    song = some_song(0)
    rows = [(120 * i, 120 * i + 120, 60 + tonic + scale[d], 80) for i, d in enumerate(degrees)]
    melody = replace(song.tracks[0], notes=np.array(rows, dtype=np.int32))
    return replace(song, tracks=(melody,), end=rows[-1][1])


MAJOR, MINOR = [0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 11]
CORPORA = {
    "relatives": ([(MAJOR, 0)] * 12 + [(MINOR, 9)] * 4 + [(MAJOR, 6)] * 4, 16, "C major or A min"),
    "one-too-few": ([(MAJOR, 0)] * 12 + [(MINOR, 9)] * 3 + [(MAJOR, 6)] * 5, 15, "C major or A m"),
    "parallels": ([(MAJOR, 2)] * 9 + [(MINOR, 2)] * 11, 20, "D major or D minor"),
    "all-keys": ([(MAJOR, k) for k in range(12)] + [(MINOR, k) for k in range(12)], 2, ""),
}


@pytest.mark.parametrize("alone", [False, True], ids=["songs", "frames-alone"])
@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA.keys())
def test_songs_that_share_a_key_are_not_transposed_unless_told_to(
    corpus: tuple, alone: bool, make_corpus
) -> None:
    keys, number, names = corpus
    entry = song_data(make_corpus(8), Melody()).songs(TRAIN)[0]
    rng = np.random.default_rng(0)
    songs = [tune(scale, tonic, rng) for scale, tonic in keys]
    entries = [
        replace(entry, song=None if alone else song, encoded=Melody().encode(song))
        for song in songs
    ]
    augment = SongAugmentation(transpose=[-5, 6], share=0.8)
    decided = augment.of(entries, Melody(), seed=0)
    assert f"{number} of {len(keys)} training songs are in {names}" in decided.facts[0]
    off = number >= 0.8 * len(keys)
    assert decided.semitones == (None if off else (-5, 6))
    assert decided.facts[0].startswith("transposition is off: " if off else "transposed by -5 to 6")
    assert ("augment.when=always" in decided.facts[0]) == off
    forced = replace(augment, when="always").of(entries, Melody(), seed=0)
    assert forced.semitones == (-5, 6)
    strict = replace(augment, share=1).of(entries, Melody(), seed=0)
    assert strict.semitones == (None if number == len(keys) else (-5, 6))


def test_benchmark_matrices_are_transposed_and_cannot_be_stretched(tmp_path: Path) -> None:
    path = write_rolls(tmp_path / "m.mat", [random_rolls(n, seed=n) for n in (5, 2, 3)])
    reader = partial(read_matrices, file="m.mat", steps_a_bar=8)
    augment = replace(ALWAYS, stretch=[2.0])
    encoding = PianoRoll(onsets=False)
    data = song_data(path, encoding, augment, reader=reader, split=None)
    batch = data.fetch(TRAIN, np.arange(20))
    changed = transposed(batch, encoding)
    assert not torch.equal(changed["targets"], batch["targets"])
    sums = [(b["targets"].clamp(min=0)).sum((1, 2)).tolist() for b in (batch, changed)]
    assert sums[0] == sums[1]
    assert data.augmented.copies == []
    assert "left out 5 for frames without notes at 2" in data.augmented.facts[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"transpose": [1, 6]}, "augment.transpose"),
        ({"transpose": [-5]}, "two numbers"),
        ({"when": "never"}, "choose auto or always"),
        ({"share": 0}, "augment.share=0"),
        ({"stretch": [3]}, "choose of 0.5, 2.0"),
        ({"velocity": -1}, "augment.velocity=-1"),
    ],
)
def test_a_value_out_of_range_is_one_clear_line(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        SongAugmentation(**options)
    assert "\n" not in str(error.value)


def test_who_asks_for_velocities_is_told_that_they_change_nothing(make_corpus) -> None:
    data = song_data(make_corpus(4), Melody(), SongAugmentation(velocity=9))
    (fact,) = data.augmented.facts
    assert fact == ("augment.velocity=9 changes nothing that is learnt: Melody keeps no velocities")
    assert data.augmented.copies == []
    assert SHIFTS not in data.fetch(TRAIN, np.arange(4))


def test_what_varies_radiographs_is_refused_with_a_list_of_what_varies_songs(
    make_corpus,
) -> None:
    with pytest.raises(InputError, match="Dropout varies radiographs") as error:
        song_data(make_corpus(4), Melody(), nn.Dropout())
    assert all(name in str(error.value) for name in PRESETS)
    assert song_data(make_corpus(4), Melody(), nn.Identity()).augmented.facts == []


def test_every_preset_of_songs_is_named_in_that_list() -> None:
    names = [
        p.stem for p in (CONF / "augment").glob("*.yaml") if "torchvision" not in p.read_text()
    ]
    assert sorted(names) == list(PRESETS)
