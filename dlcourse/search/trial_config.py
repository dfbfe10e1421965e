"""The config of a trial: what scripts/train.py would compose from the same line."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlcourse.errors import InputError
from dlcourse.files import write_text
from dlcourse.search.space import Choice, Interval, Space


def trial_overrides(fixed: Sequence[str], space: Space, values: Mapping[str, Any]) -> list[str]:
    """The line of a trial, every number with all its digits.

    Hydra has to be initialised, as within its apps.

    Args:
        fixed: What holds for every trial.
        space: What varies.
        values: The drawn value of each dimension.

    Raises:
        InputError: A factor to what is no number.
    """
    factors = {key for key, dimension in space.items() if _is_factor(dimension)}
    line = [*fixed, *(f"{k}={space[k].text(v)}" for k, v in values.items() if k not in factors)]
    if not factors & values.keys():
        return line
    config = compose("train", line)
    return [*line, *(f"{k}={_times(config, k, values[k])}" for k in values if k in factors)]


def compose_trial(overrides: Sequence[str], folder: Path) -> DictConfig:
    """The config of a run in `folder`, left there as Hydra leaves it."""
    whole = compose("train", list(overrides), return_hydra_config=True)
    whole.folder = str(folder)
    hydra = OmegaConf.masked_copy(whole, "hydra")
    config = OmegaConf.masked_copy(whole, [key for key in whole if key != "hydra"])
    OmegaConf.set_struct(config, True)
    own = folder / ".hydra"
    write_text(own / "hydra.yaml", OmegaConf.to_yaml(hydra))
    write_text(own / "overrides.yaml", OmegaConf.to_yaml(list(overrides)))
    write_text(own / "config.yaml", OmegaConf.to_yaml(config))
    return config


def check_space(fixed: Sequence[str], space: Space, *, name: str) -> None:
    """Compose every dimension once, so that a wrong key is told before anything is trained.

    A key that exists only beside some option, `optimizer.momentum` beside `optimizer=sgd`, is
    right if it composes beside any option that is searched.

    Args:
        name: Of the space, for the message.

    Raises:
        InputError: A key or an option does not exist; with Hydra's words.
    """
    for key, dimension in space.items():
        values = dimension.values if isinstance(dimension, Choice) else [dimension.low]
        for value in values[:1] if "." in key else values:  # only an option has a file to find
            text = f"{key}={dimension.text(value)}"
            if (error := _error([*fixed, text])) and all(
                _error([*fixed, text, beside]) for beside in _options(space, but=key)
            ):
                raise InputError(
                    f"{text}: {error} (search={name}; another space may suit this experiment, "
                    f"and an option typed with one value is not searched)"
                )


def _options(space: Space, *, but: str) -> Iterator[str]:
    for key, dimension in space.items():
        if key != but and isinstance(dimension, Choice):
            yield from (f"{key}={option}" for option in dimension.values)


def _error(line: Sequence[str]) -> str | None:
    try:
        compose("train", list(line))
    except (HydraException, OmegaConfBaseException) as error:
        return " ".join(str(error).partition("\nConfig search path:")[0].split())
    return None


def _is_factor(dimension: Any) -> bool:
    return isinstance(dimension, Interval) and dimension.times


def _times(config: DictConfig, key: str, factor: float) -> str:
    base = OmegaConf.select(config, key)
    if isinstance(base, bool) or not isinstance(base, (int, float)):
        raise InputError(f"{key}: times {factor:.3g} of what? the config says {base}")
    return repr(round(base * factor) if isinstance(base, int) else base * factor)
