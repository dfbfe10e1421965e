"""What the X-ray wing's speed is measured against: a plain loop, PIL, a peer library."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.splits import TRAIN
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.detector import PneumothoraxDetector
from dlcourse.xray.gap_cnn import GapCNN


def plain_loop(task: PneumothoraxDetector, data: RadiographData, *, steps: int) -> Tensor:
    """What anybody writes without a framework; returns the last loss."""
    net, made, plan = task.net.train(), task.configure_optimizers(), data.batch_plan()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    for step in range(steps):
        batch = data.fetch(TRAIN, plan.indices(step))
        loss = task.loss(net(batch["images"]), batch["targets"][:, 0].long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
    return loss.detach()


def decoded_by_pil(paths: Sequence[Path], *, size: int) -> np.ndarray:
    """(N, size, size) uint8: every file read anew, as most public code does in every epoch."""
    return np.stack(
        [
            np.asarray(
                Image.open(path).convert("L").resize((size, size), Image.Resampling.BILINEAR)
            )
            for path in paths
        ]
    )


def grad_cam(net: GapCNN, images: Tensor, *, classes: Sequence[int]) -> np.ndarray:
    """pytorch-grad-cam's maps (N, len(classes), H, W), one class after the other."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise InputError("pytorch-grad-cam is missing: pip install -e '.[test]'") from error
    with GradCAM(model=net, target_layers=[net.backbone]) as cam:
        maps = [
            cam(input_tensor=images, targets=[ClassifierOutputTarget(c)] * len(images))
            for c in classes
        ]
    return np.stack(maps, axis=1)
