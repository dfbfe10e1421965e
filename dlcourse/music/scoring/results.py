"""The honest table of a run: the model and the baselines, scored on the same held-out frames."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlcourse import text_tables
from dlcourse.errors import InputError
from dlcourse.intervals import cluster_bootstrap
from dlcourse.music.heads.head import CATEGORICAL
from dlcourse.music.scoring.class_scores import CLASS_MEASURES
from dlcourse.music.scoring.measures import MODEL, Files, Measures
from dlcourse.music.scoring.roll_scores import ROLL_MEASURES

_MEASURES = {measures.name: measures for measures in (CLASS_MEASURES, ROLL_MEASURES)}
_KINDS = (
    "Factorised: given all frames before, each key has a chance of its own. Joint: whole frames "
    "have. The two are never ranked against each other, so that only rows of the model's own kind "
    "say how far they are above it."
)


def measures_of(results: Mapping[str, Any]) -> Measures:
    """Those of a table; one that says nothing of them is of classes, as all once were."""
    return _MEASURES[results.get("measures", CLASS_MEASURES.name)]


def summary(
    files: Files,
    model: Files,
    song_of: Mapping[str, str],
    *,
    measures: Measures = CLASS_MEASURES,
    kind: str = CATEGORICAL,
    model_kind: str = CATEGORICAL,
) -> dict[str, Any]:
    """One row of the table: means over frames, intervals over songs.

    Args:
        files: The row's sums.
        model: The model's.
        song_of: The song that each file belongs to; the files of a song are resampled together.
        measures: What is said besides the likelihood.
        kind: Of the row's likelihood.
        model_kind: Of the model's. A likelihood of another kind is not to be ranked against it, so
            that such a row has no `nll_over_model`.

    Raises:
        InputError: No frame is scored, or a likelihood is no number.
    """
    _check_numbers(files)
    songs = {name: i for i, name in enumerate(dict.fromkeys(song_of[file] for file in files))}
    place = np.array([songs[song_of[file]] for file in files])

    def by_song(values: list[float]) -> np.ndarray:
        return np.bincount(place, weights=values, minlength=len(songs))

    keys = next(iter(files.values()))
    total = {key: sum(file[key] for file in files.values()) for key in keys}
    frames = by_song([file["frames"] for file in files.values()])
    nll = by_song([file["nll"] for file in files.values()])
    over_model = nll - by_song([model[name]["nll"] for name in files])
    ranked = kind == model_kind
    return {
        "kind": kind,
        "nll": total["nll"] / total["frames"],
        "nll_interval": cluster_bootstrap(nll, frames),
        "nll_over_model": float(over_model.sum()) / total["frames"] if ranked else None,
        "nll_over_model_interval": cluster_bootstrap(over_model, frames) if ranked else None,
        **measures.figures(total),
        "frames": int(total["frames"]),
        "files": len(files),
        "songs": len(songs),
    }


def _check_numbers(files: Files) -> None:
    if not any(sums["frames"] for sums in files.values()):
        raise InputError("no frame of the test split is scored: other songs have to be held out")
    for file, sums in files.items():
        if not math.isfinite(sums["nll"]):
            raise InputError(
                f"{file}: an NLL of {sums['nll']}: a prediction is no number, or gives what came "
                f"no chance at all; there are no results of such a model"
            )


def results_table(
    rows: Mapping[str, Files],
    *,
    song_of: Mapping[str, str],
    unit: str,
    what: str,
    measures: Measures = CLASS_MEASURES,
    kinds: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What `results.json` holds, from the sums of the model and of every baseline by file.

    Args:
        kinds: The kind of likelihood of every row; categorical unless told otherwise.
    """
    kinds = kinds or dict.fromkeys(rows, CATEGORICAL)
    table: dict[str, Any] = {
        "test": {
            name: summary(
                files,
                rows[MODEL],
                song_of,
                measures=measures,
                kind=kinds[name],
                model_kind=kinds[MODEL],
            )
            for name, files in rows.items()
        },
        "unit": unit,
        "scored": what,
        "interval": "95 %, whole songs resampled 2000 times",
        "by_file": rows,
        "song_of": song_of,
    }
    if kinds[MODEL] != CATEGORICAL:
        # Words at this level are what runs have to agree in to be compared; the tables of classes
        # never had these.
        table |= {"measures": measures.name, "likelihood": kinds[MODEL]}
    return table


def pooled(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One table from several runs that tested different songs: the folds of a cross-validation.

    What any of the runs says of its augmentation, it says too.
    """
    rows: dict[str, Files] = {}
    song_of: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for result in results:
        song_of |= result["song_of"]
        kinds |= {name: row.get("kind", CATEGORICAL) for name, row in result["test"].items()}
        for name, files in result["by_file"].items():
            rows.setdefault(name, {}).update(files)
    first = results[0]
    table = results_table(
        rows,
        song_of=song_of,
        unit=first["unit"],
        what=first["scored"],
        measures=measures_of(first),
        kinds=kinds,
    )
    facts = dict.fromkeys(fact for result in results for fact in result.get("augmentation", []))
    return table | {"pooled_runs": len(results)} | ({"augmentation": [*facts]} if facts else {})


def own_rival(results: Mapping[str, Any], names: Sequence[str]) -> str:
    """Which of some baselines is the best of those whose likelihood is of the model's kind."""
    rows = results["test"]
    kind = rows[MODEL].get("kind")
    return min((n for n in names if rows[n].get("kind") == kind), key=lambda n: rows[n]["nll"])


def as_markdown(results: Mapping[str, Any], *, title: str) -> str:
    """`results.md`: what was scored and how, and a row for the model and every baseline."""
    rows, columns = results["test"], measures_of(results).columns
    model = rows[MODEL]
    several = model.get("kind", CATEGORICAL) != CATEGORICAL
    headings = ["", *(["likelihood"] if several else []), "NLL", "interval", "above the model"]
    headings += columns
    lines = [
        f"# {text_tables.as_markdown(title)}",
        "",
        f"Held out: {model['songs']} songs in {model['files']} files, {model['frames']} frames.",
        f"Scored: {results['scored']}.",
        f"NLL in {results['unit']} ({measures_of(results).likelihood}), lower is better; "
        f"interval {results['interval']}.",
        *([_KINDS] if several else []),
        "",
        _line(headings),
        "|---" * len(headings) + "|",
    ]
    for name, row in rows.items():
        cells = [name, *([row["kind"]] if several else []), f"{row['nll']:.3f}"]
        cells += [_interval(row["nll_interval"]), "" if name == MODEL else _over_model(row)]
        lines.append(_line([*cells, *(cell(row) for cell in columns.values())]))
    if facts := results.get("augmentation"):
        lines += ["", f"Augmentation: {'; '.join(facts)}."]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _over_model(row: Mapping[str, Any]) -> str:
    if row["nll_over_model"] is None:
        return "another kind"
    return f"{row['nll_over_model']:+.3f} ({_interval(row['nll_over_model_interval'])})"


def _interval(ends: Sequence[float] | None) -> str:
    return "one song" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
