"""New songs from a run folder: what scripts/generate.py calls."""

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from dlcourse.cli import typed_command
from dlcourse.errors import InputError

if TYPE_CHECKING:
    from dlcourse.runs import Run

log = logging.getLogger(__name__)


def generate(config: DictConfig) -> Path:
    """Draw songs with a run's weights.

    Returns:
        The folder with the songs and their page.

    Raises:
        InputError: No such run, checkpoint, song; options that cannot be.
    """
    import torch

    from dlcourse.music.generation import NOTHING, choose_primers, new_songs, write_songs
    from dlcourse.runs import open_run
    from dlcourse.training import make, rebuild

    run = open_run(config.run)
    if config.songs < 1:
        raise InputError(f"songs={config.songs}: at least 1")
    torch.set_num_threads(config.threads)
    predictor = rebuild(run, checkpoint=config.checkpoint)
    entries = [] if config.start == NOTHING else _entries(run)
    primers = choose_primers(
        config.start, entries, predictor.encoding, songs=config.songs, seed=config.seed
    )
    steps = config.steps or config.bars * primers[0].metre.steps_per_bar
    songs = new_songs(
        predictor,
        primers,
        primer_steps=config.primer_steps,
        steps=steps,
        sampler=make(config.sampler),
        seed=config.seed,
    )
    folder = Path(
        config.output or run.folder / "generated" / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    )
    facts = {"run": str(run.folder), "checkpoint": config.checkpoint, "seed": str(config.seed)}
    facts |= {key: str(value) for key, value in config.sampler.items() if key != "_target_"}
    write_songs(songs, folder, facts=facts, command=typed_command("generate.py", config))
    for number, song in enumerate(songs):
        if song.loop:
            log.warning("song-%02d ends in a loop of %d steps", number, song.loop)
    log.info("%d songs: %s", len(songs), folder / "index.html")
    return folder


def _entries(run: "Run") -> list:
    from dlcourse.training import make

    data = make(run.config.data)
    data.prepare_data()
    data.setup()
    return data.entries
