"""Why a network says what it says, from a run folder: what scripts/explain.py calls."""

import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from dlcourse.cli import typed_command
from dlcourse.errors import InputError
from dlcourse.files import clear_partials

if TYPE_CHECKING:
    from dlcourse.runs import Run
    from dlcourse.xray.detector import PneumothoraxDetector
    from dlcourse.xray.predictions import Predictions

log = logging.getLogger(__name__)


def explain(config: DictConfig) -> Path:
    """Maps, evaluation and failure atlas of a split or of any files, or an exported network.

    Returns:
        The page, or the exported file.

    Raises:
        InputError: No such run, checkpoint, split or file; options that cannot be.
    """
    import torch

    from dlcourse.runs import open_run
    from dlcourse.training import rebuild

    run = open_run(config.run)
    if "xray" not in run.config.task._target_:
        raise InputError(f"{run.folder}: a run of the music lab; scripts/generate.py is for it")
    if config.most is not None and config.most < 1:
        raise InputError(f"most={config.most}: at least 1 image on the page, or null for all")
    _check_together(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    module = rebuild(run, checkpoint=config.checkpoint)
    if config.export is not None:
        return _export(module, run, Path(config.export))
    now = f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    folder = Path(config.output or run.folder / "explained" / now)
    for pattern in ("", "atlas/"):
        clear_partials(folder, pattern)
    page = (_explain_split if config.images is None else _explain_files)(
        config, run, module, folder
    )
    log.info("%s", page)
    return page


def _check_together(config: DictConfig) -> None:
    """Options that would go unheeded beside others."""
    from dlcourse.splits import TEST

    chosen = "export" if config.export is not None else "images"
    others = ["part"] if config.part != TEST else []
    others += ["faithfulness"] if config.faithfulness else []
    others += ["images"] if chosen == "export" and config.images is not None else []
    if others and config[chosen] is not None:
        raise InputError(f"{others[0]}={config[others[0]]} does nothing beside {chosen}=; drop one")


def _explain_split(
    config: DictConfig, run: "Run", module: "PneumothoraxDetector", folder: Path
) -> Path:
    from dlcourse.ledgers import read_ledger
    from dlcourse.splits import SPLITS, TRAIN, VAL
    from dlcourse.training import make
    from dlcourse.training_list import check_checkpoint
    from dlcourse.xray.callbacks import predict_split
    from dlcourse.xray.predictions import shown_finding
    from dlcourse.xray.report import (
        threshold_of,
        threshold_origin,
        write_evaluation,
        write_failures,
    )

    if config.part not in SPLITS:
        raise InputError(f"part={config.part}: choose one of {', '.join(SPLITS)}")
    finding = shown_finding(module.findings, config.finding)
    data = make(run.config.data)
    data.prepare_data()
    data.setup()
    data.write_ledger(folder)
    checkpoint, rows = run.checkpoint(config.checkpoint), read_ledger(folder / data.ledger)
    check_checkpoint(checkpoint, rows, splits=(VAL, config.part))
    val = predict_split(module, data, VAL)
    seen = val if config.part == VAL else predict_split(module, data, config.part)
    title = f"{config.part} of {run.folder.name}"
    write_evaluation(folder, seen, val, data.studies(TRAIN), finding=finding, title=title)
    if config.faithfulness:
        _faithfulness(folder, module, seen, finding, images=config.faithfulness)
    return write_failures(
        folder / "atlas", seen, finding=finding, threshold=threshold_of(val, finding),
        most=config.most, title=f"Failure atlas: {title}",
        command=typed_command("explain.py", config),
        facts=_facts(config, run) | {
            "split": config.part, "threshold": threshold_origin(val, finding),
        },
    )  # fmt: skip


def _explain_files(
    config: DictConfig, run: "Run", module: "PneumothoraxDetector", folder: Path
) -> Path:
    import numpy as np

    from dlcourse.xray.images import read_image
    from dlcourse.xray.predictions import predict, shown_finding
    from dlcourse.xray.report import write_failures, write_scores
    from dlcourse.xray.studies import Study

    names = [config.images] if isinstance(config.images, str) else list(config.images)
    if not names:
        raise InputError("images=[]: name at least one file")
    images = np.stack([read_image(name, size=run.config.data.size) for name in names])
    studies = [Study(str(name), Path(name), patient="") for name in names]
    finding = shown_finding(module.findings, config.finding)
    seen = predict(
        module.net,
        studies,
        lambda part: images[part],
        findings=module.findings,
        cam=module.cam,
    )
    threshold, origin = _threshold_of_run(run, finding)
    write_scores(seen, folder / "scores.csv", threshold=threshold)
    return write_failures(
        folder, seen, finding=finding, threshold=threshold, most=config.most,
        title=f"{len(names)} images, {run.folder.name}",
        command=typed_command("explain.py", config),
        facts=_facts(config, run) | {"threshold": origin},
    )  # fmt: skip


def _threshold_of_run(run: "Run", finding: str) -> tuple[float, str]:
    """That which the run's evaluation chose on validation, and where it is from.

    The evaluation is of one finding, whose threshold says nothing of another's.
    """
    import json

    path = run.folder / "evaluation.json"
    try:
        evaluation = json.loads(path.read_text(encoding="utf-8"))
        points = evaluation["operating_points"] if evaluation["finding"] == finding else []
        chosen = next(p["threshold"] for p in points if p["rule"] == "youden")
    except (OSError, ValueError, KeyError, StopIteration):
        chosen = None
    if chosen is None:
        return 0.5, f"0.5: the run has no threshold for {finding}"
    return float(chosen), "chosen on the run's validation split (Youden)"


def _faithfulness(
    folder: Path, module: "PneumothoraxDetector", seen: "Predictions", finding: str, *, images: int
) -> None:
    """Insertion, deletion, randomisation check of the most probable, as `faithfulness.json`."""
    import numpy as np
    import torch

    from dlcourse.files import write_json
    from dlcourse.xray.faithfulness import pixel_order_areas
    from dlcourse.xray.localisation_report import patient_mean
    from dlcourse.xray.model_randomisation import randomisation_check

    place = seen.findings.index(finding)
    p = seen.probabilities[:, place]
    items = np.argsort(-p, kind="stable")[:images]
    batch = torch.from_numpy(np.stack([seen.image(i) for i in items]))[:, None]
    maps = torch.from_numpy(seen.evidence(finding)[items])
    areas = pixel_order_areas(
        module.net, batch, maps, generator=torch.Generator().manual_seed(0), finding=place
    )
    patients = [seen.studies[i].patient for i in items]
    means = {name: patient_mean(np.asarray(v), patients) for name, v in vars(areas).items()}
    check = [vars(row) for row in randomisation_check(module.net, batch, seed=0, finding=place)]
    about = "areas under the probability as pixels are deleted or inserted in the map's order"
    write_json(
        folder / "faithfulness.json",
        {"images": len(items), "what": about, "areas": means, "randomisation": check},
    )
    log.info("%s", folder / "faithfulness.json")


def _export(module: "PneumothoraxDetector", run: "Run", path: Path) -> Path:
    from dlcourse.xray.export import WithMaps, export

    export(WithMaps(module.net), path, size=run.config.data.size)
    log.info(
        "%s: images (N, 1, %d, %d) uint8 -> logits and maps", path, *[run.config.data.size] * 2
    )
    return path


def _facts(config: DictConfig, run: "Run") -> dict[str, object]:
    return {"run": run.folder, "checkpoint": config.checkpoint}
