"""What the X-ray wing claims about its speed, as cases for `benchmarking`.

The other contenders are in `rivals`.
"""

import copy
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn

from dlcourse.benchmarking import Case, Claim, Contender
from dlcourse.splits import TRAIN
from dlcourse.xray.backbones import torchvision_net
from dlcourse.xray.cam import class_activation_maps
from dlcourse.xray.datamodule import RadiographData
from dlcourse.xray.detector import PneumothoraxDetector
from dlcourse.xray.export import WithMaps, export
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.rivals import decoded_by_pil, grad_cam, plain_loop
from dlcourse.xray.studies import FINDINGS

# What one training run is made of, from overrides of conf/train.yaml.
Parts = tuple[RadiographData, PneumothoraxDetector, Callable[[], Trainer]]
Build = Callable[[Sequence[str]], Parts]

STEPS = 40  # optimizer steps of a timed training
PIXELS = 224
IMAGES = 4  # of a timed forward pass
DECODED = 16  # files of a timed decoding; the cache serves BATCHES times as many
BATCHES = 100
EPOCH = ["experiment=xray_phantoms", f"steps={STEPS}", f"validate_every={STEPS}"]
# The epoch itself: what a run does besides (checkpoints, validation, pictures) is switched off.
EPOCH += ["+trainer.limit_val_batches=0"]
EPOCH += [f"~callbacks.{name}" for name in ("best", "last", "curves", "maps", "evaluation")]


def cases(build: Build) -> list[Case]:
    """All cases, on the data that `build` gives its runs."""
    data, detector, trainer = build(EPOCH)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 1, PIXELS, PIXELS), dtype=torch.uint8)
    found = [training_case(data, detector, trainer), reading_case(build)]
    for name in ("resnet18", "densenet121"):
        net = torchvision_net(len(FINDINGS), name=name, weights=None).eval()
        found.append(maps_case(name, net, images))
        found.append(onnx_case(name, net, images))
        if torch.cuda.is_available():
            found.append(gpu_case(name, net, data))
    return found


def training_case(
    data: RadiographData, detector: PneumothoraxDetector, trainer: Callable[[], Trainer]
) -> Case:
    """Our Trainer against a plain loop over the same batches."""
    return Case(
        name=f"train small CNN, {STEPS} x {data.batch_size} images of {data.size} px",
        contenders={
            "Trainer": Contender(
                prepare=lambda: (trainer(), copy.deepcopy(detector)),
                run=lambda made: made[0].fit(made[1], datamodule=data),
            ),
            "loop": Contender(
                prepare=lambda: copy.deepcopy(detector),
                run=lambda fresh: plain_loop(fresh, data, steps=STEPS),
            ),
        },
        claims=(Claim(text="Trainer / plain loop", top="Trainer", bottom="loop", at_most=1.05),),
    )


def reading_case(build: Build) -> Case:
    """Batches out of the cache against decoding the files each time."""
    data, _, _ = build([*EPOCH, f"data.size={PIXELS}"])
    paths = [study.path for study in data.studies(TRAIN)[:DECODED]]
    chosen = np.random.default_rng(0).permutation(len(data.items[TRAIN]))[:DECODED]

    def cached(_: None) -> None:
        for _ in range(BATCHES):
            data.fetch(TRAIN, chosen)

    return Case(
        name=f"{DECODED} images of {PIXELS} px",
        contenders={
            "PIL": Contender(run=lambda _: decoded_by_pil(paths, size=PIXELS)),
            "cache": Contender(run=cached, scale=1 / BATCHES),
        },
        claims=(Claim(text="PIL / cache, an image", top="PIL", bottom="cache", at_least=200),),
    )


def maps_case(name: str, net: GapCNN, images: Tensor) -> Case:
    """Maps in closed form against the bare forward and against gradients."""
    as_float = images.float()

    @torch.inference_mode()
    def forward(_: None) -> Tensor:
        return net(images)

    every = range(net.head.out_features)
    return Case(
        name=f"maps of {len(images)} images of {PIXELS} px, {name}",
        contenders={
            "forward": Contender(run=forward),
            "ours": Contender(run=lambda _: class_activation_maps(net, images)),
            "grad-cam, 1 class": Contender(run=lambda _: grad_cam(net, as_float, classes=[0])),
            "grad-cam, all": Contender(run=lambda _: grad_cam(net, as_float, classes=every)),
        },
        claims=(
            Claim(text="with maps / bare", top="ours", bottom="forward", at_most=1.05),
            Claim(text="Grad-CAM / ours, 1 class", top="grad-cam, 1 class", bottom="ours",
                  at_least=3),
            Claim(text="Grad-CAM / ours, 14", top="grad-cam, all", bottom="ours", at_least=40),
        ),
    )  # fmt: skip


def onnx_case(name: str, net: GapCNN, images: Tensor) -> Case:
    """The exported network in onnxruntime against eager mode, both with maps."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        export(WithMaps(net), path, size=PIXELS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path.read_bytes(), options)
    given = {session.get_inputs()[0].name: images.numpy()}
    return Case(
        name=f"{len(images)} images of {PIXELS} px with maps, {name}",
        contenders={
            "eager": Contender(run=lambda _: class_activation_maps(net, images)),
            "onnxruntime": Contender(run=lambda _: session.run(None, given)),
        },
        claims=(Claim(text="eager / onnxruntime", top="eager", bottom="onnxruntime"),),
    )


def gpu_case(name: str, net: GapCNN, data: RadiographData, *, batch: int = 256) -> Case:
    """Training steps in bf16 and channels-last: with batches from the cache, and from nowhere."""
    device = torch.device("cuda")
    net = copy.deepcopy(net).train().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    chosen = np.arange(batch) % len(data.items[TRAIN])

    def fetch() -> tuple[Tensor, Tensor]:
        images = data.fetch(TRAIN, chosen)["images"].pin_memory().to(device, non_blocking=True)
        images = nn.functional.interpolate(images.float(), size=PIXELS)
        return images, torch.zeros(batch, len(FINDINGS), device=device)

    still = fetch()

    def steps(batches: Callable[[], tuple[Tensor, Tensor]], _: None) -> None:
        for _ in range(STEPS):
            images, targets = batches()
            with torch.autocast("cuda", torch.bfloat16):
                logits = net(images)
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(logits.float(), targets).backward()
            optimizer.step()
        torch.cuda.synchronize()

    scale = 1 / (STEPS * batch)  # seconds an image
    return Case(
        name=f"train {name} on {torch.cuda.get_device_name()}, bf16, {PIXELS} px",
        contenders={
            "device alone": Contender(run=partial(steps, lambda: still), scale=scale),
            "with input": Contender(run=partial(steps, fetch), scale=scale),
        },
        claims=(
            Claim(text="seconds an image", top="with input"),
            Claim(text="share of the time the device is busy", top="device alone",
                  bottom="with input", at_least=0.9),
        ),
    )  # fmt: skip
