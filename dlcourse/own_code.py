"""Code that is not the package's, named on the command line: found, made, and told what it lacks.

    net._target_=my_lab.NextNoteLSTM        cam=my_lab.compute_cam

A module is looked for in the folder the command is typed in, then among what is installed.
"""

import importlib
import inspect
import logging
import sysconfig
import traceback
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.errors import InputError

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)

NAMED = "such as net._target_=my_lab.NextNoteLSTM"
_OURS = f"{__package__}."
_NOT_OWN = (str(Path(__file__).parent), sysconfig.get_path("stdlib"), "<frozen")
_FAILURES = (Exception, SystemExit)  # what a module of a student's may end in


def check_own_code(config: Any) -> None:
    """See that a config's network and maps can be found, before data are read.

    Raises:
        InputError: No such module, or nothing of that name in it; it cannot be imported; a network
            is not named; maps of one's own for songs.
    """
    target = None if config.net is None else config.net.get("_target_")
    if target is None:
        raise InputError(f"net=student: it is your own, name it: {NAMED}")
    if not target.startswith(_OURS):
        find(target, option="net._target_")
    if config.get("cam") and "cam" not in config.task:
        raise InputError(f"cam={config.cam}: maps are of radiographs: experiment=xray_phantoms")


def find(name: str, *, option: str) -> Callable[..., Any]:
    """The function or class of a dotted name.

    Args:
        option: What the name was given to.

    Raises:
        InputError: It is not found, or its module cannot be imported; says where that failed.
    """
    given = f"{option}={name}"
    module, _, attribute = name.rpartition(".")
    if not module:
        raise InputError(f"{given}: of which file? {option}=my_lab.{name} for my_lab.py")
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not error.name or not f"{module}.".startswith(f"{error.name}."):
            raise InputError(f"{given}: {told(error)}") from error
        raise InputError(
            f"{given}: no module {error.name} in {Path.cwd()}, nor installed: type the command in "
            f"the folder that holds {error.name.partition('.')[0]}.py, or name that on PYTHONPATH"
        ) from error
    except _FAILURES as error:
        raise InputError(f"{given}: {told(error)}") from error
    value = getattr(found, attribute, None)
    if not callable(value):
        lacks = "it is no function or class" if hasattr(found, attribute) else "there is none"
        own = [n for n, v in vars(found).items() if getattr(v, "__module__", None) == module]
        holds = f"it defines {', '.join(own[:8])}" if own else "it defines nothing"
        raise InputError(f"{given}: {lacks} in {getattr(found, '__file__', module)}; {holds}")
    return value


def made(make: "Callable[..., nn.Module]", *sizes: int, spare: Collection[str]) -> "nn.Module":
    """A network from its sizes; one's own gets of the config's options those that it takes.

    Args:
        make: As the config made it: a partial of a class or function and its options.
        spare: Options of the package's own networks, which stay in the config when another class is
            put in their place. They are left out, which is logged.

    Raises:
        InputError: One's own network takes other options, cannot be made or is no module.
    """
    if not is_own(make):
        return make(*sizes)
    given = option_of(make)
    takes = inspect.signature(make.func).parameters
    options = dict(make.keywords)
    if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in takes.values()):
        unknown = [name for name in options if name not in takes]
        if strange := [name for name in unknown if name not in spare]:
            raise InputError(f"{given}: no option {strange[0]}; it takes {', '.join(takes)}")
        if unknown:
            log.warning("%s takes no %s: left out; net=student has none", given, ", ".join(unknown))
        options = {name: value for name, value in options.items() if name in takes}
    try:
        net = make.func(*sizes, **options)
    except _FAILURES as error:
        raise InputError(
            f"{given}, made from {', '.join(map(str, sizes))}: {told(error)}"
        ) from error
    if not callable(getattr(net, "state_dict", None)):
        raise InputError(f"{given}: makes a {type(net).__name__}: it has to be a torch.nn.Module")
    return net


def is_own(make: Any) -> bool:
    """Whether a config's partial is of code that is not the package's."""
    return isinstance(make, partial) and not f"{make.func.__module__}.".startswith(_OURS)


def option_of(make: partial) -> str:
    """How its class was named on the command line."""
    return f"net._target_={make.func.__module__}.{make.func.__qualname__}"


def told(error: BaseException) -> str:
    """An error in one line, after the place in the code that is not the package's."""
    if isinstance(error, SyntaxError):
        return f"{Path(str(error.filename)).name}, line {error.lineno}: {error.msg}"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_NOT_OWN) and "site-packages" not in frame.filename
    ]
    place = f"{Path(own[-1].filename).name}, line {own[-1].lineno}: " if own else ""
    first = str(error).strip().splitlines()[:1]
    return place + ": ".join([type(error).__name__, *first])
