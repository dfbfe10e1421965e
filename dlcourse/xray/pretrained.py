"""Weights from elsewhere into a network of ours: every tensor fits, is accounted for, or an error.

Checkpoints of the same network differ in how they spell it: the wrapper of several processors
("module."), the attribute that held it ("densenet121."), and the names that torchvision's DenseNet
had until 2018 ("norm.1" for "norm1"). Loading "what matches" leaves such a network untrained
without a word, so both sides' names are brought to one spelling and then have to be the same.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.runs import BEST, open_run
from dlcourse.xray.gap_cnn import GapCNN
from dlcourse.xray.weight_files import read_weights

log = logging.getLogger(__name__)

PREFIXES = re.compile(r"^(?:(?:module|model|net|backbone|densenet121)\.)+")
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")
HEADS = ("head.", "fc.", "classifier.", "last_linear.")
OWN = "net.backbone."  # how a checkpoint of this project begins
COUNTER = ".num_batches_tracked"  # unknown before PyTorch 0.4.1, and used by nobody here


@dataclass(frozen=True)
class Loaded:
    """What came of loading weights.

    Attributes:
        source: Where they are from.
        tensors: How many were loaded, the head's among them.
        head: Whether the last layer was loaded too.
        left: One line for each tensor of the source that was not used, and why.
    """

    source: str
    tensors: int
    head: bool
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = "with the head" if self.head else "the head is new"
        left = f"; left: {', '.join(self.left)}" if self.left else ""
        return f"{self.source}: {self.tensors} tensors loaded, {head}{left}"


def load_pretrained(
    net: GapCNN,
    weights: str,
    *,
    published: Mapping[str, Callable[[], Mapping[str, Tensor]]] | None = None,
) -> Loaded:
    """Load a backbone's weights, and those of the head where it has the same shape.

    A stem that reads one channel fits one that reads three equal ones: a third of it each.

    Args:
        net: Changed in place, or not at all.
        weights: A name in `published`, a run folder (its best checkpoint) or a file.
        published: Weights to be had by name.

    Raises:
        InputError: There are none, they are of another network (names the first tensor that is
            missing, too many or of another shape, and how many are), or of a run whose images were
            normalised otherwise.
    """
    found = dict(_found(weights, published or {}))
    if own := any(name.startswith(OWN) for name in found):  # beside metrics and losses
        found = {name: tensor for name, tensor in found.items() if name.startswith("net.")}
    theirs = _spelt(found, weights)
    normalise = {name: theirs.pop(name) for name in [*theirs] if name.startswith("normalise.")}
    _check_normalise(net, normalise, own=own, source=weights)
    ours = {_spelling(name): name for name in net.backbone.state_dict()}
    head = {
        name: theirs.pop(name) for name in [*theirs] if name not in ours and name.startswith(HEADS)
    }
    body = _fitted(net, theirs, ours, source=weights)
    layer, left = _fitted_head(net, head)
    net.backbone.load_state_dict(body)
    net.head.load_state_dict(layer or net.head.state_dict())
    loaded = Loaded(weights, len(theirs) + len(layer), bool(layer), tuple(left))
    log.info("%s", loaded)
    return loaded


def _found(
    weights: str, published: Mapping[str, Callable[[], Mapping[str, Tensor]]]
) -> Mapping[str, Tensor]:
    if weights in published:
        return published[weights]()
    path = Path(weights)
    if path.is_dir():
        return read_weights(open_run(path).checkpoint(BEST))
    if not path.is_file():
        names = "".join(f"{name}, " for name in published)
        raise InputError(f"net.weights={weights}: choose {names}a run folder, a file or null")
    return read_weights(path)


def _spelling(name: str) -> str:
    return OLD_DENSENET.sub(r"\1\2", PREFIXES.sub("", name))


def _spelt(weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    spelt = {_spelling(name): tensor for name, tensor in weights.items()}
    if len(spelt) < len(weights):
        raise InputError(f"{source}: holds several networks: save the state_dict of one of them")
    return spelt


def _check_normalise(net: GapCNN, theirs: Mapping[str, Tensor], *, own: bool, source: str) -> None:
    """Weights that say how their images were normalised have to be used with such images."""
    ours = {f"normalise.{name}": tensor for name, tensor in net.normalise.state_dict().items()}
    same = ours.keys() == theirs.keys() and all(
        torch.equal(ours[name], theirs[name]) for name in ours
    )
    if (own or theirs) and not same:
        raise InputError(
            f"{source}: was trained on images normalised otherwise: set net.normalise as there"
        )


def _fitted(
    net: GapCNN, theirs: Mapping[str, Tensor], ours: Mapping[str, str], *, source: str
) -> dict[str, Tensor]:
    """The backbone's new state, complete and of the right shapes."""
    here = net.backbone.state_dict()
    if missing := [name for name in ours if name not in theirs and not name.endswith(COUNTER)]:
        raise _other(source, f"{missing[0]} is missing ({len(missing)} in all)")
    if extra := [name for name in theirs if name not in ours]:
        raise _other(source, f"{extra[0]} is not in this network ({len(extra)} in all)")
    alike = getattr(net.normalise, "alike", False)
    body = {
        name: _as_stem(tensor, here[ours[name]]) if alike else tensor
        for name, tensor in theirs.items()
    }
    wrong = [name for name in body if body[name].shape != here[ours[name]].shape]
    if wrong:
        shape, wanted = tuple(body[wrong[0]].shape), tuple(here[ours[wrong[0]]].shape)
        grey = "; what reads grey needs net.normalise=image, fixed or xrv"
        raise _other(
            source,
            f"{wrong[0]} has shape {shape}, here {wanted} ({len(wrong)} in all)"
            + (grey if shape[1:2] == (1,) and wanted[1:2] == (3,) else ""),
        )
    return here | {ours[name]: tensor for name, tensor in body.items()}


def _as_stem(tensor: Tensor, here: Tensor) -> Tensor:
    """A stem that reads grey as one that reads three channels alike."""
    grey = tensor.ndim == 4 and tensor.shape[1] == 1 and here.shape[1] == 3
    return tensor.repeat(1, 3, 1, 1) / 3 if grey else tensor


def _fitted_head(net: GapCNN, head: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The head's new state, empty where it stays as it is; a line on each tensor not used."""
    layer = {name.rpartition(".")[2]: tensor for name, tensor in head.items()}
    here = {name: tensor.shape for name, tensor in net.head.state_dict().items()}
    if len(layer) == len(head) and {n: tensor.shape for n, tensor in layer.items()} == here:
        return layer, []
    reason = f"the head here has {here['weight'][0]} x {here['weight'][1]} weights"
    return {}, [f"{name} {tuple(head[name].shape)}: {reason}" for name in head]


def _other(source: str, problem: str) -> InputError:
    return InputError(f"{source}: weights of another network: {problem}")
