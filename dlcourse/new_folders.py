"""Folders of one's own, also for two who begin in the same microsecond."""

from itertools import count
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write


def new_folder(path: str | Path) -> Path:
    """Make a folder that was not there: `path`, or where somebody was faster, `<path>-2`."""
    path = Path(path)
    for number in count(1):
        folder = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("numbers do not end")


class OwnRunFolder(Callback):
    """Makes the folder of a new run before Hydra writes there, which takes it with whatever is in.

    Left alone is a folder that was typed, that is gone on in, or in which no config is kept.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Name another folder in the config where this one is taken."""
        typed = any(o.startswith("hydra.run.dir=") for o in config.hydra.overrides.hydra)
        if typed or config.resume is not None or config.hydra.output_subdir is None:
            return
        with read_write(config), open_dict(config):
            config.hydra.run.dir = str(new_folder(config.hydra.run.dir))
