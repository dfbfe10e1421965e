"""What a run was composed of, flat and as text, and in what runs differ."""

import json
from collections.abc import Sequence
from typing import Any

from dlcourse.options import PLACE, flat_options
from dlcourse.runs import Run

Options = dict[str, str]

SEED = "seed"
FOLD = "split.fold"
GRID = "sweep"  # the chosen file of conf/sweep
# A run with another value of these repeats a setting; the latter two also test on other data.
REPEATS = (SEED, FOLD, "split.split_seed")
_LONG = 8  # characters of a number; nobody types more
UNKNOWN = "?"  # the value of an option of a job that never ran
# Where a run lies, what it reports to and which grid it is from do not change what it learns.
_ELSEWHERE = (*PLACE, GRID, "hydra", "logger")


def run_options(run: Run) -> Options:
    """The chosen file of every group, and every value of the config.

    Interpolations are left out: they repeat another value, or say where the run lies. Nothing is
    made of the config, so that one of a stranger, too, can be compared.

    Raises:
        InputError: The config is damaged.
    """
    values = flat_options(run.noted_config | {"folder": str(run.folder)})
    chosen = {group: "null" if name == "None" else name for group, name in run.choices.items()}
    options = {**chosen, **{key: as_text(value) for key, value in values.items()}}
    return {key: value for key, value in options.items() if "${" not in value}


def as_text(value: Any) -> str:
    """A value as YAML has it: true, null, 0.001, [1, 2]; drawn numbers in six figures."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return f"{value:.6g}" if isinstance(value, float) and len(text) > _LONG else text


def override_options(overrides: Sequence[str]) -> Options:
    """What is known of a job that has no config: the values that were typed."""
    from dlcourse.sweep_names import parse

    options: Options = {}
    for override in parse(overrides):
        if not override.is_delete():
            values = flat_options({override.key_or_group: override.value()})
            options |= {key: as_text(value) for key, value in values.items()}
    return options


def typed_key(override: str) -> str:
    """`loss` of `loss=focal`, `net.bias` of `+net.bias=true` and of `~net.bias`."""
    return override.partition("=")[0].lstrip("+~")


def is_elsewhere(key: str) -> bool:
    """Whether an option says nothing of what is learnt."""
    return key.partition(".")[0].partition("/")[0] in _ELSEWHERE


def varying_options(
    whole: Sequence[Options], partial: Sequence[Options], *, swept: Sequence[str]
) -> list[str]:
    """The options in which runs differ, without those that make a repetition.

    What only follows from another option is left out, unless somebody swept it: values of a group
    that its chosen file decides, and everything that an experiment decides. Values of one node that
    vary together are named by the first of them.

    Args:
        whole: Of the runs whose config is known.
        partial: Of the others; what they lack is not known, instead of absent.
        swept: What was varied by intention, the most important first.
    """
    asked = [key for key in swept if _differs(key, [*whole, *(o for o in partial if key in o)])]
    found = [
        k for k in dict.fromkeys(key for options in whole for key in options) if _differs(k, whole)
    ]
    decided = [key for key in found if _is_implied(key, whole)]
    kept: dict[object, str] = {}
    for key in dict.fromkeys([*asked, *(key for key in found if key not in decided)]):
        if key not in REPEATS and not is_elsewhere(key):
            node = key.rpartition(".")[0]
            kept.setdefault((node, _pattern(key, [*whole, *partial])) if node else key, key)
    return list(kept.values())


def completed(options: Options, varying: Sequence[str], whole: Sequence[Options]) -> Options:
    """The options of a job without a config, with every one that varies.

    What was not typed is taken from the runs that agree in what was, if these agree among
    themselves; otherwise it is not known.
    """
    known = [key for key in varying if key in options]
    alike = [o for o in whole if all(o.get(key) == options[key] for key in known)]
    guesses = {key: {o.get(key) for o in alike} for key in varying if key not in options}
    guessed = {
        key: values.pop() if len(values) == 1 else UNKNOWN for key, values in guesses.items()
    }
    return options | {key: value for key, value in guessed.items() if value is not None}


def _differs(key: str, all_options: Sequence[Options]) -> bool:
    return len({options.get(key) for options in all_options}) > 1


def _pattern(key: str, all_options: Sequence[Options]) -> tuple[int, ...]:
    """Which runs share a value, whatever it is: equal for keys that vary together."""
    first: dict[str | None, int] = {}
    return tuple(first.setdefault(o.get(key), place) for place, o in enumerate(all_options))


def _is_implied(key: str, whole: Sequence[Options]) -> bool:
    """Whether the file of the option's own group, or the experiment, decides its value."""
    parts = key.split(".")
    above = [group for n in range(1, len(parts)) for group in _names_of_group(parts[:n])]
    groups = [*above, *(["experiment"] if key != "experiment" else [])]
    return any(_differs(group, whole) and _decides(group, key, whole) for group in groups)


def _names_of_group(parts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(["/".join(parts), ".".join(parts)]))


def _decides(group: str, key: str, whole: Sequence[Options]) -> bool:
    values: dict[str | None, str | None] = {}
    return all(values.setdefault(o.get(group), o.get(key)) == o.get(key) for o in whole)
