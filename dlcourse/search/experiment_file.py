"""A run's command line as an experiment file: the same config without typing."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import OmegaConf

from dlcourse.sweep_names import parse


def experiment_file(
    overrides: Sequence[str],
    choices: Mapping[str, str],
    content: Mapping[str, Any],
    *,
    comments: Sequence[str],
) -> str:
    """The text of a file for an `experiment/` folder.

    It builds on the experiment of the run and says only what was overridden: chosen options in its
    defaults, values below. YAML can add and replace, but not take away; so a part of the config
    from which something was dropped (`~callbacks.songs`) is written out whole.

    Args:
        overrides: Of the run.
        choices: The option of every group of conf/, as in `runs.Run.choices`.
        content: The run's config, unresolved.
        comments: Lines for the top of the file.
    """
    parsed = {override.get_key_element(): override for override in parse(overrides)}
    dropped = {o.key_or_group.split(".")[0] for o in parsed.values() if o.is_delete()}
    groups = {o.key_or_group: str(o.value()) for o in parsed.values() if _chooses(o, choices)}
    groups |= dict.fromkeys(dropped & choices.keys())
    body = OmegaConf.create({name: content[name] for name in dropped if name in content})
    for override in parsed.values():
        key = override.key_or_group
        if key not in choices and key.split(".")[0] not in dropped:
            OmegaConf.update(body, key, override.value(), force_add=True)
    base = choices.get("experiment")
    defaults: list[Any] = [] if base in (None, "null", "None") else [base]
    defaults += ["_self_"]
    defaults += [
        {f"override /{group}": None if option in (None, "None") else option}
        for group, option in groups.items()
        if group != "experiment"
    ]
    lines = ["# @package _global_", *(f"# {' '.join(line.split())}" for line in comments)]
    text = OmegaConf.to_yaml(OmegaConf.create({"defaults": defaults}))
    return "\n".join(lines) + "\n" + text + (OmegaConf.to_yaml(body) if body else "")


def _chooses(override: Any, choices: Mapping[str, str]) -> bool:
    return override.key_or_group in choices and not override.is_delete()
