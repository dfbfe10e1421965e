"""What a music run leaves behind: the table of results and a few songs."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from dlcourse.files import write_json, write_text
from dlcourse.gallery import (
    AUDIO,
    IMAGE,
    MediaItem,
    read_overlays,
    write_gallery,
    write_overlays,
)
from dlcourse.media import show_curves, show_images, show_results, show_sounds, show_table
from dlcourse.music.baselines import fit_baselines
from dlcourse.music.datamodule import LAST, SongData
from dlcourse.music.generation import NewSong, choose_primers, new_songs, write_songs
from dlcourse.music.results import (
    MODEL,
    FrameScores,
    as_markdown,
    by_class,
    calibration,
    calibration_overlay,
    results_table,
    score_baseline,
    score_frames,
)
from dlcourse.music.sampling import Sampler
from dlcourse.splits import TEST, TRAIN, VAL

log = logging.getLogger(__name__)


class ResultsTable(Callback):
    """Writes `results.json` and `results.md` when the test split has been scored.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.scores: list[tuple[np.ndarray, FrameScores]] = []

    def on_test_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Begin anew."""
        self.scores = []

    def on_test_batch_end(
        self,
        trainer: Trainer,
        module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep the frames' scores."""
        columns = (outputs[k].cpu().numpy() for k in ("probabilities", "targets", "changes"))
        self.scores.append((outputs["song"].cpu().numpy(), score_frames(*columns)))

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add the baselines, and write."""
        data: SongData = trainer.datamodule
        song, scores = self._joined()
        names = [entry.file for entry in data.tables[TEST].entries]
        model = {names[i]: scores.sums(song == i) for i in np.unique(song)}
        rows = {MODEL: model}
        encoded = {s: [entry.encoded for entry in data.tables[s].entries] for s in (TRAIN, VAL)}
        baselines = fit_baselines(encoded[TRAIN], encoded[VAL], data.encoding)
        kept = [entry.file in model for entry in data.tables[TEST].entries]
        entries = [e for e, keep in zip(data.tables[TEST].entries, kept, strict=True) if keep]
        scored = [m for m, keep in zip(data.scored(TEST), kept, strict=True) if keep]
        for name, baseline in baselines.items():
            rows[name] = score_baseline(baseline, entries, scored, data.encoding)
        song_of = {entry.file: entry.group for entry in entries}
        unit = data.encoding.unit
        table = results_table(rows, song_of=song_of, unit=unit, what=_scored(data))
        table |= {"monitored": self._monitored(trainer), "steps": trainer.max_steps}
        table["model_by_class"] = by_class(scores, data.encoding)
        table["calibration"] = calibration(scores)
        text = as_markdown(table, title=self.folder.name)
        log.info("%s\n%s", self.folder / "results.md", text)
        write_text(self.folder / "results.md", text)
        curve = calibration_overlay(table["calibration"])
        write_overlays(self.folder, {"calibration of the most probable class": curve})
        self._show(trainer, table)
        write_json(self.folder / "results.json", table)

    def _show(self, trainer: Trainer, table: dict[str, Any]) -> None:
        loggers, step = trainer.loggers, trainer.global_step
        show_curves(loggers, read_overlays(self.folder), step=step)
        columns, rows = song_rows(table)
        show_table(loggers, "predictions", rows, columns=columns, step=step)
        show_results(loggers, table, checkpoint=self.folder / "checkpoints" / "best.ckpt")

    def _joined(self) -> tuple[np.ndarray, FrameScores]:
        """The song of every scored frame (M,), and all scores."""
        columns = (
            np.concatenate([getattr(scores, field.name) for _, scores in self.scores])
            for field in dataclasses.fields(FrameScores)
        )
        return np.concatenate([song for song, _ in self.scores]), FrameScores(*columns)

    def _monitored(self, trainer: Trainer) -> dict[str, Any]:
        checkpoint = trainer.checkpoint_callback
        score = None if checkpoint is None else checkpoint.best_model_score
        return {
            "metric": None if checkpoint is None else checkpoint.monitor,
            "best": None if score is None else float(score),
        }


def song_rows(table: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of a table of songs: how many frames, and the mean NLL of every predictor.

    Args:
        table: As of `results_table`.
    """
    files = table["by_file"]
    rows = [
        [
            file,
            song,
            scores["frames"],
            *(row[file]["nll"] / scores["frames"] for row in files.values()),
        ]
        for file, song in table["song_of"].items()
        for scores in [files[MODEL][file]]
    ]
    return ["file", "song", "frames", *(f"nll {name}" for name in files)], rows


def _scored(data: SongData) -> str:
    if data.supervise == LAST:
        return f"every frame after the first {data.window} of a song, from the {data.window} before"
    return "every frame of a song, the first one too, from all before it"


class GenerateSongs(Callback):
    """Draws a few songs with the tested weights into `songs/`, the way scripts/generate.py does.

    Args:
        folder: The run folder.
        songs: How many.
        bars: Bars of 16 steps to compose after the primer.
        sampler: How a class is drawn.
        seed: Of the draws and of the choice of primers.
        primer_steps: Steps of a training song to begin with.
    """

    def __init__(
        self,
        folder: str,
        *,
        songs: int,
        bars: int,
        sampler: Sampler,
        seed: int,
        primer_steps: int = 64,
    ) -> None:
        self.folder, self.songs, self.bars = Path(folder), songs, bars
        self.sampler, self.seed, self.primer_steps = sampler, seed, primer_steps

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Draw, write, and show them to W&B when it is the logger."""
        data: SongData = trainer.datamodule
        entries, encoding = data.entries, data.encoding
        primers = choose_primers("random", entries, encoding, songs=self.songs, seed=self.seed)
        songs = new_songs(
            module.eval(),
            primers,
            primer_steps=self.primer_steps,
            steps=16 * self.bars,
            sampler=self.sampler,
            seed=self.seed,
        )
        command = f"python scripts/generate.py run={self.folder}"
        paths = write_songs(songs, self.folder / "songs", facts={}, command=command)
        write_gallery(self.folder, song_items(songs, paths, seed=self.seed))
        log.info("new songs: %s", self.folder / "songs" / "index.html")
        sounds, rolls = ([p.with_suffix(suffix) for p in paths] for suffix in (".wav", ".png"))
        show_sounds(trainer.loggers, "songs", sounds, step=trainer.global_step)
        show_images(trainer.loggers, "rolls", rolls, step=trainer.global_step)


def song_items(songs: Sequence[NewSong], paths: Sequence[Path], *, seed: int) -> list[MediaItem]:
    """A sound and a piano roll of every song.

    The key tells the primer and the seed, so that songs of another seed are not laid beside these.

    Args:
        songs: At least one.
        paths: Of their MIDI files, in `songs/`; sound and roll lie beside them.
        seed: Of the draws.
    """
    items = []
    for number, (new, path) in enumerate(zip(songs, paths, strict=True)):
        key = f"song {number:02d} from {new.primer.name}, seed {seed}"
        loop = "" if new.loop is None else f"; ends in a loop of {new.loop}"
        caption = f"{len(new.primer.frames)} steps given, {new.new_steps} new{loop}"
        for kind, suffix in ((AUDIO, ".wav"), (IMAGE, ".png")):
            file = f"{path.parent.name}/{path.stem}{suffix}"
            items.append(MediaItem(kind, key, caption, file))
    return items
