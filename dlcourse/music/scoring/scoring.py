"""What the table of results asks of an encoding, chosen once: how its frames are scored.

A scoring is given what the predictor says of the test split, batch by batch, and then knows the
model's row, the baselines' rows and what else a run of its kind reports.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from dlcourse.gallery import Overlay
from dlcourse.music.class_encoding import ClassEncoding
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoded, Encoding
from dlcourse.music.pianoroll import PianoRoll
from dlcourse.music.scoring import class_scores, roll_scores
from dlcourse.music.scoring.baselines import Baseline, fit_baselines
from dlcourse.music.scoring.measures import Files, Measures, Sums
from dlcourse.music.scoring.roll_baselines import RollBaseline, fit_roll_baselines
from dlcourse.progress import progress_bar

Row = tuple[str, Files]  # the kind of likelihood, and the sums by file


class Scoring(Protocol):
    """How the frames of one kind of encoding are scored."""

    measures: Measures

    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """Keep the scores of a batch, from what the predictor says of it."""
        ...

    def model(self) -> dict[int, Sums]:
        """The model's sums for every song that was scored, by its place in the split."""
        ...

    def baselines(
        self,
        train: Sequence[Encoded],
        val: Sequence[Encoded],
        entries: Sequence[Entry],
        scored: Sequence[np.ndarray],
    ) -> dict[str, Row]:
        """The baselines, fitted on training and validation songs.

        Args:
            entries: The test songs.
            scored: Which frames (T,) of each are scored.
        """
        ...

    def details(self) -> dict[str, Any]:
        """What `results.json` says of the model besides the table."""
        ...

    def curves(self) -> dict[str, Overlay]:
        """Curves of the model that can be laid over those of other runs."""
        ...


class ClassScoring:
    """Frames of one class each; see `class_scores`."""

    measures = class_scores.CLASS_MEASURES

    def __init__(self, encoding: ClassEncoding) -> None:
        self.encoding = encoding
        self._songs: list[np.ndarray] = []
        self._scores: list[class_scores.FrameScores] = []

    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """See `Scoring`.

        Of "probabilities" (M, K), and of "nats", "targets", "changes" and "song" (M,).
        """
        names = ("probabilities", "targets", "changes", "nats")
        *columns, nats = (outputs[name].cpu().numpy() for name in names)
        self._scores.append(class_scores.score_frames(*columns, nats=nats))
        self._songs.append(outputs["song"].cpu().numpy())

    def model(self) -> dict[int, Sums]:
        """See `Scoring`."""
        songs, scores = np.concatenate(self._songs), self._joined()
        return {int(song): scores.sums(songs == song) for song in np.unique(songs)}

    def baselines(
        self,
        train: Sequence[Encoded],
        val: Sequence[Encoded],
        entries: Sequence[Entry],
        scored: Sequence[np.ndarray],
    ) -> dict[str, Row]:
        """See `Scoring`."""
        fitted: dict[str, Baseline] = fit_baselines(train, val, self.encoding)
        score = class_scores.score_baseline
        return {
            name: (each.kind, score(each, entries, scored, self.encoding))
            for name, each in fitted.items()
        }

    def details(self) -> dict[str, Any]:
        """How every class was foreseen, and how well the probabilities are calibrated."""
        scores = self._joined()
        return {
            "model_by_class": class_scores.by_class(scores, self.encoding),
            "calibration": class_scores.calibration(scores),
        }

    def curves(self) -> dict[str, Overlay]:
        """The reliability diagram."""
        calibrated = class_scores.calibration(self._joined())
        curve = class_scores.calibration_overlay(calibrated)
        return {"calibration of the most probable class": curve}

    def _joined(self) -> class_scores.FrameScores:
        fields = (field.name for field in dataclasses.fields(class_scores.FrameScores))
        columns = (np.concatenate([getattr(s, name) for s in self._scores]) for name in fields)
        return class_scores.FrameScores(*columns)


class RollScoring:
    """Frames of the states of all keys; see `roll_scores`."""

    measures = roll_scores.ROLL_MEASURES

    def __init__(self, encoding: PianoRoll) -> None:
        self.encoding = encoding
        self._songs: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    def add(self, outputs: Mapping[str, Tensor]) -> None:
        """See `Scoring`.

        Of "nll", "first", "song" (M,), and of "predicted", "frames", "previous" (M, P).
        """
        names = ("nll", "predicted", "frames", "previous", "first")
        nll, predicted, frames, before, first = (outputs[k].cpu().numpy() for k in names)
        scores = roll_scores.score_rolls(nll, predicted, frames, before, first=first)
        self._scores.append(scores)
        self._songs.append(outputs["song"].cpu().numpy())

    def model(self) -> dict[int, Sums]:
        """See `Scoring`."""
        songs, scores = np.concatenate(self._songs), np.concatenate(self._scores)
        return {int(song): roll_scores.sums(scores[songs == song]) for song in np.unique(songs)}

    def baselines(
        self,
        train: Sequence[Encoded],
        val: Sequence[Encoded],
        entries: Sequence[Entry],
        scored: Sequence[np.ndarray],
    ) -> dict[str, Row]:
        """See `Scoring`."""
        fitted: dict[str, RollBaseline] = fit_roll_baselines(train, val, self.encoding)
        return {
            name: (each.kind, roll_scores.score_roll_baseline(each, entries, scored))
            for name, each in progress_bar(fitted.items(), "baselines", total=len(fitted))
        }

    def details(self) -> dict[str, Any]:
        """Nothing: the table says it all."""
        return {}

    def curves(self) -> dict[str, Overlay]:
        """None."""
        return {}


def scoring_of(encoding: Encoding) -> Scoring:
    """The scoring of an encoding's frames."""
    return RollScoring(encoding) if isinstance(encoding, PianoRoll) else ClassScoring(encoding)
