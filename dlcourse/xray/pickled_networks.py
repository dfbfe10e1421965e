"""The tensors of a network that was pickled whole, without running anything that is in the file.

Such a file names classes and functions to be called. Here the few that make tensors are called, and
an object that does nothing stands for all others: nothing is imported or run, and the package that
the network is from need not be there. What is left is the tree of `torch.nn.Module`'s own fields.
"""

import pickle
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import torch
from torch import Tensor

from dlcourse.errors import InputError
from dlcourse.trust.terminal import one_line
from dlcourse.xray.weight_files import check_file

_MAKERS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}


def pickled_tensors(path: str | Path) -> dict[str, Tensor]:
    """What `state_dict()` of the network in a file of `torch.save(network, ...)` would give.

    Raises:
        InputError: No such file, damaged, or no network.
    """
    inert = SimpleNamespace(__name__="inert", Unpickler=_Unpickler, load=_load)
    try:
        check_file(path)
        _check_kind(path)
        with warnings.catch_warnings():  # of the classes, whose source it cannot see
            warnings.simplefilter("ignore")
            network = torch.load(path, "cpu", pickle_module=inert, weights_only=False)
        tensors = _tensors(network)
    except InputError:
        raise
    except Exception as error:  # whatever the fields of a file bring about
        raise InputError(f"{path}: no pickled network, or damaged: {one_line(error)}") from error
    if not tensors:
        raise InputError(f"{path}: holds no network with weights")
    return tensors


def _check_kind(path: str | Path) -> None:
    """The kinds of files with which torch does more than unpickle."""
    kind = ""
    if tarfile.is_tarfile(path):
        kind = "of 2016, a .tar"
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                kind = "of TorchScript"
    if kind:
        raise InputError(f"{path}: a file {kind}: torch.save(network, ...) is needed")


class _Inert:
    """Stands for whatever a file names: takes everything, does nothing."""

    dump_patches = False  # which torch asks classes for
    state: Any = None

    def __init__(self, *args: object, **options: object) -> None: ...

    def __call__(self, *args: object, **options: object) -> "_Inert":
        return _Inert()

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None: ...

    def append(self, value: object) -> None:
        """As lists have it."""


class _Maker:
    """Calls a function: a file could change the function's own fields for all of the process."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *args: Any) -> Any:
        return self._make(*args)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        """Never what the file names, unless it makes tensors."""
        make = _MAKERS.get((module, name))
        return _Inert if make is None else _Maker(make)


def _load(file: IO[bytes], **options: Any) -> Any:
    return _Unpickler(file, **options).load()


def _tensors(network: Any) -> dict[str, Tensor]:
    """Parameters and buffers by their dotted names, every module once."""
    found, todo, seen = dict[str, Tensor](), [("", network)], set[int]()
    while todo:
        prefix, module = todo.pop()
        if not isinstance(module, _Inert) or id(module) in seen:
            continue
        seen.add(id(module))
        for kind in ("_parameters", "_buffers"):
            own = module.state.get(kind, {}).items()
            found |= {prefix + name: t.detach() for name, t in own if isinstance(t, Tensor)}
        todo += [(f"{prefix}{name}.", one) for name, one in module.state["_modules"].items()]
    return found
