"""Mistakes in what was typed, told by what conf/ has: the words, and what they are held against."""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dlcourse.command_line.grammar_limits import nameless_option, refuse_boundless
from dlcourse.command_line.option_files import option_groups, script_options
from dlcourse.command_line.override_grammar import chosen_options, parsed_override
from dlcourse.command_line.suggestions import Known, flag_mistake, missing_option, mistake
from dlcourse.command_line.value_kinds import refuse_other_kinds
from dlcourse.downloads.addresses import refuse_logins
from dlcourse.errors import InputError
from dlcourse.runs import Run

_SEVERAL = ("hydra.mode=MULTIRUN", "sweep=")  # what stands for -m


def refuse_mistakes(arguments: Sequence[str], conf: Path, *, script: str) -> None:
    """Refuse what argparse or Hydra would answer with a usage or a traceback, what would take them
    forever, and a sweep whose jobs cannot be composed.

    Hydra composes jobs when the sweep's folder is there already; a single run it composes first.

    Raises:
        InputError: With what was probably meant; or a run's own config, given as --config-dir, is
            a stranger's and asks for what it must not.
    """
    from hydra._internal.utils import get_args_parser

    flags = re.findall(r"--[a-z][\w-]+", get_args_parser().format_usage())
    unknown = [word for word in arguments if f"-{word}" in flags]  # -multirun: -m with a value
    said = None
    if not unknown:
        parsed, unknown = _parsed_flags(arguments)
        _refuse_several_tasks(parsed)
        refuse_boundless(parsed.overrides)
        refuse_logins(parsed.overrides)
        _refuse_foreign(parsed.config_dir)
        if not unknown and (word := nameless_option(parsed.overrides, option_groups(conf))):
            said = mistake(parsed.overrides, known_options(conf, script, ()), several=True)
            said = said or f"{word}: the name of an option is needed"
        elif not unknown and not _other_conf(parsed):
            if parsed.multirun:
                said = _sweep_mistake(parsed.overrides, conf, script)
            if not said:
                _refuse_other_kinds(parsed.overrides, conf, script)
    if unknown:
        rest = [word for word in arguments if word not in unknown]
        said = flag_mistake(unknown, rest, flags, known=known_options(conf, script, ()))
    if said:
        raise InputError(said)


def explained(arguments: Sequence[str], conf: Path, *, script: str, text: str) -> str | None:
    """What is wrong with a line that Hydra has refused with a text; None if it is not seen here."""
    parsed, _ = _parsed_flags(arguments)
    if _other_conf(parsed):
        return missing_option(text)
    several = parsed.multirun or any(word.startswith(_SEVERAL) for word in parsed.overrides)
    known = known_options(conf, script, parsed.overrides)
    return mistake(parsed.overrides, known, several=several) or missing_option(text)


def known_options(conf: Path, script: str, overrides: Sequence[str]) -> Known:
    """What a script knows, once the groups among the overrides are chosen.

    Of several options the first counts. When the choices do not compose, keys are those without.
    """
    own = script_options(conf, script).groups
    groups = {name: options for name, options in option_groups(conf).items() if name in own}
    choices = dict(_choices(overrides, groups))
    config = _composed(conf, script, _words(choices))
    config = _composed(conf, script, []) if config is None else config
    experiment = choices.get("experiment", own["experiment"].default if "experiment" in own else "")
    return Known(
        script=script,
        groups=groups,
        keys=[] if config is None else list(_keys(config)),
        elsewhere=_elsewhere(conf, script),
        experiment=experiment or None,
    )


def _parsed_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Hydra's flags and overrides, and what it has no place for.

    Raises:
        InputError: A flag has a wrong value.
    """
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    return parser.parse_known_args(list(arguments))


def _refuse_several_tasks(parsed: argparse.Namespace) -> None:
    """Hydra does one of these at a time."""
    names = ("run", "multirun", "cfg", "info", "shell_completion")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(parsed, name)]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} are several tasks: one at a time")


def _refuse_foreign(config_dir: str | None) -> None:
    """A run folder's config is held to the same rules whichever way it is run again."""
    noted = Path(config_dir or "").resolve()
    if noted.name == ".hydra" and (noted / "config.yaml").is_file():
        _ = Run(noted.parent).config


def _refuse_other_kinds(overrides: Sequence[str], conf: Path, script: str) -> None:
    """See `value_kinds`; what does not compose without them Hydra refuses in its own words."""
    groups = option_groups(conf)
    values = [word for word in overrides if word.partition("=")[0] not in groups]
    choices = dict(_choices(overrides, groups))
    config = _composed(conf, script, _words(choices)) if values else None
    if config is not None:
        refuse_other_kinds(values, config)


def _other_conf(parsed: argparse.Namespace) -> bool:
    """Whether files count that are not in conf/, as of a search: --config-dir."""
    return any((parsed.config_dir, parsed.config_path, parsed.config_name))


def _refuse(message: str) -> NoReturn:
    raise InputError(message)


def _sweep_mistake(overrides: Sequence[str], conf: Path, script: str) -> str | None:
    """A mistake that would end the sweep for certain: an option that there is not, or a first job
    that does not compose.
    """
    from hydra.errors import HydraException

    from dlcourse.sweep_names import grid

    if any("=glob(" in word for word in overrides):  # is looked up by a running app alone
        return None
    try:
        jobs = grid(overrides)
    except HydraException:
        jobs = []
    if jobs and _composed(conf, script, jobs[0]) is not None:
        files = option_groups(conf)
        choices = [word for word in overrides if word.partition("=")[0] in files]
        return mistake(choices, Known(script, files), several=True)
    return mistake(overrides, known_options(conf, script, overrides), several=True)


def _choices(overrides: Sequence[str], groups: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """The groups among the overrides with the first option of each, as far as there is such."""
    for word in overrides:
        parsed = parsed_override(word)
        group = parsed and parsed.key_or_group
        if group in groups and (names := chosen_options(parsed)) and names[0] in groups[group]:
            yield group, names[0]


def _words(choices: dict[str, str]) -> list[str]:
    return [f"{group}={name}" for group, name in choices.items()]


def _composed(conf: Path, script: str, overrides: list[str]) -> Any | None:
    """The config; None if Hydra does not compose it."""
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(conf), version_base="1.3"):
            return compose(script, overrides)
    except (HydraException, OmegaConfBaseException):
        return None


def _keys(node: Any, above: str = "") -> Iterator[str]:
    """Dotted keys of a config, branches first; nothing is resolved."""
    from omegaconf import DictConfig

    for name, value in node.items_ex(resolve=False):
        if not str(name).startswith("_"):
            yield f"{above}{name}"
            if isinstance(value, DictConfig) and not (
                value._is_none() or value._is_interpolation() or value._is_missing()
            ):
                yield from _keys(value, f"{above}{name}.")


def _elsewhere(conf: Path, script: str) -> dict[str, list[str]]:
    """Groups and values of the other scripts, by what they are called."""
    own = script_options(conf, script)
    found: dict[str, list[str]] = {}
    for path in sorted(conf.glob("*.yaml")):
        options = script_options(conf, path.stem)
        for name in {*options.groups, *options.values} - {*own.groups, *own.values}:
            found.setdefault(name, []).append(path.stem)
    return found
