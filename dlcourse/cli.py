"""How every script starts: where the configs are, and errors that a user can read.

Nothing here imports torch, so that `--help` and `--cfg job` answer at once.
"""

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlcourse.errors import InputError, Stop
from dlcourse.files import disk_refusal
from dlcourse.signals import Signalled, signals_heeded, stopped_by_signals
from dlcourse.trust.terminal import keep_logs_printable, printable

_LINES = "\n\t"
Task = Callable[[Any], Any]
AGAIN = "stopped; the same command does it again"


def conf_path() -> str:
    """The checkout's conf/."""
    return str(Path(__file__).resolve().parents[1] / "conf")


def run_app(task: Task, *, config_name: str) -> None:
    """Run `task` on the config that Hydra composes from the command line.

    Hydra's own complaint about an option is an `InputError`, too; see `run_script`.
    """
    if {"--help", "-h"} & set(sys.argv[1:]):
        from dlcourse.command_line.help import help_text

        sys.stdout.write(help_text(Path(conf_path()), config_name, words=sys.argv[1:]) + "\n")
        return
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from dlcourse.command_line.known_options import refuse_mistakes

    # Hydra then lets exceptions through instead of printing half a traceback of its own.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    app = hydra.main(version_base="1.3", config_path=conf_path(), config_name=config_name)

    def main() -> None:
        try:
            refuse_mistakes(sys.argv[1:], Path(conf_path()), script=config_name)
            app(Job(task))()
        except _Mistake as error:
            raise InputError(str(error)) from error
        except (InputError, HydraException, OmegaConfBaseException) as error:
            raise InputError(_message(error, config_name)) from error

    sweep = any(word in ("-m", "--multirun") or word[:6] == "sweep=" for word in sys.argv)
    run_script(main, stopped="stopped; the same command goes on" if sweep else AGAIN)


def run_script(main: Callable[[], int | None], *, stopped: str = AGAIN) -> None:
    """Run a script to its exit status: 2 and one message for what a user can mend.

    What is interrupted says how to go on and exits with 128 + signal. A full or read-only disk is
    a message, too. Every other exception keeps its traceback.

    Args:
        main: Returns the exit status, or None to go on after it.
        stopped: What Ctrl-C and SIGTERM are answered with where the script itself has no answer.
    """
    keep_logs_printable()
    logging.raiseExceptions = False  # else a full disk is a traceback for every line of a log
    try:
        with stopped_by_signals(), _told_of_disks():
            code = main()
    except Stop as stop:
        said = stopped if isinstance(stop, Signalled) else str(stop)
        sys.stderr.write(f"{printable(said, keep=_LINES)}\n")
        sys.exit(stop.exit_code)
    except InputError as error:
        sys.stderr.write(f"error: {printable(str(error), keep=_LINES)}\n")
        sys.exit(2)
    if code is not None:
        sys.exit(code)


@contextmanager
def _told_of_disks() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        refusal = disk_refusal(error)
        if refusal is None:
            raise
        raise Stop(f"error: {refusal}, then type the same command again", 2) from error


@dataclass(frozen=True)
class Job:
    """A task as Hydra's launchers take it: it reaches other processes, with what its config needs.

    Being of this module it brings the module's resolvers along; a function within a function would
    arrive without them.
    """

    task: Task

    def __call__(self, config: Any) -> Any:
        """Run the task; alone, a mistake of the user's passes by Hydra."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode
        from omegaconf.errors import MissingMandatoryValue

        keep_logs_printable()  # also in a launcher's process
        if os.getcwd() not in sys.path:  # own networks and maps; last, so that they hide nothing
            sys.path.append(os.getcwd())
        try:
            with _told_of_disks(), signals_heeded():
                return self.task(config)
        except (InputError, MissingMandatoryValue) as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise  # Hydra then says which job it was
            raise _Mistake(_shortened(error)) from error


class _Mistake(BaseException):
    """An `InputError` on its way out: Hydra puts a line of its own before an Exception."""


def _message(error: BaseException, script: str) -> str:
    """The user's part of an error: an `InputError` among its causes, else what is wrong with the
    command line, else what Hydra says.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    from dlcourse.command_line.known_options import explained

    said = explained(sys.argv[1:], Path(conf_path()), script=script, text=str(error))
    return said or _shortened(error)


def _shortened(error: BaseException) -> str:
    """An error's text without what Hydra and OmegaConf add for their own developers."""
    text = re.split(r"\n(?:Config search path:|    full_key:)", str(error))[0].strip()
    return text.replace("Missing mandatory value:", "a value is needed for:")


def typed_command(script: str, config: Any) -> str:
    """The line that does it again: what was typed, or the run alone for who called from Python."""
    from hydra.core.hydra_config import HydraConfig

    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return " ".join([f"python scripts/{script}", *(overrides or [f"run={config.run}"])])


def _run_folder(resume: str | None, new: str) -> str:
    """Where the run goes: on in the folder that is resumed, or into a new one."""
    if resume is None:
        return new
    from dlcourse.runs import open_run

    return str(open_run(resume).folder)


def _hydra_folder(resume: str | None) -> str:
    """Hydra's own folder in it; a resumed run keeps the config it was started with."""
    return ".hydra" if resume is None else ".hydra/resumed"


def _sweep_folder(choices: Any, sweeper: Any, typed: Any) -> str:
    """The sweep's folder below runs/: of its experiment, named after its grid."""
    from dlcourse.sweep_names import multirun_overrides, split_overrides, sweep_name

    several = "experiment" in split_overrides(multirun_overrides(sweeper, typed))[0]
    name = sweep_name(str(choices.sweep), sweeper, list(typed))
    return f"{'several' if several else choices.experiment}/{name}"


def _job_folder(overrides: Any, swept: str) -> str:
    """A job's folder in its sweep's; the keys that vary are joined by commas."""
    from dlcourse.sweep_names import job_name

    return job_name(list(overrides), swept.split(","))


def _register_resolvers() -> None:
    from omegaconf import OmegaConf

    OmegaConf.register_new_resolver("sweep_folder", _sweep_folder, replace=True)
    OmegaConf.register_new_resolver("job_folder", _job_folder, replace=True)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)
    OmegaConf.register_new_resolver("hydra_folder", _hydra_folder, replace=True)


_register_resolvers()
