"""Search for better options: every trial is a run of scripts/train.py, bad ones are given up.

<study>/trial-0007/            a run folder like any other
<study>/journal.log            the study, see `search_study`
<study>/study.md, trials.csv, history.png
<study>/experiment/best.yaml   the best trial, to be run as it is
"""

import logging
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from dlcourse.cli import run_app
from dlcourse.command_line.grammar_limits import is_bounded
from dlcourse.command_line.override_grammar import quoted_value
from dlcourse.errors import InputError, Interrupted, SweepUnfinished
from dlcourse.provenance import command_line
from dlcourse.run_log import logged_apart
from dlcourse.runs import DONE, FAILED, LAST, Run
from dlcourse.search.report import write_study_report
from dlcourse.search.space import Space, column, read_space, varies
from dlcourse.search.study import Plan
from dlcourse.search.trial_queue import Claim, TrialQueue
from dlcourse.sweep_folder import plan_sweep
from dlcourse.sweep_names import sweep_name

log = logging.getLogger(__name__)
_OWN = {"trials", "vary", "study", "pruner", "search", "folder"}  # no options of the runs
_ALIKE = 3  # failures, before anything is done, that end a search


def main() -> None:
    """The command line of scripts/tune.py: options typed with several values are searched."""
    OmegaConf.register_new_resolver("study_folder", study_folder, replace=True)
    typed = sys.argv[1:]
    sys.argv[1:] = gathered(typed)
    run_app(_Tune(typed), config_name="tune")


class _Tune:
    """The task as Hydra calls it."""

    def __init__(self, typed: Sequence[str]) -> None:
        self.typed = typed

    def __call__(self, config: DictConfig) -> float:
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        sys.argv[1:] = self.typed  # for whoever asks what was typed
        hydra = HydraConfig.get()
        if hydra.mode == RunMode.MULTIRUN:
            raise InputError(
                "a search is no sweep: leave out -m and sweep=; options typed with several values "
                "are searched"
            )
        return tune(config, hydra.overrides.task, search=hydra.runtime.choices["search"])


def gathered(arguments: Sequence[str]) -> list[str]:
    """Overrides with several values, which Hydra takes with -m alone, moved into `vary=[...]`.

    What nobody could read or count stays where it is, and is refused there.
    """
    words = [a for a in arguments if not a.startswith("-") and "=" in a]
    several = [word for word in words if is_bounded(word) and varies(word)]
    rest = [a for a in arguments if a not in several]
    return [*rest, f"vary=[{','.join(map(quoted_value, several))}]"] if several else rest


def study_folder(experiment: str, search: str, typed: Sequence[str]) -> str:
    """Below runs/, named after the space and what was typed besides: the same command goes on."""
    rest = [o for o in typed if _key(o) not in ("search", "trials")]
    return f"{experiment}/{sweep_name(f'tune-{search}', {}, rest)}"


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def tune(config: DictConfig, overrides: Sequence[str], *, search: str = "none") -> float:
    """Search until the total of trials is reached; go on with what earlier calls left.

    Hydra has to be initialised, as within its apps.

    Args:
        config: Of conf/tune.yaml; the study lies in its `folder`.
        overrides: With which it was composed; what is not the search's own goes to every trial.
        search: Name of the space, for messages.

    Returns:
        The best monitored value, the smallest.

    Raises:
        InputError: The space is wrong, or the first trials fail all alike.
        Interrupted: Ctrl-C; says how to go on.
        SweepUnfinished: As many trials failed as were asked for.
    """
    from dlcourse.search.trial_config import check_space

    fixed = [o for o in overrides if _key(o).split(".")[0] not in _OWN]
    _refuse(config)
    space = read_space(config.search.params, [*config.vary, *fixed])
    plan = Plan(space, config.trials, config.study.seed, config.study.random, config.pruner)
    if not (Path(config.folder) / "journal.log").is_file():
        check_space(fixed, space, name=search)
    queue = TrialQueue(Path(config.folder), plan)
    command = shlex.join(command_line())
    try:
        _work(queue, fixed, config.monitor)
    except (Interrupted, KeyboardInterrupt) as stop:
        code = getattr(stop, "exit_code", 130)
        why = str(stop) or "stopped"
        raise Interrupted(f"{why}; the same command goes on: {command}", code) from None
    finally:
        best = write_study_report(queue, monitor=config.monitor, command=command)
    if best is None:
        raise SweepUnfinished(f"no trial is done: {queue.folder / 'study.md'}", 1)
    return best


