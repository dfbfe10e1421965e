"""Weights that others publish, downloaded once: ImageNet's, and those of torchxrayvision."""

import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torchvision import models

from dlcourse.downloads.remote_files import RemoteFile, fetch_file
from dlcourse.errors import InputError
from dlcourse.xray.pickled_networks import pickled_tensors
from dlcourse.xray.weight_files import read_weights


def torchvision_weights(name: str) -> dict[str, Tensor]:
    """The best ImageNet weights that torchvision has for a network, from its cache or the network.

    Their SHA-256, whose first digits are in the file's name, is verified every time: most are in a
    format without checksums, of which PyTorch reads a damaged file without a word.

    Raises:
        InputError: They cannot be had, or are others; says where to put the file.
    """
    url = models.get_model_weights(name).DEFAULT.url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    assert digits is not None, "torchvision names its files so"
    advice = f"net.weights=imagenet: put the file at {path}"
    return read_weights(fetch_file(RemoteFile(url=url, sha256=digits[1], advice=advice), path))


def timm_weights(name: str) -> dict[str, Tensor]:
    """The weights that timm has for a network; "resnet10t.c3_in1k" names one set of several.

    Raises:
        InputError: There are none, or they cannot be had.
    """
    timm = imported_timm()
    if not timm.models.is_model_pretrained(name):
        raise InputError(f"net.weights=imagenet: timm has none for {name}; net.weights=null")
    try:
        return timm.create_model(name, pretrained=True, num_classes=0).state_dict()
    except Exception as error:  # the hub's client raises many kinds
        config = timm.get_pretrained_cfg(name)
        url = config.url or f"https://huggingface.co/{config.hf_hub_id}"
        raise _unreachable("imagenet", url, None, error) from error


def xrv_weights(name: str, *, normalise: Any) -> dict[str, Tensor]:
    """A DenseNet-121 of torchxrayvision, trained on grey chest X-rays of -1024..1024.

    The package tells where its file is, which is a network pickled whole; it is opened here.

    Args:
        name: "nih".
        normalise: The network's, which has to be "xrv".

    Raises:
        InputError: Another normalisation, no package, or a file that cannot be had or read.
    """
    if normalise != "xrv":
        raise InputError(f"net.weights={name}: was trained with other inputs: net.normalise=xrv")
    try:
        with warnings.catch_warnings():  # its import silences everybody's
            import torchxrayvision as xrv
    except ImportError as error:
        raise InputError(
            f"net.weights={name} needs torchxrayvision: pip install 'dlcourse[xrv]'"
        ) from error
    url = xrv.models.model_urls[f"densenet121-res224-{name}"]["weights_url"]
    path = Path(xrv.utils.get_cache_dir()) / url.rpartition("/")[2]
    if not path.is_file():
        _fetch(name, url, path)
    weights = pickled_tensors(path)
    weights.pop("op_threshs", None)  # the findings' thresholds
    return weights


def _fetch(name: str, url: str, path: Path) -> None:
    """Download a file, whole or not at all; `name` is the option's value."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path))
    except (OSError, RuntimeError) as error:
        raise _unreachable(name, url, path, error) from error


def imported_timm() -> ModuleType:
    """The module timm.

    Raises:
        InputError: It is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise InputError("net=timm needs timm: pip install 'dlcourse[timm]'") from error
    return timm


def _unreachable(name: str, url: str, path: Path | None, error: Exception) -> InputError:
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    advice = f"put the file at {path}" if path else "give a copy of it as net.weights=<file>"
    return InputError(f"net.weights={name}: {url} cannot be had ({line}): {advice}")
