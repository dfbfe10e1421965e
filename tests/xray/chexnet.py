"""A published network's predictions for 22,433 images, joined with the archive's index."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from dlcourse.xray.archive import read_index
from dlcourse.xray.evaluation import Scored
from dlcourse.xray.studies import FINDINGS, Study

DATA = Path(__file__).resolve().parents[3] / "shared/data/chestxray"
PREDICTIONS = DATA / "chexnet_jrzech_test_predictions.csv"


@cache
def index() -> dict[str, Study]:
    """The archive's index."""
    return read_index(DATA)


@cache
def chexnet() -> Scored:
    """Truths and probabilities (N, 14); skips the test where the data are absent."""
    if not PREDICTIONS.is_file():
        pytest.skip(f"no {PREDICTIONS.name}")
    with open(PREDICTIONS, newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    studies = [index()[row["Image Index"]] for row in rows]
    truths = np.array([[study.has(finding) for finding in FINDINGS] for study in studies])
    values = [[float(row[f"prob_{finding}"]) for finding in FINDINGS] for row in rows]
    return Scored(truths, np.array(values), studies)
