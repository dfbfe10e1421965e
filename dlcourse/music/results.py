"""The honest table of a run: the model and the baselines, scored on the same held-out frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dlcourse.intervals import cluster_bootstrap
from dlcourse.music.baselines import Baseline
from dlcourse.music.corpus import Entry
from dlcourse.music.encoding import Encoding

MODEL = "model"
SUMS = ("nll", "top1", "top3", "change", "changes", "frames")
Songs = dict[str, dict[str, float]]  # by file: the sums over its frames


@dataclass
class FrameScores:
    """How each scored frame was predicted; all arrays (M,)."""

    nll: np.ndarray
    top1: np.ndarray
    top3: np.ndarray
    changes: np.ndarray

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
    return FrameScores(-np.log(true), best, rank < 3, changes)


def score_baseline(
    baseline: Baseline, entries: Sequence[Entry], scored: Sequence[np.ndarray], encoding: Encoding
) -> Songs:
    """A baseline on the scored frames of every song."""
    songs = {}
    for entry, mask in zip(entries, scored, strict=True):
        frames = entry.encoded.frames
        before = np.concatenate([[-1], frames[:-1]])
        changes = encoding.changes(torch.from_numpy(before), torch.from_numpy(frames)).numpy()
        probabilities = baseline.probabilities(entry.encoded)[mask]
        songs[entry.file] = score_frames(probabilities, frames[mask], changes[mask]).sums()
    return songs


def summary(songs: Songs, model: Songs) -> dict[str, Any]:
    """Means over frames, and intervals over songs, of one row of the table."""
    sums = {key: np.array([song[key] for song in songs.values()]) for key in SUMS}
    total = {key: float(values.sum()) for key, values in sums.items()}
    nll = total["nll"] / total["frames"]
    over_model = sums["nll"] - np.array([model[file]["nll"] for file in songs])
    return {
        "nll": nll,
        "nll_interval": cluster_bootstrap(sums["nll"], sums["frames"]),
        "nll_over_model": float(over_model.sum()) / total["frames"],
        "nll_over_model_interval": cluster_bootstrap(over_model, sums["frames"]),
        "perplexity": math.exp(nll),
        "top1": total["top1"] / total["frames"],
        "top3": total["top3"] / total["frames"],
        "change": total["change"] / total["changes"] if total["changes"] else None,
        "frames": int(total["frames"]),
        "songs": len(songs),
    }


def results_table(rows: dict[str, Songs], *, unit: str, what: str) -> dict[str, Any]:
    """What `results.json` holds, from the sums of the model and of every baseline by song."""
    return {
        "test": {name: summary(songs, rows[MODEL]) for name, songs in rows.items()},
        "unit": unit,
        "scored": what,
        "interval": "95 %, whole songs resampled 2000 times",
        "by_song": rows,
    }


def pooled(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One table from several runs that tested different songs: the folds of a cross-validation."""
    rows: dict[str, Songs] = {}
    for result in results:
        for name, songs in result["by_song"].items():
            rows.setdefault(name, {}).update(songs)
    table = results_table(rows, unit=results[0]["unit"], what=results[0]["scored"])
    return table | {"pooled_runs": len(results)}


def as_markdown(results: dict[str, Any], *, title: str) -> str:
    """`results.md`."""
    rows = results["test"]
    model = rows[MODEL]
    lines = [
        f"# {title}",
        "",
        f"Held out: {model['songs']} songs, {model['frames']} frames. Scored: {results['scored']}.",
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