def _refuse(config: DictConfig) -> None:
    """What goes with one run and not with a search of many."""
    if config.resume is not None:
        raise InputError(f"resume={config.resume}: a search goes on with the command that began it")
    if "ddp" in str(config.trainer.get("strategy")):
        raise InputError(
            "trainer=ddp: in a search every trial has one device; for several give the same "
            "command several times at once, each with CUDA_VISIBLE_DEVICES of its own"
        )


def _work(queue: TrialQueue, fixed: Sequence[str], monitor: str) -> None:
    """Train trials, one after the other, until there is nothing left to begin."""
    total, failures = queue.plan.trials, []
    with tqdm(total=total, desc="trials", unit="trial", disable=not sys.stderr.isatty()) as bar:
        while len(failures) < max(total, _ALIKE):
            bar.update(queue.finished - bar.n)
            with queue.next_claim() as claim:
                if claim is None:
                    return
                outcome = _outcome(claim, queue, fixed)
                state = claim.tell(outcome)
            finished = queue.finished
            said = f"{monitor} {outcome['value']:.4f}" if state == DONE else claim.error
            values = _values(claim, queue.plan.space)
            count = f"{finished} of {total}"
            log.info("trial %d: %s: %s; %s; %s", claim.number, state, said, values, count)
            if state == FAILED:
                failures.append(claim.error)
                _check_failures(failures, finished)
    raise SweepUnfinished(
        f"{len(failures)} trials failed, the last one with: {failures[-1]}; the same command tries "
        f"others",
        1,
    )


def _outcome(claim: Claim, queue: TrialQueue, fixed: Sequence[str]) -> dict[str, Any]:
    """Train a trial, or go on with it; how it ended, good or bad."""
    run = Run(claim.folder)
    if run.outcome is None:  # else somebody was killed between writing and telling it
        try:
            _train(claim, queue, fixed)
        except Exception as error:
            if run.outcome is None:  # options that do not go together never became a run
                line = " ".join(f"{type(error).__name__}: {error}".split())
                return {"state": FAILED, "value": None, "error": line}
    outcome = run.outcome
    assert outcome is not None
    return outcome


def _train(claim: Claim, queue: TrialQueue, fixed: Sequence[str]) -> None:
    from dlcourse.search.pruning import Pruning
    from dlcourse.search.trial_config import compose_trial, trial_overrides
    from dlcourse.training import train

    overrides = trial_overrides(fixed, queue.plan.space, claim.values)
    config = compose_trial(overrides, claim.folder)
    with queue.lock:
        job = {claim.folder.name: overrides}
        plan_sweep(queue.folder, job, swept=list(queue.plan.space), command=command_line())
    last = claim.folder / "checkpoints" / f"{LAST}.ckpt"
    with logged_apart(claim.folder / "train.log"):
        train(
            config,
            checkpoint=last if last.is_file() else None,
            callbacks=[Pruning(config.monitor, claim.hopeless)],
        )


def _values(claim: Claim, space: Space) -> str:
    """What was drawn, for a line of the log."""
    return " ".join(
        f"{column(key, space[key])}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in claim.values.items()
    )


def _check_failures(failures: Sequence[str], finished: int) -> None:
    """What fails every time is no matter of what was drawn.

    Raises:
        InputError: With the error.
    """
    kinds = {re.sub(r"[\d.]+", "#", error) for error in failures}
    if not finished and len(failures) == _ALIKE and len(kinds) == 1:
        raise InputError(f"the first {_ALIKE} trials failed alike: {failures[-1]}")
