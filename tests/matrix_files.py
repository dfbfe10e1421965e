"""MATLAB files of a few small sequences for the tests of their readers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from dlcourse.music.matrices.mat_files import VARIABLES
from dlcourse.splits import SPLITS


def cells(sequences: Sequence[Any]) -> np.ndarray:
    """A cell array (1, M) as MATLAB writes one."""
    array = np.empty((1, len(sequences)), dtype=object)
    array[0, :] = [*sequences, None][:-1]  # a list of arrays of one shape would be stacked
    return array


def random_rolls(count: int, *, seed: int = 0, keys: slice = slice(30, 60)) -> list[np.ndarray]:
    """Sequences (T, 88) of sounding keys that go on for a while."""
    rng, rolls = np.random.default_rng(seed), []
    for _ in range(count):
        roll = np.zeros((int(rng.integers(12, 30)), 88), dtype=np.uint8)
        for key in rng.choice(np.arange(88)[keys], 6, replace=False):
            roll[:, key] = rng.random(len(roll)) < 0.6
        rolls.append(roll)
    return rolls


def write_rolls(path: Path, splits: Sequence[Sequence[Any]], **options: Any) -> Path:
    """A file whose train, val and test splits hold these sequences."""
    contents = {VARIABLES[split]: cells(rolls) for split, rolls in zip(SPLITS, splits, strict=True)}
    savemat(path, contents, **options)
    return path
