"""A sweep as a whole: which jobs still have to run, what became of them, what they say together."""

import logging
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from filelock import Timeout
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from dlcourse.alone import alone, is_held
from dlcourse.command_line.override_grammar import quoted_value
from dlcourse.errors import InputError, Interrupted, SweepUnfinished
from dlcourse.files import write_json, write_text
from dlcourse.options import changed_options, flat_options, saved_options
from dlcourse.provenance import command_line
from dlcourse.runs import DONE, LAST, RUNNING, Run
from dlcourse.sweep_folder import Job, Sweep, open_sweep, plan_sweep, summary
from dlcourse.sweep_names import grid, job_name, multirun_overrides, slug, split_overrides

log = logging.getLogger(__name__)
FOLD = "split.fold"


def train_job(config: DictConfig) -> float | None:
    """Train what the config says; within a sweep only what is not done yet.

    A job that was stopped goes on from its last checkpoint. One that fails is noted in its folder
    and costs no other job anything; `SweepReport` tells at the end.

    Raises:
        InputError: The job is done, or half done, with another config; its folder is kept.
    """
    if not in_sweep():
        from dlcourse.training import train

        return train(config)
    run = Run(Path(config.folder))
    try:
        with alone(run.folder, wait=False):  # from looking at what is done to having done it
            return _train_rest(run, config)
    except Timeout:
        return _left_to_another(run)


def _left_to_another(run: Run) -> None:
    log.info("%s: another process is at it", run.folder)


def _train_rest(run: Run, config: DictConfig) -> float | None:
    """See `train_job`; no other process of a sweep looks at the folder in the meantime."""
    from dlcourse.training import train

    state = run.state
    if state == RUNNING:  # somebody resumed it by itself
        return _left_to_another(run)
    last = run.folder / "checkpoints" / f"{LAST}.ckpt"
    go_on = run.outcome is None and last.is_file()
    if state == DONE or go_on:  # what has failed may well have been mended in conf/
        _check_same(run, config)
    if state == DONE:
        log.info("%s: done before; remove the folder to run it anew", run.folder)
        return (run.outcome or {}).get("value")
    if not go_on:
        _note_config(run, config)
    try:
        return train(config, checkpoint=last if go_on else None)
    except Interrupted as stop:
        text = f"{stop}; or with all of the sweep: the same command again"
        raise Interrupted(text, stop.exit_code) from None
    except Exception as error:  # it stands in outcome.json, and the next job has to run
        log.error("%s: failed: %s", run.folder, " ".join(str(error).split()))
        return None


def _note_config(run: Run, config: DictConfig) -> None:
    """What Hydra leaves of a job, but whole, and not over that of a job that is done or running."""
    hydra = HydraConfig.instance().cfg
    notes = {"config": config, "hydra": hydra, "overrides": hydra.hydra.overrides.task}
    for name, node in notes.items():
        write_text(run.folder / ".hydra" / f"{name}.yaml", OmegaConf.to_yaml(node))


