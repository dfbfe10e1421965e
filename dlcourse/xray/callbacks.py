"""What an X-ray run leaves behind: maps while it trains, and in the end the evaluation."""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from dlcourse.files import write_json
from dlcourse.progress import progress_bar
from dlcourse.splits import TEST, TRAIN, VAL
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.detector import PneumothoraxDetector
from dlcourse.xray.overlay import PanelRow, draw_panel, row_title
from dlcourse.xray.predictions import Predictions, predict, shown_finding
from dlcourse.xray.report import THRESHOLD, threshold_of, write_evaluation, write_failures

log = logging.getLogger(__name__)


class CamPanel(Callback):
    """Radiograph, map and overlay of a few validation images, the same ones every time.

    They are chosen at the first picture: the positives and negatives of which the network was then
    most and least sure. One signed colour scale for all images of a picture.

    Args:
        folder: The run folder; pictures go to `maps/`.
        every: Optimizer steps between two pictures.
        images: How many of each of the four kinds.
    """

    def __init__(self, folder: str, *, every: int, images: int = 1) -> None:
        self.folder, self.every, self.images = Path(folder), every, images
        self.items: list[int] = []
        self._scores: dict[int, float] = {}

    def on_validation_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Begin anew."""
        self._scores = {}

    def on_validation_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Keep what the images were given, until the panel is chosen."""
        if not self.items:
            place = module.findings.index(shown_finding(module.findings))
            p = outputs["probabilities"][:, 1].view(len(outputs["item"]), -1)[:, place]
            self._scores |= dict(zip(outputs["item"].tolist(), p.tolist(), strict=True))

    def on_validation_end(self, trainer: Trainer, module: PneumothoraxDetector) -> None:
        """Draw, when it is time."""
        if trainer.sanity_checking or trainer.global_step % self.every:
            return
        data: RadiographData = trainer.datamodule
        finding = shown_finding(module.findings)
        truths = data.truths[VAL][:, module.findings.index(finding)]
        self.items = self.items or panel_items(self._scores, truths, images=self.images)
        studies = [data.studies(VAL)[i] for i in self.items]
        images = data.images(VAL, np.array(self.items))
        seen = predict(module.net, studies, lambda part: images[part], findings=module.findings)
        path = self.folder / "maps" / f"step-{trainer.global_step:06d}.png"
        draw_panel(_rows(seen, finding), path)
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image("maps", [str(path)])

    def state_dict(self) -> dict[str, Any]:
        """The choice, so that a resumed run shows the same images."""
        return {"items": self.items}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep it."""
        self.items = list(state["items"])


def panel_items(scores: dict[int, float], truths: np.ndarray, *, images: int) -> list[int]:
    """Items of validation: the surest and the least sure positives, then negatives."""
    chosen: list[int] = []
    for positive in (1, 0):
        ranked = sorted((i for i in scores if truths[i] == positive), key=lambda i: -scores[i])
        chosen += dict.fromkeys([*ranked[:images], *ranked[len(ranked) - images :]])
    return chosen


def _rows(seen: Predictions, finding: str) -> list[PanelRow]:
    maps, place = seen.evidence(finding), seen.findings.index(finding)
    return [
        PanelRow(
            seen.image(i),
            maps[i],
            row_title(
                study.file,
                probability=float(seen.probabilities[i, place]),
                actual=study.has(finding),
            ),
            boxes=[box for box in study.boxes if box.finding == finding],
        )
        for i, study in enumerate(seen.studies)
    ]


class EvaluationReport(Callback):
    """Evaluates the tested weights and writes everything; `results.json` comes last.

    Args:
        folder: The run folder.
        atlas: How many images of the test split the failure atlas shows; 0: no atlas.
    """

    def __init__(self, folder: str, *, atlas: int = 40) -> None:
        self.folder, self.atlas = Path(folder), atlas

    def on_test_end(self, trainer: Trainer, module: PneumothoraxDetector) -> None:
        """Predict, evaluate, write."""
        data: RadiographData = trainer.datamodule
        finding = shown_finding(module.findings)
        val, test = (predict_split(module, data, split) for split in (VAL, TEST))
        evaluation = write_evaluation(
            self.folder, test, val, data.studies(TRAIN), finding=finding, title=self.folder.name
        )
        if self.atlas:
            page = write_failures(
                self.folder / "atlas", test, finding=finding, threshold=threshold_of(val, finding),
                most=self.atlas, title=f"Failure atlas: {self.folder.name}",
                facts={"run": self.folder, "split": TEST, "threshold": THRESHOLD},
                command=f"python scripts/explain.py run={self.folder}",
            )  # fmt: skip
            log.info("failure atlas: %s", page)
        log.info("%s\n%s", self.folder / "results.md", (self.folder / "results.md").read_text())
        self._show(trainer)
        write_json(self.folder / "results.json", self._results(trainer, evaluation, test))

    def _results(
        self, trainer: Trainer, evaluation: dict[str, Any], test: Predictions
    ) -> dict[str, Any]:
        best = trainer.checkpoint_callback
        score = None if best is None else best.best_model_score
        kept = ("test", "finding", "unit", "interval", "model_minus_metadata", "localisation")
        return {
            "lab": "xray",
            **{key: evaluation[key] for key in kept},
            "findings": evaluation.get("findings"),
            "monitored": {
                "metric": None if best is None else best.monitor,
                "best": None if score is None or not math.isfinite(score) else float(score),
            },
            "steps": trainer.max_steps,
        }

    def _show(self, trainer: Trainer) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                for name in ("roc", "precision_recall", "reliability"):
                    logger.log_image(name, [str(self.folder / f"{name}.png")])


def predict_split(module: PneumothoraxDetector, data: RadiographData, split: str) -> Predictions:
    """Probabilities and maps of every image of a split."""
    return predict(
        module.net,
        data.studies(split),
        lambda part: data.images(split, part),
        findings=module.findings,
        truths=data.truths[split],
        progress=lambda starts: progress_bar(starts, f"looking at {split}"),
    )
