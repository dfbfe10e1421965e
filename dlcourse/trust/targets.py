"""Which `_target_` a config may name that somebody else wrote.

A package's name is no answer: `torch.hub.load` runs what it downloads, and a module reaches others
through its own imports. So: exactly what conf/ names, and the classes of a few families that people
choose from on the command line.
"""

import importlib
import re
from functools import cache
from pathlib import Path

CONF = Path(__file__).resolve().parents[2] / "conf"
# Of runs that were made before these moved; hydra then says what is there now.
MOVED = frozenset(
    {
        "dlcourse.callbacks.SafeStop",
        "dlcourse.music.metrics.Accuracy",
        "dlcourse.music.metrics.MeanNLL",
    }
)
# By module: what its classes are made from. None of them runs, reads or writes anything.
FAMILIES = {
    "torch.optim": "torch.optim.Optimizer",
    "torch.optim.lr_scheduler": "torch.optim.lr_scheduler.LRScheduler",
    "torch.nn": "torch.nn.modules.loss._Loss",
    "torchmetrics.classification": "torchmetrics.Metric",
    "torchvision.transforms.v2": "torchvision.transforms.v2.Transform",
}
_TARGET = re.compile(r"^[ -]*_target_: *([\w.]+)", re.MULTILINE)
_RESOLVER = re.compile(r"\$\{[\w.]+:[^${}]*\}")


def is_known(target: object) -> bool:
    """Whether a dotted name is one of the project's own configs, or of a family."""
    return isinstance(target, str) and (target in known_targets() or _is_of_family(target))


@cache
def known_targets() -> frozenset[str]:
    """What conf/ names, and named."""
    return frozenset(_TARGET.findall(_conf_text())) | MOVED


@cache
def known_resolvers() -> frozenset[str]:
    """The interpolations of conf/ that are no plain references, as they are written there."""
    return frozenset(_RESOLVER.findall(_conf_text()))


@cache
def _conf_text() -> str:
    files = sorted(CONF.rglob("*.yaml"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _is_of_family(target: str) -> bool:
    """Whether it is a class of its family that was defined below the module, and not imported."""
    module, _, name = target.rpartition(".")
    if module not in FAMILIES:
        return False
    base = _attribute(*FAMILIES[module].rsplit(".", 1))
    value = _attribute(module, name)
    return (
        isinstance(value, type)
        and issubclass(value, base)
        and f"{value.__module__}.".startswith(f"{module}.")
    )


def _attribute(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name, None)
