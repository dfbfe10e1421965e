"""New songs from a run folder: what scripts/generate.py calls."""

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from dlcourse.cli import typed_command
from dlcourse.errors import InputError
from dlcourse.files import clear_partials

if TYPE_CHECKING:
    from dlcourse.music.corpus import Entry
    from dlcourse.music.generation import NewSong
    from dlcourse.music.predictor import NotePredictor
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

    from dlcourse.music.generation import NOTHING
    from dlcourse.music.song_pages import write_songs
    from dlcourse.music.song_scores import score_new_songs
    from dlcourse.runs import open_run
    from dlcourse.training import rebuild

    run = open_run(config.run)
    for key in ("songs", "bars", "primer_steps", "candidates", "seed"):
        if not isinstance(config[key], int):
            raise InputError(f"{key}={config[key]}: a whole number")
    if config.songs < 1:
        raise InputError(f"songs={config.songs}: at least 1")
    torch.set_num_threads(config.threads)
    predictor = rebuild(run, checkpoint=config.checkpoint)
    entries = _entries(run, needed=config.start != NOTHING)
    songs = _songs(config, predictor, entries)
    card = None
    if entries:
        card = score_new_songs(songs, entries, predictor.encoding, seed=config.seed)
    folder = Path(
        config.output or run.folder / "generated" / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    )
    facts = {"run": str(run.folder), "checkpoint": config.checkpoint, "seed": str(config.seed)}
    facts |= {key: str(value) for key, value in config.sampler.items() if key != "_target_"}
    if config.get("prior"):
        facts["priors"] = ", ".join(config.prior)
    clear_partials(folder, "")
    command = typed_command("generate.py", config)
    write_songs(songs, folder, facts=facts, command=command, card=card)
    for number, song in enumerate(songs):
        if song.loop:
            log.warning("song-%02d ends in a loop of %d steps", number, song.loop)
    log.info("%d songs: %s", len(songs), folder / "index.html")
    return folder


def _songs(
    config: DictConfig, predictor: "NotePredictor", entries: "list[Entry]"
) -> "list[NewSong]":
    """What goes on from the start, or has some bars of it composed anew."""
    from dlcourse.music.generation import NOTHING, choose_primers, new_songs
    from dlcourse.music.infilled_songs import infilled_songs
    from dlcourse.music.priors.prior import Priors
    from dlcourse.training import make

    infill = config.infill is not None
    if infill and config.start == NOTHING:
        raise InputError("start=nothing has no bars to infill: start from a song, or infill=null")
    many = 1 if infill else config.songs
    primers = choose_primers(
        config.start, entries, predictor.encoding, songs=many, seed=config.seed
    )
    terms = make(config.prior) if config.get("prior") else ()  # no such key: prior=[]
    how = {"sampler": make(config.sampler), "priors": Priors(terms), "seed": config.seed}
    if infill:
        how |= {"songs": config.songs, "candidates": config.candidates}
        return infilled_songs(predictor, primers[0], bars=config.infill, **how)
    bar = primers[0].metre.bar_length(predictor.encoding.steps_per_quarter)
    steps = config.steps or config.bars * bar
    return new_songs(predictor, primers, primer_steps=config.primer_steps, steps=steps, **how)


def _entries(run: "Run", *, needed: bool) -> "list[Entry]":
    """The run's corpus; where it is gone and not needed, nothing, which is said."""
    from dlcourse.training import make

    try:
        data = make(run.config.data)
        data.prepare_data()
        data.setup()
    except InputError as error:
        if needed:
            raise
        log.warning("no score card, for the run's songs cannot be read: %s", error)
        return []
    return data.entries
