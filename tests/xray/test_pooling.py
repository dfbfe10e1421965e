"""The folds of a cross-validation as one table, against scikit-learn on all rows together."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from dlcourse.errors import InputError
from dlcourse.sweep_folder import plan_sweep
from dlcourse.sweeps import pool_folds
from dlcourse.xray.pooling import pooled


def leave_fold(folder: Path, *, seed: int, positives: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """A run folder as a fold leaves it: 20 patients with two images each."""
    rng = np.random.default_rng(seed)
    truths = (np.arange(40) < positives).astype(int)
    scores = (rng.random(40) + 0.5 * truths) / 1.5
    (folder / ".hydra").mkdir(parents=True)
    with open(folder / "predictions.csv", "w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "patient", "label", "probability"])
        rows = zip(truths, scores, strict=True)
        writer.writerows([f"{i}.png", f"{seed}-{i // 2}", t, s] for i, (t, s) in enumerate(rows))
    rows = {"model": {"auroc": float(roc_auc_score(truths, scores)) if positives else None}}
    results = {"lab": "xray", "finding": "Pneumothorax", "test": rows}
    rows["metadata only"] = {"auroc": 0.5 + seed / 100}
    (folder / ".hydra" / "config.yaml").write_text("folder: x\n")
    (folder / "results.json").write_text(json.dumps(results))
    return truths, scores


def test_the_sweep_has_one_table_of_all_held_out_images(tmp_path: Path) -> None:
    parts = [leave_fold(tmp_path / str(seed), seed=seed) for seed in range(3)]
    plan = {str(seed): [f"split.fold={seed}"] for seed in range(3)}
    pool_folds(plan_sweep(tmp_path, plan, swept=["split.fold"], command=[]))
    table = json.loads((tmp_path / "results.json").read_text())
    truths, scores = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    assert table["auroc"] == pytest.approx(roc_auc_score(truths, scores), abs=1e-12)
    wanted = average_precision_score(truths, scores)
    assert table["average_precision"] == pytest.approx(wanted, abs=1e-12)
    assert table["auroc_interval"][0] < table["auroc"] < table["auroc_interval"][1]
    assert (table["images"], table["patients"], table["positives"]) == (120, 60, 18)
    text = (tmp_path / "results.md").read_text()
    assert "Not for diagnosis" in text
    assert "| mean | " in text
    assert f"| 2 | {roc_auc_score(*parts[2]):.3f} | 0.520 |" in text


def test_a_fold_without_positives_is_not_defined_and_the_others_are_pooled(
    tmp_path: Path,
) -> None:
    folders = [tmp_path / "0", tmp_path / "1"]
    parts = [leave_fold(folders[0], seed=0), leave_fold(folders[1], seed=1, positives=0)]
    results = [json.loads((folder / "results.json").read_text()) for folder in folders]
    table = pooled(folders, results)
    truths, scores = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    assert table["auroc"] == pytest.approx(roc_auc_score(truths, scores))
    assert table["folds"]["1"]["model"] is None


def test_runs_of_several_findings_are_not_pooled(tmp_path: Path) -> None:
    leave_fold(tmp_path / "0", seed=0)
    (tmp_path / "0" / "predictions.csv").write_text("file,patient,label Mass\na,b,1\n")
    with pytest.raises(InputError, match="several findings"):
        pooled([tmp_path / "0"], [{}])
