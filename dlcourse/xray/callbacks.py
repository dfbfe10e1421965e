"""What an X-ray run leaves behind: maps while it trains, and in the end the evaluation."""

import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from dlcourse.files import write_json
from dlcourse.gallery import read_overlays, write_gallery, write_overlays
from dlcourse.media import show_curves, show_images, show_results, show_table
from dlcourse.progress import progress_bar
from dlcourse.ranks import gathered
from dlcourse.splits import TEST, TRAIN, VAL
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.detector import PneumothoraxDetector
from dlcourse.xray.gallery import draw_gallery, evaluation_overlays
from dlcourse.xray.overlay import PanelRow, draw_panel, row_title
from dlcourse.xray.predictions import Predictions, predict, shown_finding
from dlcourse.xray.report import (
    threshold_of,
    threshold_origin,
    write_evaluation,
    write_failures,
)

log = logging.getLogger(__name__)
FIGURES = ("roc", "precision_recall", "reliability")


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
        if not self.items:  # every rank has seen its own share
            scores = {item: p for part in gathered(self._scores) for item, p in part.items()}
            self.items = panel_items(dict(sorted(scores.items())), truths, images=self.images)
        if not trainer.is_global_zero:
            return
        studies = [data.studies(VAL)[i] for i in self.items]
        images = data.images(VAL, np.array(self.items))
        seen = predict(
            module.net,
            studies,
            lambda part: images[part],
            findings=module.findings,
            cam=module.cam,
        )
        path = self.folder / "maps" / f"step-{trainer.global_step:06d}.png"
        draw_panel(_rows(seen, finding), path)
        show_images(trainer.loggers, "maps", [path], step=trainer.global_step)

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
                facts={
                    "run": self.folder, "split": TEST, "threshold": threshold_origin(val, finding),
                },
                command=f"python scripts/explain.py run={self.folder}",
            )  # fmt: skip
            log.info("failure atlas: %s", page)
        log.info("%s\n%s", self.folder / "results.md", (self.folder / "results.md").read_text())
        write_gallery(self.folder, draw_gallery(self.folder, test, finding=finding))
        write_overlays(self.folder, evaluation_overlays(evaluation))
        results = self._results(trainer, evaluation, test)
        self._show(trainer, results, test, finding)
        write_json(self.folder / "results.json", results)

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

    def _show(
        self, trainer: Trainer, results: dict[str, Any], test: Predictions, finding: str
    ) -> None:
        loggers, step = trainer.loggers, trainer.global_step
        show_curves(loggers, read_overlays(self.folder), step=step)
        figures = [self.folder / f"{name}.png" for name in FIGURES]
        show_images(loggers, "evaluation", figures, step=step)
        columns, rows = ["file", "patient", "label", "probability"], prediction_rows(test, finding)
        show_table(loggers, "predictions", rows, columns=columns, step=step)
        show_results(loggers, results, checkpoint=self.folder / "checkpoints" / "best.ckpt")


def prediction_rows(predictions: Predictions, finding: str) -> list[list[Any]]:
    """File, patient, label and probability of every image."""
    place = predictions.findings.index(finding)
    columns = predictions.truths[:, place], predictions.probabilities[:, place]
    return [
        [study.file, study.patient, int(truth), float(p)]
        for study, truth, p in zip(predictions.studies, *columns, strict=True)
    ]


def predict_split(module: PneumothoraxDetector, data: RadiographData, split: str) -> Predictions:
    """Probabilities and maps of every image of a split."""
    return predict(
        module.net,
        data.studies(split),
        lambda part: data.images(split, part),
        findings=module.findings,
        truths=data.truths[split],
        cam=module.cam,
        progress=lambda starts: progress_bar(starts, f"looking at {split}"),
    )
