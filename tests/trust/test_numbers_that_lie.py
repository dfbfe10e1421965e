"""Lies are planted in the code, one at a time; each is noticed by a check that knows better.

A check is an independent way to the same number: a file read by itself, a formula written out,
another library. It has to pass on the code as it is, and to fail on the code with the lie in it.
"""

import copy
import csv
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from dlcourse.data import CourseData
from dlcourse.music.datamodule import SongData
from dlcourse.music.melody import Melody
from dlcourse.music.midi import read_midi
from dlcourse.music.predictor import NotePredictor
from dlcourse.music.scoring.scoring import ClassScoring
from dlcourse.music.tables import ClassTable
from dlcourse.splits import TEST, TRAIN, VAL
from dlcourse.training import build
from dlcourse.xray import evaluation, predictions, report
from dlcourse.xray.callbacks import predict_split
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.detector import PneumothoraxDetector
from dlcourse.xray.evaluation import Scored
from dlcourse.xray.predictions import Predictions
from dlcourse.xray.studies import PNEUMOTHORAX
from tests.composing import QUICK, QUICK_XRAY, composed
from tests.reliability import Trials
from tests.xray.scored_samples import scored


@dataclass(frozen=True)
class Lab:
    """Small data of both wings, and networks that know nothing yet."""

    songs: SongData
    notes: NotePredictor
    images: RadiographData
    detector: PneumothoraxDetector

    def seen(self, split: str) -> Predictions:
        """What the detector says of a split."""
        return predict_split(self.detector, self.images, split)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    songs, notes = build(composed(folder / "a", *QUICK, "split.test=0.4", quick=False))
    images, detector = build(
        composed(folder / "b", *QUICK_XRAY, "data.source.patients=12", quick=False)
    )
    return Lab(songs, notes.eval(), images, detector.eval())


# What knows better.


def pitches_are_those_of_the_file(lab: Lab) -> None:
    entry = lab.songs.songs(TRAIN)[0]
    song = read_midi(lab.songs.source.folder(lab.songs.data_dir) / entry.file)
    encoded = Melody().encode(song)
    name = encoded.melody.split("'")[1]
    melody = next(track for track in song.tracks if track.name == name)
    struck = [24 + frame - 2 for frame in encoded.frames.tolist() if frame >= 2]  # from C1 on
    assert struck == melody.notes[np.argsort(melody.notes[:, 0], kind="stable"), 2].tolist()


def targets_are_what_the_next_frame_shows(lab: Lab) -> None:
    batch = lab.songs.fetch(TRAIN, np.arange(6))
    assert torch.equal(batch["context"][:, 1:, 0].long(), batch["targets"][:, :-1].long())


def labels_are_those_of_the_index(lab: Lab) -> None:
    folder = lab.images.source.folder(lab.images.data_dir)
    with open(next(folder.glob("Data_Entry*.csv")), newline="") as lines:
        said = {r["Image Index"]: r["Finding Labels"].split("|") for r in csv.DictReader(lines)}
    data = copy.copy(lab.images)
    data.radiographs, data.findings = lab.images.radiographs, ("Mass", PNEUMOTHORAX, "Hernia")
    data.__dict__.pop("truths", None)  # it is worked out once
    for split in (TRAIN, VAL, TEST):
        names = [Path(study.file).name for study in data.studies(split)]
        expected = [[finding in said[name] for finding in data.findings] for name in names]
        found = data.fetch(split, np.arange(len(names)))["targets"]
        assert found.bool().tolist() == expected


def the_test_is_of_the_test_files(lab: Lab) -> None:
    loader = lab.images.test_dataloader()
    images = torch.cat([batch["images"][:, 0] for batch in loader]).numpy()
    assert np.array_equal(images, lab.images.images(TEST))
    assert {s.patient for s in lab.images.studies(TEST)}.isdisjoint(
        s.patient for s in lab.images.studies(VAL)
    )


def probabilities_are_the_softmax_of_the_positive_class(lab: Lab) -> None:
    said = lab.seen(TEST).probabilities[:, 0]
    with torch.no_grad():
        for item, p in enumerate(said):
            image = torch.from_numpy(lab.images.images(TEST, np.array([item])))[:, None]
            first, second = lab.detector.net(image)[0].double().exp().tolist()
            assert p == pytest.approx(second / (first + second), rel=1e-5)


