"""A network and its class activation maps as one file, for use without this package.

Shape legend: N batch, C classes, H W image pixels, h w feature-map cells.
"""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.files import written_whole
from dlcourse.xray.cam import compute_cam

BATCH = {0: torch.export.Dim("batch")}


class WithMaps(nn.Module):
    """Images (N, 1, H, W) -> logits (N, C) and maps (N, C, h, w), in one graph; see `cam`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and what every cell adds to them."""
        features = self.model.forward_features(images)
        maps = compute_cam(features, self.model.head.weight.T)
        return self.model.forward_head(features), maps


def export(
    module: nn.Module, path: str | Path, *, size: int, dtype: torch.dtype = torch.uint8
) -> None:
    """Write a graph that takes any number of images (N, 1, size, size), whole or not at all.

    The suffix says what for: `.pt2` for `torch.export.load(path).module()`, `.onnx` for
    onnxruntime. Input is called "images", output "logits" and "maps". Grey values are 0..255 in
    both types of input; the graph accepts the type it was made for and no other.

    Args:
        module: As a rule `WithMaps(net)`; it is exported in evaluation mode.
        dtype: Of the images: `torch.uint8`, or `torch.float32` for values in between.

    Raises:
        InputError: Another suffix, or the packages that ONNX needs are missing.
    """
    path = Path(path)
    writers = {".pt2": _write_pt2, ".onnx": _write_onnx}
    if path.suffix not in writers:
        raise InputError(f"{path}: cannot export to {path.suffix!r}: choose .pt2 or .onnx")
    # Two images: an axis of length one would be taken for a constant.
    images = torch.zeros(2, 1, size, size, dtype=dtype)
    module = copy.deepcopy(module).cpu().eval()  # the file is to run where there is no GPU
    with torch.no_grad():
        program = torch.export.export(module, (images,), dynamic_shapes=(BATCH,))
    with written_whole(path) as partial:
        writers[path.suffix](program, partial)


def _write_pt2(program: torch.export.ExportedProgram, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the writer about the layout of weights
        torch.export.save(program, path)


def _write_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{path.name}: {error.name} is missing: pip install -e '.[onnx]'"
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about its own parts
        torch.onnx.export(
            program, (), path, dynamo=True, external_data=False, verbose=False,
            input_names=["images"], output_names=["logits", "maps"], dynamic_shapes=(BATCH,),
        )  # fmt: skip
