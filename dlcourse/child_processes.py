"""Fitting in processes that Lightning starts, and what it leaves to the one that started them.

The parent waits. It passes the wish to stop on, and raises again what a child has raised; the
children get its settings and log where it does.
"""

import logging
import logging.config
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from dlcourse.errors import InputError, Interrupted, Pruned, Stop
from dlcourse.files import disk_refusal
from dlcourse.loggers import CurveLogger
from dlcourse.quiet import quieten
from dlcourse.stopping import SafeStop, stop_signals
from dlcourse.task import Task

_TOLD = (InputError, Pruned, Stop)  # by a child to its parent; others come with a traceback


def starts_children(trainer: Trainer) -> bool:
    """Whether its strategy is one of those that start their processes themselves."""
    return isinstance(trainer.strategy.launcher, _MultiProcessingLauncher)


def fit_in_children(trainer: Trainer, task: Task, **arguments: Any) -> None:
    """As `trainer.fit`, for a trainer that starts children; the task gets their last weights."""
    launcher = trainer.strategy.launcher
    with tempfile.TemporaryDirectory() as notes, _passing_on(launcher) as received:
        launcher.launch = _Launch(launcher, Path(notes))
        try:
            trainer.fit(task, **arguments)
        except (ProcessExitedException, ProcessRaisedException):
            told = _told(Path(notes), received)
            if told is None:
                raise
            raise told from None
        finally:
            del launcher.launch
    for logger in trainer.loggers:
        if isinstance(logger, CurveLogger):
            logger.take_up()


@contextmanager
def _passing_on(launcher: _MultiProcessingLauncher) -> Iterator[list[int]]:
    """The first signal to stop goes to the processes as SIGTERM; the second ends them at once.

    Yields:
        Where signals are noted.
    """
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in stop_signals()}

    def pass_on(number: int, frame: Any) -> None:
        if received:
            launcher.kill(signal.SIGKILL)
            raise KeyboardInterrupt
        received.append(number)
        launcher.kill(signal.SIGTERM)

    main = threading.current_thread() is threading.main_thread()  # no other one may listen
    if main:
        for number in before:
            signal.signal(number, pass_on)
    try:
        yield received
    finally:
        if main:
            for number, handler in before.items():
                signal.signal(number, handler)
        for number in received:
            if number not in (signal.SIGINT, signal.SIGTERM) and callable(before[number]):
                before[number](number, None)  # submitit's: it requeues the job and exits


def _told(notes: Path, received: list[int]) -> BaseException | None:
    """What a process said before it ended; or that it was asked to end before it could listen."""
    for note in sorted(notes.iterdir()):
        told = pickle.loads(note.read_bytes())  # written by our own processes a moment ago
        if isinstance(told, Interrupted) and received:
            return Interrupted(str(told), 128 + received[0])
        return told
    return Interrupted("stopped before the first step", 128 + received[0]) if received else None


class _Launch:
    """A launcher's `launch`, with whatever it launches wrapped in `_InChild`."""

    def __init__(self, launcher: _MultiProcessingLauncher, notes: Path) -> None:
        self.launcher, self.notes = launcher, notes

    def __call__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        child = _InChild(function, self.notes)
        return _MultiProcessingLauncher.launch(self.launcher, child, *args, **kwargs)


class _InChild:
    """A function of a trainer as a child runs it: with the parent's settings, and a last word.

    Lightning calls `on_exception` and ends loggers in the parent alone.
    """

    def __init__(self, function: Callable[..., Any], notes: Path) -> None:
        self.function, self.notes, self.parent = function, notes, os.getpid()
        self.threads, self.logging = torch.get_num_threads(), _logging_config()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trainer: Trainer = self.function.__self__
        self._settle(trainer)
        try:
            return self.function(*args, **kwargs)
        except BaseException as error:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent when another one is faster to end
            for callback in trainer.callbacks:
                callback.on_exception(trainer, trainer.lightning_module, error)
            refused = isinstance(error, OSError) and disk_refusal(error) is not None
            for logger in trainer.loggers:
                with suppress(*[OSError] if refused else []):  # the disk is full for them, too
                    logger.finalize("failed")
            if not (refused or isinstance(error, _TOLD)):
                raise
            note = self.notes / f"rank-{trainer.global_rank}"
            note.write_bytes(pickle.dumps(error))
            sys.exit(1)

    def _settle(self, trainer: Trainer) -> None:
        torch.set_num_threads(self.threads)
        if self.logging and not logging.getLogger().handlers:  # spawned, not forked
            logging.config.dictConfig(self.logging)
        quieten()
        signal.signal(signal.SIGINT, self._on_interrupt)
        for callback in trainer.callbacks:
            if isinstance(callback, SafeStop):
                callback.signals = (signal.SIGTERM,)

    def _on_interrupt(self, number: int, frame: Any) -> None:
        """Ctrl-C reaches everybody in a terminal; the parent, if it still lives, passes it on."""
        if os.getppid() != self.parent:  # torch sends SIGINT when the parent has died
            os.kill(os.getpid(), signal.SIGTERM)


def _logging_config() -> dict[str, Any] | None:
    """How Hydra set up the log of this job; None when Hydra was not asked."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    if not HydraConfig.initialized():
        return None
    return OmegaConf.to_container(HydraConfig.get().job_logging, resolve=True)
