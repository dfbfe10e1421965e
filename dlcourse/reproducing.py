"""Reproduce: run a finished run again from its folder, or the README's numbers, and compare."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from dlcourse.cli import conf_path
from dlcourse.errors import InputError
from dlcourse.files import write_json, write_text
from dlcourse.progress import watched
from dlcourse.provenance import code_sha256, provenance
from dlcourse.reproduction import experiments
from dlcourse.reproduction.differences import run_differences
from dlcourse.reproduction.expectations import Figure
from dlcourse.reproduction.inputs import Input, code_inputs, config_input, data_input, weights_input
from dlcourse.reproduction.old_configs import explained, one_line
from dlcourse.reproduction.verdict import Reproduction, deciding
from dlcourse.run_log import logged_apart
from dlcourse.run_provenance import read_provenance, weights_read
from dlcourse.runs import DONE, STOPPED, Run, open_run
from dlcourse.training import make, train

TOLERANCE = 1e-4  # relative; of curves and test metrics
_WRONG = (InputError, HydraException, OmegaConfBaseException)


def reproduce(
    folder: str | Path,
    *,
    output: Path | None = None,
    tolerance: float = TOLERANCE,
    anyway: bool = False,
) -> Reproduction:
    """Run it again in a new folder, on the same data, and compare.

    What goes in is compared first: with another config, other data or other first weights it would
    be another run, and nothing is trained.

    Args:
        folder: Of a run that is done.
        output: A new folder; by default below `reproduced/` in the run's.
        tolerance: Largest relative difference of curves and test metrics that is still called
            "within tolerance".
        anyway: Train also where it would be another run.

    Returns:
        The verdict and what it rests on, also in `reproduction.json` of the new folder.

    Raises:
        InputError: The run is not done, or its config is not one of this version of the project.
    """
    run = _finished(open_run(folder))
    output = output or run.folder / "reproduced" / f"{datetime.now():%Y-%m-%d_%H-%M-%S-%f}"
    config = _prepared(run, output)
    again = Run(output)
    with logged_apart(output / "train.log"):
        inputs, trained = _again(run, config, anyway=anyway)
    now = read_provenance(output) if trained else provenance()
    inputs += code_inputs(read_provenance(run.folder), now)
    made = Reproduction(
        run=run.folder,
        output=output,
        inputs=inputs,
        outcome=run_differences(run, again) if trained else None,
        seconds=(_seconds(run), _seconds(again)),
        tolerance=tolerance,
    )
    write_json(output / "reproduction.json", made.as_json())
    return made


def _again(run: Run, config: DictConfig, *, anyway: bool) -> tuple[list[Input], bool]:
    """What goes in, then and now; and whether it was trained.

    Raises:
        InputError: A mistake, or a config of another version of the project.
    """
    try:
        inputs = _inputs(run, config)
        trained = anyway or not deciding(inputs)
        if trained:
            train(config)
    except Exception as error:
        if told := explained(run, error):
            raise told from error
        if isinstance(error, _WRONG):
            raise InputError(one_line(error)) from error
        raise
    return inputs, trained


def _finished(run: Run) -> Run:
    """The run, whose numbers are there to compare with.

    Raises:
        InputError: It is not done.
    """
    if run.state == DONE:
        return run
    error = f" ({run.error})" if run.error else ""
    go_on = f"; scripts/train.py resume={run.folder} goes on with it"
    raise InputError(
        f"{run.folder}: this run is {run.state}{error}, and only one that is done has numbers to "
        f"compare with{go_on if run.state == STOPPED else ''}"
    )


def _prepared(run: Run, output: Path) -> DictConfig:
    """The run's config with another folder, left there as Hydra leaves it."""
    if output.exists() and any(output.iterdir()):
        raise InputError(f"{output}: holds something already; name a new folder with --output")
    config = run.config
    if (config.get("trainer") or {}).get("strategy") == "ddp":
        raise InputError(
            f"{run.folder}: was trained by processes that a cluster started (trainer=ddp_nodes): "
            f"give its command again, {' '.join(read_provenance(run.folder).get('command', []))}, "
            f"and compare the two with scripts/compare.py"
        )
    config.folder, config.resume = str(output), None
    shutil.copytree(run.folder / ".hydra", output / ".hydra", dirs_exist_ok=True)
    write_text(output / ".hydra" / "config.yaml", OmegaConf.to_yaml(config))
    return config


def _inputs(run: Run, config: DictConfig) -> list[Input]:
    """Config, data and first weights, then and now; the data are read for it, without training."""
    data = make(config.data)
    data.prepare_data()
    data.setup()
    data.write_ledger(Path(config.folder))
    rows = [
        config_input(run, config),
        data_input(run.folder / data.ledger, Path(config.folder) / data.ledger),
        weights_input(read_provenance(run.folder), weights_read(config.net.get("weights"))),
    ]
    return [row for row in rows if row is not None]


def _seconds(run: Run) -> float | None:
    return (run.outcome or {}).get("seconds")


def check_experiments(
    names: Sequence[str],
    *,
    folder: Path | None = None,
    overrides: Sequence[str] = (),
    write: Path | None = None,
) -> tuple[str, bool]:
    """Run experiments that have expected numbers, and hold the results to them.

    What is done in the folder is not run again.

    Args:
        names: Of experiments; or "cheap", those of at most two minutes; or "all".
        folder: Where the runs go; by default `runs/reproduced/<hash of the code>`, so that results
            of other code are never taken for those of this one.
        overrides: Options of every run besides.
        write: A Markdown file whose tables of results get the new rows.

    Returns:
        The rows and the comparison, to be read; and whether all are as expected.

    Raises:
        InputError: An experiment has no expected numbers.
    """
    folder = folder or Path("runs") / "reproduced" / code_sha256()[:8]
    readme = write or Path(conf_path()).parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    commands = experiments.commands(names, Path(conf_path()), text)
    checks = []
    for options, expected in tqdm(commands.items(), "experiments", disable=not watched()):
        check = experiments.Check(options, expected)
        try:
            sweep = experiments.run_command(options, folder, overrides=overrides)
            checks.append(experiments.checked(sweep, check, _row))
        except InputError as error:  # it costs the others nothing
            checks.append(replace(check, error=str(error)))
    if write:
        experiments.write_rows(write, checks)
    parts = [experiments.rows_text(text, checks), experiments.checks_text(checks)]
    return "\n\n".join(part for part in parts if part), all(check.agrees for check in checks)


def _row(results: Mapping[str, Any]) -> dict[str, Figure]:
    """By the lab that left the results."""
    if results.get("lab") == "xray":
        from dlcourse.xray.results_row import results_row
    else:
        from dlcourse.music.scoring.results_row import results_row
    return results_row(results)
