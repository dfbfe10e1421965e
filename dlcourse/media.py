"""What a run shows besides its curves, one function a kind, to whichever logger can show it.

Everything is logged with the optimizer step it belongs to, as the curves are.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dlcourse.gallery import Overlay
from dlcourse.loggers import rank_zero_only, wandb_loggers

Loggers = Iterable[Any]
_STAGING = "WANDB_DATA_DIR"
ROWS = 10_000  # of a table at most, which is what W&B's page shows


def show_images(loggers: Loggers, key: str, paths: Sequence[Path], *, step: int) -> None:
    """Pictures with their file's name below."""
    for logger in _showing(loggers, "log_image"):
        stems = [path.stem for path in paths]
        logger.log_image(key, [str(path) for path in paths], step=step, caption=stems)


def show_sounds(loggers: Loggers, key: str, paths: Sequence[Path], *, step: int) -> None:
    """Sounds to be played, with their file's name below."""
    for logger in _showing(loggers, "log_audio"):
        stems = [path.stem for path in paths]
        logger.log_audio(key, [str(path) for path in paths], step=step, caption=stems)


def show_curves(loggers: Loggers, curves: Mapping[str, Overlay], *, step: int) -> None:
    """ROC and other curves by title, drawn by W&B: those of several runs lie over each other."""
    import wandb

    for logger in wandb_loggers(loggers):
        for title, curve in curves.items():
            chart = wandb.plot.line_series(
                xs=[curve.x], ys=[curve.y], keys=[curve.ylabel], title=title, xname=curve.xlabel
            )
            with _staged_in(logger):
                logger.log_metrics({f"curves/{_key(title)}": chart}, step)


def show_table(
    loggers: Loggers, key: str, rows: Sequence[Sequence[Any]], *, columns: Sequence[str], step: int
) -> None:
    """A table that can be sorted and filtered, of at most `ROWS` rows.

    Args:
        rows: Each as long as `columns`.
    """
    for logger in _showing(loggers, "log_table"):
        data = [list(row) for row in rows[:ROWS]]
        with _staged_in(logger):
            logger.log_table(key, columns=list(columns), data=data, step=step)


def show_results(loggers: Loggers, results: Mapping[str, Any], *, checkpoint: Path) -> None:
    """The numbers of `results.json` as the run's summary, and the tested weights as an artifact.

    The model's are `test/<metric>`, a baseline's `test/<baseline>/<metric>`.

    Args:
        results: Has `test`, a row for the model and every baseline, and `monitored`.
        checkpoint: The tested weights.
    """
    monitored = results["monitored"]
    for logger in wandb_loggers(loggers):
        logger.experiment.summary.update(summary_values(results["test"]))
        if logger.keeps_model:
            _keep_model(logger.experiment, checkpoint, monitored)


def summary_values(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Every number of a results table by name; what is not a single number is left out."""
    return {
        f"test/{metric}" if name == "model" else f"test/{_key(name)}/{metric}": value
        for name, row in rows.items()
        for metric, value in row.items()
        if isinstance(value, (int, float))
    }


def _showing(loggers: Loggers, method: str) -> list[Any]:
    """The loggers that have a method; none on all processes but the first."""
    return [] if rank_zero_only.rank else [each for each in loggers if hasattr(each, method)]


@contextmanager
def _staged_in(logger: Any) -> Iterator[None]:
    """Keep W&B's copies of tables beside the run: in the home directory nobody removes them.

    A home that is another one, or read-only, on a cluster's nodes would cost the tables besides.
    https://docs.wandb.ai/guides/track/environment-variables
    """
    if not wandb_loggers([logger]):
        yield
        return
    before = os.environ.get(_STAGING)
    # There is no setting for a single run.
    os.environ[_STAGING] = str(Path(logger.experiment.dir).parent)
    try:
        yield
    finally:
        os.environ.pop(_STAGING)
        if before is not None:
            os.environ[_STAGING] = before


def _key(text: str) -> str:
    """A name that W&B can plot and sort by: letters, digits and underscores."""
    return re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()


def _keep_model(run: Any, checkpoint: Path, monitored: Mapping[str, Any]) -> None:
    import wandb

    facts = {"metric": monitored["metric"], "value": monitored["best"]}
    artifact = wandb.Artifact(f"model-{run.id}", type="model", metadata=facts)
    # Immutable: referred to where it lies. By default it is copied into the home directory.
    artifact.add_file(str(checkpoint.resolve()), name="best.ckpt", policy="immutable")
    run.log_artifact(artifact, aliases=["best"])
