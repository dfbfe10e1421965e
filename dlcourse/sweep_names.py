"""Names that make a sweep the same sweep tomorrow: folders that follow from what was typed.

A job's folder is named after the values that vary, its sweep's after the options that vary and
everything that was typed besides. So the same command finds its own results again, and a grid that
grows by a value finds those it has.
"""

import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

_LONGEST = 100  # characters; file systems take 255, W&B's names 128
# What may stand unquoted in an override, so that run=<folder> can be typed as it is.
_PLAIN = re.compile(r"[^A-Za-z0-9_.+-]+")


def split_overrides(overrides: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """The values of every key that varies, and the overrides that do not.

    Args:
        overrides: As typed, in Hydra's grammar: `loss=bce,focal`, `seed=range(3)`, `steps=100`.
    """
    swept: dict[str, list[str]] = {}
    fixed: dict[str, str] = {}
    for override in parse(overrides):
        key = override.get_key_element()
        if override.is_sweep_override():
            fixed.pop(key, None)
            swept[key] = list(override.sweep_string_iterator())
        else:
            swept.pop(key, None)
            fixed[key] = f"{key}={override.get_value_element_as_str()}"
    return swept, list(fixed.values())


def parse(overrides: Sequence[str]) -> list[Override]:
    """Hydra's reading of some overrides; `glob` finds options only where an app is running."""
    from hydra.core.global_hydra import GlobalHydra

    loader = GlobalHydra.instance().config_loader() if GlobalHydra().is_initialized() else None
    return OverridesParser.create(config_loader=loader).parse_overrides(list(overrides))


def grid(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of every job, as Hydra's basic sweeper multiplies them out."""
    lists: dict[str, list[str]] = {}
    for override in parse(overrides):
        key = override.get_key_element()
        values = (
            override.sweep_string_iterator()
            if override.is_sweep_override()
            else [override.get_value_element_as_str()]
        )
        lists[key] = [f"{key}={value}" for value in values]
    return [list(job) for job in itertools.product(*lists.values())]


def job_name(overrides: Sequence[str], swept: Sequence[str]) -> str:
    """The folder of a job: what varies and its values, in the order of the alphabet.

    Args:
        overrides: All of the job's.
        swept: The keys that vary.
    """
    parts = {o.partition("=")[0]: o for o in overrides}
    return slug(*sorted(parts[key] for key in swept if key in parts)) or "job"


def sweep_name(grid: str, sweeper: Mapping[str, Any], typed: Sequence[str]) -> str:
    """The folder of a sweep: its grid, or the keys that vary; and a hash of what else was typed.

    Args:
        grid: The file of conf/sweep; "none" for a sweep that was typed with `-m`.
        sweeper: Hydra's, whose parameters are those of the grid.
        typed: The overrides, of which sweep and experiment have their place in the path already.
    """
    swept, fixed = split_overrides(typed)
    rest = sorted(o for o in fixed if o.partition("=")[0] not in ("sweep", "experiment"))
    if grid == "none":
        keys = split_overrides(multirun_overrides(sweeper, typed))[0]
        readable = "-".join(_plain(key.rpartition(".")[2]) for key in sorted(keys)) or "jobs"
    else:
        readable = grid
        rest += sorted(swept)
    return f"{_cut(readable)}-{_digest(rest)}" if rest else _cut(readable)


def slug(*overrides: str) -> str:
    """`loss-focal_seed-1` of `loss=focal`, `seed=1`; with a hash where something had to go."""
    parts = [o.replace("=", "-", 1) for o in overrides]
    starts = [f"_{o.partition('=')[0]}-" for o in overrides]
    clear = not any(_PLAIN.search(part) or any(s in part for s in starts) for part in parts)
    whole = "_".join(parts)
    if clear and len(whole) <= _LONGEST:
        return whole
    return f"{_cut('_'.join(map(_plain, parts)))}-{_digest(overrides)}"


def _plain(text: str) -> str:
    return re.sub("--+", "-", _PLAIN.sub("-", text)).strip("-.")


def _cut(text: str) -> str:
    return text[: _LONGEST - 9].rstrip("-_.")


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:6]


def multirun_overrides(sweeper: Mapping[str, Any], typed: Sequence[str]) -> list[str]:
    """What the sweeper multiplies out: the parameters of its grid, then what was typed."""
    params = sweeper.get("params") or {}
    return [*(f"{key}={value}" for key, value in params.items()), *map(str, typed)]