def in_sweep() -> bool:
    """Whether this is a job of a multirun."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def _check_same(run: Run, config: DictConfig) -> None:
    """What is composed now is what the folder was begun with."""
    before = saved_options(run.folder)
    changes = changed_options(before, flat_options(config)) if before else {}
    if changes:
        key = min(changes, key=lambda name: name.count("."))  # others follow from it
        then, now = changes[key]
        raise InputError(
            f"{run.folder}: begun with {key}={then}, and conf/ now says {now}: remove the folder "
            f"to run it anew, or name another sweep with hydra.sweep.dir=<folder>"
        )


class SweepReport(Callback):
    """Notes a sweep's plan before it begins, and in the end what became of it.

    Args:
        pool: Pool the folds of a cross-validation: every fold tests other songs or patients, so
            that together all of them are held out once.
    """

    def __init__(self, *, pool: bool = False) -> None:
        self.pool = pool

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave `sweep.json`, so that what is missing can be told from what was never asked.

        A job is composed of overrides of its own, wherever it runs, and these do not say what
        varies: so it is handed the sweep's folder and the keys its own folder is named after. Its
        config is noted by `train_job`, once it is clear that it is begun.
        """
        overrides = multirun_overrides(config.hydra.sweeper, config.hydra.overrides.task)
        swept, _ = split_overrides(overrides)
        jobs = {job_name(job, list(swept)): job for job in grid(overrides)}
        folder = config.hydra.sweep.dir
        name = f"${{job_folder:${{hydra.overrides.task}},'{','.join(swept)}'}}"
        values = {"dir": folder, "subdir": name}
        handed = [f"hydra.sweep.{key}={quoted_value(value)}" for key, value in values.items()]
        handed.append("hydra.output_subdir=null")
        with read_write(config), open_dict(config):
            config.hydra.overrides.hydra = [*handed, *config.hydra.overrides.hydra]
        plan_sweep(folder, jobs, swept=list(swept), command=command_line())

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Pool, compare, and say what is not done.

        Raises:
            SweepUnfinished: So that the exit status tells.
        """
        sweep = open_sweep(config.hydra.sweep.dir)
        jobs = sweep.jobs
        if self.pool:
            pool_folds(sweep)
        log.info("%s: %s", sweep.folder, summary(jobs))
        if any(job.state == DONE for job in jobs):
            _compare(sweep)
        idle = [job for job in jobs if not is_held(sweep.folder / job.name)]
        unfinished = [job for job in idle if job.state not in (DONE, RUNNING)]
        if unfinished:
            raise SweepUnfinished(
                f"{len(unfinished)} of {len(jobs)} jobs are not done; the same command goes on "
                f"with them; what became of each: python scripts/compare.py {sweep.folder} "
                f"--status",
                1,
            )


def _compare(sweep: Sweep) -> None:
    """The report, which must not cost anybody the results it is about."""
    try:
        from dlcourse.comparison.comparing import write_report

        write_report([sweep.folder])
        log.info("side by side: %s", sweep.folder / "report.html")
    except Exception:
        log.exception("no report; again: python scripts/compare.py %s", sweep.folder)


def pool_folds(sweep: Sweep) -> None:
    """Pool the runs that differ in nothing but their fold.

    One table goes to the sweep's own `results.md` and `results.json`; of several settings each
    has a folder below `pooled/`.
    """
    others = [key for key in sweep.swept if key != FOLD]

    def setting(job: Job) -> str:
        return job_name(job.overrides, others) if others else ""

    for name, jobs in groupby(sorted(sweep.jobs, key=setting), key=setting):
        folder = sweep.folder / "pooled" / name if others else sweep.folder
        _pool(list(jobs), folder, title=slug(*sweep.folder.parts[-2:], name))


def _pool(jobs: Sequence[Job], folder: Path, *, title: str) -> None:
    """Read the runs' results; a run without them is named and left out."""
    unfinished = sorted(job.name for job in jobs if job.state != DONE)
    if unfinished:
        log.warning("not pooled, because unfinished: %s", ", ".join(unfinished))
    runs = [job.run for job in jobs if job.run is not None and job.name not in unfinished]
    if not runs:
        return
    table, text = _pooled(runs, f"{title}, {len(runs)} folds pooled")
    table["unfinished_runs"] = unfinished
    write_text(folder / "results.md", text)
    write_json(folder / "results.json", table)
    log.info("%s\n%s", folder / "results.md", text)


def _pooled(runs: Sequence[Run], title: str) -> tuple[dict[str, Any], str]:
    """The table of all runs, which are of one lab, and its text."""
    results = [run.results for run in runs]
    if results[0].get("lab") == "xray":
        from dlcourse.xray import pooling

        table = pooling.pooled([run.folder for run in runs], results)
        return table, pooling.as_markdown(table, title=title)
    from dlcourse.music.scoring import results as music

    table = music.pooled(results)
    return table, music.as_markdown(table, title=title)
