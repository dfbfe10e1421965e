"""What belongs to a sweep as a whole, not to any of its runs."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from dlcourse.files import write_json, write_text

if TYPE_CHECKING:
    from dlcourse.runs import Run

log = logging.getLogger(__name__)


class PoolFolds(Callback):
    """Pools the runs of a cross-validation into `results.md` and `results.json` of the sweep.

    Every fold tests other songs or patients, so that together all of them are held out once.
    """

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Read the runs' results; a run without them is named and left out."""
        from dlcourse.runs import Run

        folder = Path(config.hydra.sweep.dir)
        runs = {path.parent.name: Run(path.parent) for path in folder.glob("*/.hydra")}
        unfinished = sorted(name for name, run in runs.items() if run.results is None)
        if unfinished:
            log.warning("not pooled, because unfinished: %s", ", ".join(unfinished))
        finished = [runs[name] for name in sorted(runs) if name not in unfinished]
        if not finished:
            return
        title = f"{folder.parent.name}, {len(finished)} folds pooled"
        table, text = _pooled(finished, title)
        table["unfinished_runs"] = unfinished
        write_text(folder / "results.md", text)
        write_json(folder / "results.json", table)
        log.info("%s\n%s", folder / "results.md", text)


def _pooled(runs: "list[Run]", title: str) -> tuple[dict[str, Any], str]:
    """The table of all runs, which are of one lab, and its text."""
    results = [run.results for run in runs]
    if results[0].get("lab") == "xray":
        from dlcourse.xray import pooling

        table = pooling.pooled([run.folder for run in runs], results)
        return table, pooling.as_markdown(table, title=title)
    from dlcourse.music import results as music

    table = music.pooled(results)
    return table, music.as_markdown(table, title=title)
