"""How a run that was stopped, killed or refused by the disk goes on, and what tells its user."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from dlcourse.command_line.override_grammar import quoted_override
from dlcourse.errors import InputError, Interrupted
from dlcourse.files import clear_partials, disk_refusal
from dlcourse.metrics_file import METRICS_FILE, TIMES_FILE
from dlcourse.runs import BEST, LAST, Run, open_run

log = logging.getLogger(__name__)


@contextmanager
def told_how_to_go_on(run: Run) -> Iterator[None]:
    """Whoever stops what happens inside, or takes its disk away, is told how the run goes on.

    Raises:
        Interrupted: Says so.
    """
    how = f"go on with: python scripts/train.py {quoted_override('resume', str(run.folder))}"
    try:
        yield
    except Interrupted as stop:
        raise Interrupted(f"{stop}; {how}", stop.exit_code) from None
    except Exception as error:
        refusal = disk_refusal(error)
        if refusal is None:
            raise
        raise Interrupted(f"error: {refusal}, then {how}", 1) from error


def make_way(run: Run, *, anew: bool) -> None:
    """Remove what a claimed folder has of earlier attempts and this one does not go on with.

    Checkpoints and curves would be taken for those of the run that begins, if it was killed before
    its own: it may have other options.
    """
    clear_partials(run.folder, "**/", claimed=True)
    checkpoints = [f"checkpoints/{which}.ckpt" for which in (LAST, BEST)]
    theirs = [*checkpoints, METRICS_FILE, TIMES_FILE] if anew else []
    for name in ("outcome.json", "results.json", *theirs):
        (run.folder / name).unlink(missing_ok=True)


def resumed(config: DictConfig) -> tuple[DictConfig, Path | None]:
    """The config a run was started with, and the checkpoint to go on from; None if it has none yet.

    Only the budget may be changed on the command line: another network or other data would not be
    the same run.
    """
    from hydra.core.hydra_config import HydraConfig

    run = open_run(config.resume)
    saved = run.config
    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    for override in given:
        key = override.partition("=")[0]
        if key == "steps":
            saved.steps = config.steps
        elif key != "resume":
            raise InputError(
                f"resume={config.resume} {override}: a run goes on as it was begun; only steps may "
                f"change (it has {saved.steps})"
            )
    if not (run.folder / "checkpoints" / f"{LAST}.ckpt").is_file():
        log.warning("%s: stopped before its first checkpoint; it begins anew", run.folder)
        return saved, None
    return without_start(saved), run.checkpoint(LAST)


def without_start(config: DictConfig) -> DictConfig:
    """No weights to begin from: they may be gone by now, and the checkpoint has them all."""
    if "weights" in config.net:
        config.net.weights = None
    return config
