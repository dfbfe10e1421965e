"""What Optuna is asked for: a study in a file, how it draws, when it gives a trial up.

Every trial is one run of scripts/train.py; `trial_queue` hands them out.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dlcourse.errors import InputError
from dlcourse.runs import DONE, FAILED, PRUNED, RUNNING
from dlcourse.search.space import Choice, Dimension, Space

if TYPE_CHECKING:  # an extra
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler


@dataclass(frozen=True)
class Plan:
    """How a study searches.

    Attributes:
        space: What varies.
        trials: Done and pruned ones in all.
        seed: Of the sampler.
        random: Trials that are drawn at random before the sampler learns from them.
        pruner: `trials` and `steps` before the median rule holds; None: nothing is pruned.
    """

    space: Space
    trials: int
    seed: int = 0
    random: int = 10
    pruner: Mapping[str, int] | None = None


def shown_state(state: Any) -> str:
    """Optuna's state in the words of `runs`."""
    words = {"COMPLETE": DONE, "PRUNED": PRUNED, "FAIL": FAILED}
    return words.get(state.name, RUNNING)


def open_study(folder: Path, plan: Plan) -> "Study":
    """The study in a folder, begun if there is none.

    Raises:
        InputError: Optuna is not installed, or the study searches another space.
    """
    optuna = _optuna()
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal.log"))
    study = optuna.create_study(
        study_name="search",
        storage=optuna.storages.JournalStorage(backend),
        load_if_exists=True,
        sampler=sampler(plan, 0),
        pruner=_pruner(plan),
    )
    space = {key: repr(asdict(dimension)) for key, dimension in plan.space.items()}
    before = study.user_attrs.get("space", space)
    for key in [*before, *space]:
        if before.get(key) != space.get(key):
            raise InputError(
                f"{folder}: searches another space: {key} was {before.get(key)} and is now "
                f"{space.get(key)}; remove the folder, or name another: hydra.run.dir=<folder>"
            )
    study.set_user_attr("space", space)
    return study


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError("a search needs Optuna: pip install 'dlcourse[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def sampler(plan: Plan, number: int) -> "BaseSampler":
    """TPE with a seed for every trial: workers draw different ones, and a stop changes nothing.

    Args:
        number: Of the trial to be drawn.

    Source: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011.
    """
    from optuna.samplers import TPESampler

    seed = int(np.random.SeedSequence([plan.seed, number]).generate_state(1)[0])
    # constant_liar keeps workers off what the others are trying
    return TPESampler(seed=seed, n_startup_trials=plan.random, constant_liar=True)


def _pruner(plan: Plan) -> "BasePruner":
    from optuna.pruners import MedianPruner, NopPruner

    if plan.pruner is None:
        return NopPruner()
    return MedianPruner(n_startup_trials=plan.pruner["trials"], n_warmup_steps=plan.pruner["steps"])


def distribution(dimension: Dimension) -> "BaseDistribution":
    """A dimension in Optuna's words."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.values)
    if dimension.whole:
        step = int(dimension.step or 1)
        return IntDistribution(dimension.low, dimension.high, log=dimension.log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)