def the_area_is_that_of_scikit_learn(lab: Lab) -> None:
    sample = scored(30)
    found = evaluation.evaluate(sample, scored(10, seed=1), scored(9).studies, finding=PNEUMOTHORAX)
    area = roc_auc_score(sample.truths, sample.probabilities)
    assert area > 0.7
    assert found["test"]["model"]["auroc"] == pytest.approx(area)
    assert found["test"]["metadata only"]["auroc"] < 0.7


def rows_of_the_evaluation_are_those_of_the_images(lab: Lab) -> None:
    seen = lab.seen(VAL)
    handed = report._scored(seen, PNEUMOTHORAX)
    for study, truth, p, other in zip(
        handed.studies, handed.truths, handed.probabilities, seen.probabilities[:, 0], strict=True
    ):
        assert (bool(truth), p) == (study.has(PNEUMOTHORAX), other)


def maps_and_bias_are_the_log_odds(lab: Lab) -> None:
    seen = lab.seen(VAL)
    odds = seen.evidence(PNEUMOTHORAX).mean((1, 2)) + seen.bias[1] - seen.bias[0]
    p = seen.probabilities[:, 0]
    assert odds == pytest.approx(np.log(p / (1 - p)), abs=1e-4)


def the_threshold_is_that_of_the_validation(lab: Lab) -> None:
    test, val = scored(30), scored(30, seed=1, skill=1.0)
    fpr, tpr, thresholds = roc_curve(val.truths, val.probabilities, drop_intermediate=False)
    point = evaluation._operating_point(test, val, "youden")
    assert point["threshold"] == pytest.approx(thresholds[np.argmax(tpr - fpr)])
    assert point["tp"] == sum(test.truths & (test.probabilities >= point["threshold"]))


def whose_image_it_is_counts_in_the_interval(lab: Lab) -> None:
    """The same images once more say nothing new."""
    one = scored(20, each=1, skill=0.5)
    twice = Scored(np.tile(one.truths, 2), np.tile(one.probabilities, 2), one.studies * 2)
    ends = [
        evaluation.evaluate_findings(
            Scored(s.truths[:, None], s.probabilities[:, None], s.studies), findings=["it"]
        )["findings"]["it"]["auroc_interval"]
        for s in (one, twice)
    ]
    assert ends[0] == pytest.approx(ends[1])


def a_fair_guess_among_all_classes_costs_the_logarithm_of_their_number(lab: Lab) -> None:
    model = copy.deepcopy(lab.notes)
    with torch.no_grad():
        for parameter in model.net.head.parameters():
            parameter.zero_()
    out = model.test_step(lab.songs.fetch(TEST, np.arange(1)), 0)
    classes = lab.songs.encoding.num_classes
    assert out["nats"].mean().item() == pytest.approx(math.log(classes), rel=1e-5)
    assert model.test_metrics["nll"].compute().item() == pytest.approx(math.log(classes), rel=1e-5)


def each_song_has_its_own_score(lab: Lab) -> None:
    scores, count = ClassScoring(lab.songs.encoding), len(lab.songs.songs(TEST))
    assert count > 1
    with torch.inference_mode():
        scores.add(lab.notes.test_step(lab.songs.fetch(TEST, np.arange(count)), 0))
        for song, sums in scores.model().items():
            alone = lab.notes.test_step(lab.songs.fetch(TEST, np.array([song])), 0)["nats"]
            assert sums["nll"] == pytest.approx(alone.sum().item(), rel=1e-5)


def a_song_in_another_key_is_that_many_semitones_away(lab: Lab) -> None:
    frames = torch.from_numpy(lab.songs.songs(TRAIN)[0].encoded.frames)[None]
    moved = lab.songs.encoding.transpose(frames, torch.tensor([3]))
    before, after = (lab.songs.encoding.decode(f[0].numpy()) for f in (frames, moved))
    assert np.array_equal(after.tracks[0].notes[:, 2], before.tracks[0].notes[:, 2] + 3)


# The lies.


