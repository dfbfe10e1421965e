"""What a music run leaves behind: the table of results and a few songs."""

import logging
import math
from collections.abc import Sequence
from itertools import compress
from pathlib import Path
from typing import Any

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
from dlcourse.music.datamodule import LAST, SongData
from dlcourse.music.generation import NewSong, choose_primers, new_songs
from dlcourse.music.sampling import Sampler
from dlcourse.music.scoring.measures import MODEL
from dlcourse.music.scoring.results import as_markdown, results_table
from dlcourse.music.scoring.scoring import Scoring, scoring_of
from dlcourse.music.song_pages import write_songs
from dlcourse.music.song_scores import score_new_songs
from dlcourse.splits import TEST, TRAIN, VAL

log = logging.getLogger(__name__)


class ResultsTable(Callback):
    """Writes `results.json` and `results.md` when the test split has been scored.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.scoring: Scoring | None = None

    def on_test_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Begin anew."""
        self.scoring = scoring_of(trainer.datamodule.encoding)

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
        self.scoring.add(outputs)

    def on_test_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Add the baselines, and write."""
        table = self._table(trainer.datamodule, module.head.kind)
        table |= {"monitored": self._monitored(trainer), "steps": trainer.max_steps}
        table |= self.scoring.details()
        text = as_markdown(table, title=self.folder.name)
        if facts := trainer.datamodule.augmented.facts:
            table["augmentation"] = facts
            text += f"\nAugmentation: {'; '.join(facts)}.\n"
        log.info("%s\n%s", self.folder / "results.md", text)
        write_text(self.folder / "results.md", text)
        if curves := self.scoring.curves():
            write_overlays(self.folder, curves)
        self._show(trainer, table)
        write_json(self.folder / "results.json", table)

    def _table(self, data: SongData, kind: str) -> dict[str, Any]:
        """The rows of the model, whose likelihood is of this kind, and of the baselines."""
        test = data.tables[TEST].entries
        model = {test[i].file: sums for i, sums in self.scoring.model().items()}
        kept = [entry.file in model for entry in test]
        entries = list(compress(test, kept))
        # As they were read: baselines of runs that vary their songs differently are the same.
        encoded = {s: [entry.encoded for entry in data.songs(s)] for s in (TRAIN, VAL)}
        baselines = self.scoring.baselines(
            encoded[TRAIN], encoded[VAL], entries, list(compress(data.scored(TEST), kept))
        )
        rows = {MODEL: (kind, model), **baselines}
        return results_table(
            {name: files for name, (_, files) in rows.items()},
            song_of={entry.file: entry.group for entry in entries},
            unit=data.encoding.unit,
            what=_scored(data),
            measures=self.scoring.measures,
            kinds={name: kind for name, (kind, _) in rows.items()},
        )

    def _show(self, trainer: Trainer, table: dict[str, Any]) -> None:
        loggers, step = trainer.loggers, trainer.global_step
        show_curves(loggers, read_overlays(self.folder), step=step)
        columns, rows = song_rows(table)
        show_table(loggers, "predictions", rows, columns=columns, step=step)
        show_results(loggers, table, checkpoint=self.folder / "checkpoints" / "best.ckpt")

    def _monitored(self, trainer: Trainer) -> dict[str, Any]:
        checkpoint = trainer.checkpoint_callback
        score = None if checkpoint is None else checkpoint.best_model_score
        return {
            "metric": None if checkpoint is None else checkpoint.monitor,
            "best": None if score is None or not math.isfinite(score) else float(score),
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
        bars: Bars of four quarter notes to compose after the primer.
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
            steps=4 * encoding.steps_per_quarter * self.bars,
            sampler=self.sampler,
            seed=self.seed,
        )
        command = f"python scripts/generate.py run={self.folder}"
        card = score_new_songs(songs, entries, encoding, seed=self.seed)
        paths = write_songs(songs, self.folder / "songs", facts={}, command=command, card=card)
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
