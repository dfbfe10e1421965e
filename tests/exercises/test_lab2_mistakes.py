"""Every classic mistake of lab 2 is named, by its own sentence."""

import re
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcourse.exercises import lab2
from dlcourse.exercises.exercise import Exercise, Mistake

MODULES = [import_module(f"{lab2.__name__}.{name}") for name in lab2.MODULES]
EXERCISES = [exercise for module in MODULES for exercise in module.EXERCISES]
PAIRS = [(exercise, mistake) for exercise in EXERCISES for mistake in exercise.mistakes]


def written(source: str, name: str) -> Any:
    """The function of this source, in the names of the student's file."""
    names: dict[str, Any] = {"np": np, "torch": torch, "Tensor": Tensor, "nn": nn}
    exec(source, names)
    return names[name]


@pytest.mark.parametrize(("exercise", "mistake"), PAIRS, ids=lambda part: part.name)
def test_a_classic_mistake_is_named(exercise: Exercise, mistake: Mistake) -> None:
    findings = exercise.check(written(mistake.source, exercise.name))
    wrong = [finding.text for finding in findings if not finding.ok]
    assert len(wrong) == 1, "one thing at a time"
    assert re.search(mistake.says, wrong[0], re.IGNORECASE), wrong


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda part: part.name)
def test_the_packages_own_answer_is_right(exercise: Exercise) -> None:
    findings = exercise.check(written(exercise.solution, exercise.name))
    assert [finding.text for finding in findings if not finding.ok] == []
    assert len(findings) > 1


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda part: part.name)
def test_a_skeleton_says_what_to_write_and_is_not_begun(exercise: Exercise) -> None:
    skeleton = written(exercise.skeleton, exercise.name)
    for part in ("Args:", "Returns:", "Formula:", "Source:"):
        assert part in skeleton.__doc__
    with pytest.raises(NotImplementedError):
        exercise.check(skeleton)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda part: part.name)
@pytest.mark.parametrize("answer", [None, "map", (), np.zeros(3)], ids=repr)
def test_what_is_no_answer_is_found_and_breaks_nothing(exercise: Exercise, answer: Any) -> None:
    findings = exercise.check(lambda *_: answer)
    assert not findings[-1].ok


def test_the_mistakes_are_those_of_the_lab() -> None:
    """Column 0, mean against sum, missing detach or normalisation, align_corners and the rest."""
    names = {f"{exercise.name}: {mistake.name}" for exercise, mistake in PAIRS}
    assert {
        "cost: sum instead of mean",
        "cost: softmax applied twice",
        "predict: column 0",
        "compute_roc: column 0 of the scores",
        "compute_roc: ties not merged",
        "extract_features_weights: missing detach",
        "compute_cam: mean instead of sum",
        "compute_cam: bias added twice",
        "upsample: align_corners",
        "standardise: missing",
    } <= names
