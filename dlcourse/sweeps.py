"""What belongs to a sweep as a whole, not to any of its runs."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from dlcourse.files import write_json, write_text

log = logging.getLogger(__name__)


class PoolFolds(Callback):
    """Pools the runs of a cross-validation into `results.md` and `results.json` of the sweep.

    Every fold tests other songs, so that together all of them are held out once.
    """

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Read the runs' results; a run without them is named and left out."""
        from dlcourse.music.results import as_markdown, pooled
        from dlcourse.runs import Run

        folder = Path(config.hydra.sweep.dir)
        results = {path.parent.name: Run(path.parent).results for path in folder.glob("*/.hydra")}
        unfinished = sorted(name for name, result in results.items() if result is None)
        if unfinished:
            log.warning("not pooled, because unfinished: %s", ", ".join(unfinished))
        finished = [results[name] for name in sorted(results) if name not in unfinished]
        if not finished:
            return
        table = pooled(finished)
        table["unfinished_runs"] = unfinished
        text = as_markdown(table, title=f"{folder.parent.name}, {len(finished)} folds pooled")
        write_text(folder / "results.md", text)
        write_json(folder / "results.json", table)
        log.info("%s\n%s", folder / "results.md", text)