def also(owner: object, name: str, change: Callable, patch: pytest.MonkeyPatch) -> None:
    """What a function says, changed."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *a, **k: change(original(*a, **k)))


def shifted_targets(batch: dict) -> dict:
    return batch | {"targets": batch["context"][..., 0]}


def rolled_columns(patch: pytest.MonkeyPatch) -> None:
    original = RadiographData.truths.func
    lie = property(lambda self: {s: np.roll(t, 1, 1) for s, t in original(self).items()})
    patch.setattr(RadiographData, "truths", lie)


def of_another_column(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(predictions, "log_odds", lambda logits: logits[:, :1] - logits[:, 1:])


def bits_in_metrics(patch: pytest.MonkeyPatch) -> None:
    original = torch.Tensor.log_softmax
    patch.setattr(torch.Tensor, "log_softmax", lambda x, dim: original(x, dim) / math.log(2))


def next_song(sums: dict) -> dict:
    return {(song + 1) % len(sums): row for song, row in sums.items()}


def from_the_test(patch: pytest.MonkeyPatch) -> None:
    original = evaluation._operating_point
    patch.setattr(evaluation, "_operating_point", lambda t, v, rule: original(t, t, rule))


def validation_as_test(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CourseData, "test_dataloader", CourseData.val_dataloader)


def images_as_patients(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scored, "patients", property(lambda self: [*map(str, range(len(self.studies)))]))


def reversed_rows(sample: Scored) -> Scored:
    return replace(sample, probabilities=sample.probabilities[::-1])


def one_minus(sample: Scored) -> Scored:
    return replace(sample, probabilities=1 - sample.probabilities)


def of_the_other_class(curve: tuple) -> tuple:
    return *curve[:2], 1 - curve[2]


LIES: list[tuple[str, Callable[[pytest.MonkeyPatch], None], Callable[[Lab], None]]] = [
    ("every pitch a semitone too high",
     partial(also, Melody, "_frames", lambda f: f + (f >= 2)), pitches_are_those_of_the_file),
    ("targets a frame too early",
     partial(also, ClassTable, "windows", shifted_targets), targets_are_what_the_next_frame_shows),
    ("transposed by a semitone more",
     partial(also, Melody, "transpose", lambda f: f + (f >= 2)),
     a_song_in_another_key_is_that_many_semitones_away),
    ("likelihoods in bits", bits_in_metrics,
     a_fair_guess_among_all_classes_costs_the_logarithm_of_their_number),
    ("the scores of the next song",
     partial(also, ClassScoring, "model", next_song), each_song_has_its_own_score),
    ("columns of findings shifted by one", rolled_columns, labels_are_those_of_the_index),
    ("validation tested as the test", validation_as_test, the_test_is_of_the_test_files),
    ("the ROC of the wrong column", of_another_column,
     probabilities_are_the_softmax_of_the_positive_class),
    ("the area of the other class",
     partial(also, evaluation, "compute_roc", of_the_other_class),
     the_area_is_that_of_scikit_learn),
    ("one minus the probability",
     partial(also, report, "_scored", one_minus), rows_of_the_evaluation_are_those_of_the_images),
    ("scores in another order than truths",
     partial(also, report, "_scored", reversed_rows),
     rows_of_the_evaluation_are_those_of_the_images),
    ("maps without the bias",
     partial(also, predictions, "Predictions", lambda p: replace(p, bias=0 * p.bias)),
     maps_and_bias_are_the_log_odds),
    ("the threshold of the test", from_the_test, the_threshold_is_that_of_the_validation),
    ("images resampled for patients", images_as_patients,
     whose_image_it_is_counts_in_the_interval),
]  # fmt: skip


@pytest.mark.parametrize(("name", "plant", "check"), LIES, ids=[lie[0] for lie in LIES])
def test_a_lie_in_the_code_is_noticed(
    lab: Lab, trials: Trials, monkeypatch: pytest.MonkeyPatch, name: str, plant, check
) -> None:
    trials("lies planted in the code", usual=1, nightly=1)
    check(lab)
    with monkeypatch.context() as patch:
        plant(patch)
        with pytest.raises(AssertionError):
            check(lab)
    check(lab)


def test_no_check_notices_a_lie_of_the_other_wing(lab: Lab, monkeypatch) -> None:
    """A check that fails whatever is planted would notice nothing."""
    with monkeypatch.context() as patch:
        rolled_columns(patch)
        targets_are_what_the_next_frame_shows(lab)
    with monkeypatch.context() as patch:
        also(Melody, "_frames", lambda f: f + (f >= 2), patch)
        maps_and_bias_are_the_log_odds(lab)
