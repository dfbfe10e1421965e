"""The honest table of a run: the model and the baselines, scored on the same held-out frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dlcourse.calibration import reliability
from dlcourse.gallery import DIAGONAL, Overlay
from dlcourse.intervals import cluster_bootstrap
from dlcourse.music.baselines import Baseline
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import NO_CLASS, Encoding

MODEL = "model"
_BINS = 12  # of the reliability diagram
SUMS = ("nll", "top1", "top3", "change", "changes", "frames")
Files = dict[str, dict[str, float]]  # by file: the sums over its frames


@dataclass
class FrameScores:
    """How each scored frame was predicted, and the class that came; all arrays (M,)."""

    targets: np.ndarray
    nll: np.ndarray
    top1: np.ndarray
    top3: np.ndarray
    changes: np.ndarray
    confidence: np.ndarray  # the probability of the most probable class

    def sums(self, rows: np.ndarray | slice = slice(None)) -> dict[str, float]:
        """`SUMS` over some of the frames."""
        changed = self.changes[rows]
        return {
            "nll": float(self.nll[rows].sum()),
            "top1": float(self.top1[rows].sum()),
            "top3": float(self.top3[rows].sum()),
            "change": float((self.top1[rows] & changed).sum()),
            "changes": float(changed.sum()),
            "frames": float(len(changed)),
        }


def score_frames(
    probabilities: np.ndarray, targets: np.ndarray, changes: np.ndarray
) -> FrameScores:
    """Scores from probabilities (M, K), the classes that came (M,), and where something changed."""
    true = probabilities[np.arange(len(targets)), targets]
    rank = (probabilities > true[:, None]).sum(axis=1)
    best = probabilities.argmax(axis=1) == targets
    highest = probabilities.max(axis=1)
    return FrameScores(targets, -np.log(true), best, rank < 3, changes, highest)


def by_class(scores: FrameScores, encoding: Encoding) -> list[dict[str, Any]]:
    """For every class that came, the most frequent first: how often, and how often foreseen."""
    counts = np.bincount(scores.targets, minlength=encoding.num_classes)
    right = np.bincount(scores.targets, weights=scores.top1, minlength=encoding.num_classes)
    return [
        {
            "class": encoding.class_name(int(index)),
            "frames": int(counts[index]),
            "top1": float(right[index] / counts[index]),
        }
        for index in np.argsort(-counts, kind="stable")
        if counts[index]
    ]


def calibration(scores: FrameScores) -> dict[str, Any]:
    """Whether of the frames whose most probable class is given 80 % it comes in four of five.

    Returns:
        `ece`, the mean distance of confidence from what came, over frames; and `bins` of as many
        frames each, in rising order: their `counts`, `mean` confidence, and the share `observed`
        in which the class came.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    bins = reliability(scores.top1, scores.confidence, bins=_BINS)
    columns = {"counts": bins.counts, "mean": bins.mean, "observed": bins.observed}
    return {"ece": bins.ece, "bins": {name: values.tolist() for name, values in columns.items()}}


def calibration_overlay(calibrated: dict[str, Any]) -> Overlay:
    """The reliability diagram of `calibration`."""
    bins = calibrated["bins"]
    names = "mean probability of the most probable class", "share of frames in which it came"
    return Overlay(bins["mean"], bins["observed"], *names, guide=DIAGONAL)


def score_baseline(
    baseline: Baseline, entries: Sequence[Entry], scored: Sequence[np.ndarray], encoding: Encoding
) -> Files:
    """A baseline on the scored frames of every file."""
    files = {}
    for entry, mask in zip(entries, scored, strict=True):
        frames = entry.encoded.frames
        before = np.concatenate([[NO_CLASS], frames[:-1]])
        changes = encoding.changes(torch.from_numpy(before), torch.from_numpy(frames)).numpy()
        probabilities = baseline.probabilities(entry.encoded)[mask]
        files[entry.file] = score_frames(probabilities, frames[mask], changes[mask]).sums()
    return files


def summary(files: Files, model: Files, song_of: dict[str, str]) -> dict[str, Any]:
    """One row of the table: means over frames, intervals over songs.

    Args:
        files: The row's sums.
        model: The model's.
        song_of: The song that each file belongs to; the files of a song are resampled together.
    """
    songs = {name: i for i, name in enumerate(dict.fromkeys(song_of[file] for file in files))}
    place = np.array([songs[song_of[file]] for file in files])

    def by_song(values: list[float]) -> np.ndarray:
        return np.bincount(place, weights=values, minlength=len(songs))

    total = {key: sum(file[key] for file in files.values()) for key in SUMS}
    frames = by_song([file["frames"] for file in files.values()])
    nll = by_song([file["nll"] for file in files.values()])
    over_model = nll - by_song([model[name]["nll"] for name in files])
    mean = total["nll"] / total["frames"]
    return {
        "nll": mean,
        "nll_interval": cluster_bootstrap(nll, frames),
        "nll_over_model": float(over_model.sum()) / total["frames"],
        "nll_over_model_interval": cluster_bootstrap(over_model, frames),
        "perplexity": math.exp(mean),
        "top1": total["top1"] / total["frames"],
        "top3": total["top3"] / total["frames"],
        "change": total["change"] / total["changes"] if total["changes"] else None,
        "frames": int(total["frames"]),
        "files": len(files),
        "songs": len(songs),
    }


def results_table(
    rows: dict[str, Files], *, song_of: dict[str, str], unit: str, what: str
) -> dict[str, Any]:
    """What `results.json` holds, from the sums of the model and of every baseline by file."""
    return {
        "test": {name: summary(files, rows[MODEL], song_of) for name, files in rows.items()},
        "unit": unit,
        "scored": what,
        "interval": "95 %, whole songs resampled 2000 times",
        "by_file": rows,
        "song_of": song_of,
    }


def pooled(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One table from several runs that tested different songs: the folds of a cross-validation."""
    rows: dict[str, Files] = {}
    song_of: dict[str, str] = {}
    for result in results:
        song_of |= result["song_of"]
        for name, files in result["by_file"].items():
            rows.setdefault(name, {}).update(files)
    first = results[0]
    table = results_table(rows, song_of=song_of, unit=first["unit"], what=first["scored"])
    return table | {"pooled_runs": len(results)}


def as_markdown(results: dict[str, Any], *, title: str) -> str:
    """`results.md`."""
    rows = results["test"]
    model = rows[MODEL]
    lines = [
        f"# {title}",
        "",
        f"Held out: {model['songs']} songs in {model['files']} files, {model['frames']} frames.",
        f"Scored: {results['scored']}.",
        f"NLL in {results['unit']} (categorical likelihood of the next frame), lower is better; "
        f"interval {results['interval']}.",
        "",
        "| | NLL | interval | above the model | perplexity | top-1 | top-3 | top-1 at changes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        over = f"{row['nll_over_model']:+.3f} ({_interval(row['nll_over_model_interval'])})"
        change = "-" if row["change"] is None else f"{row['change']:.3f}"
        lines.append(
            f"| {name} | {row['nll']:.3f} | {_interval(row['nll_interval'])} | "
            f"{'' if name == MODEL else over} | {row['perplexity']:.2f} | {row['top1']:.3f} | "
            f"{row['top3']:.3f} | {change} |"
        )
    return "\n".join(lines) + "\n"


def _interval(ends: Sequence[float] | None) -> str:
    return "one song" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
