"""What `--help` says: examples, the groups with their options, single values, and Hydra's flags.

Hydra's own help composes everything first and shows it whole, which `--cfg job` does as well.
"""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from dlcourse.command_line.option_files import (
    ScriptOptions,
    opening_comment,
    option_groups,
    script_options,
)

WIDTH = 100
# What students vary first; the others follow in the order of conf/<script>.yaml.
FIRST = ("experiment", "search", "sweep", "data", "net", "loss", "optimizer", "scheduler")
_FLAGS = {
    "-m": "every combination of options with several values, one run after the other",
    "--help GROUP": "what each option of a group is: --help loss optimizer",
    "--cfg job": "show the whole config and run nothing; with -p <key> a part of it",
    "--hydra-help": "the other flags, which are Hydra's",
}


def help_text(conf: Path, script: str, *, words: Sequence[str] = ()) -> str:
    """The help of scripts/<script>.py.

    Args:
        conf: The folder of config files.
        words: What was typed besides; the groups among them (`loss`, `loss=focal`) are told in
            full instead of everything.
    """
    files = option_groups(conf)
    named = [name for name in dict.fromkeys(w.partition("=")[0] for w in words) if name in files]
    if named:
        return "\n\n".join(_group_in_full(conf, name, files[name]) for name in named)
    options = script_options(conf, script)
    groups = _groups(options, files)
    choices = "[group=option ...] " if groups else ""
    sections = [
        f"python scripts/{script}.py [flag ...] {choices}[key=value ...]",
        "Examples\n" + _indented("\n".join(options.examples)),
        groups,
        _values(options),
        _flags(options),
        f"More: README.md, conf/{script}.yaml" + ", conf/<group>/<option>.yaml" * bool(groups),
    ]
    return "\n\n".join(section for section in sections if section)


def _groups(options: ScriptOptions, files: dict[str, list[str]]) -> str:
    """Every group with its options; a star marks the one that is taken when none is typed."""
    names = [name for name in options.groups if name in files]
    names.sort(key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    lines = [
        line
        for name in names
        for line in _group(name, options.groups[name].comment, _starred(options, files, name))
    ]
    chosen = "; other experiments have their own" if "experiment" in names else ""
    title = f"Groups: group=option; * unless another is typed{chosen}\n"
    return title + "\n".join(lines) if lines else ""


def _starred(options: ScriptOptions, files: dict[str, list[str]], name: str) -> list[str]:
    default = options.groups[name].default
    return [f"{option}*" if option == default else option for option in files[name]]


def _group(name: str, comment: str, options: Sequence[str]) -> Iterator[str]:
    yield f"  {name:<13}{comment}".rstrip()
    yield _hanging(" " * 15, ", ".join(options))


def _values(options: ScriptOptions) -> str:
    """The values of conf/<script>.yaml itself that have a comment."""
    typed = {
        f"{key}={setting.default}": setting.comment
        for key, setting in options.values.items()
        if setting.comment and not setting.default.startswith("${")
    }
    width = max(map(len, typed)) + 2
    lines = "\n".join(_hanging(f"{text:<{width}}", comment) for text, comment in typed.items())
    more = "; a group's own are typed as net.hidden=256" if "net" in options.groups else ""
    return f"Values: key=value{more}\n" + _indented(lines.replace("=???", "=..."))


def _flags(options: ScriptOptions) -> str:
    """The flags that make sense for a script: -m for one whose examples have it."""
    left_out = {"--help GROUP"} if len(options.groups) < 2 else set()
    if not any(" -m " in example for example in options.examples):
        left_out.add("-m")
    lines = [f"{flag:<15}{meaning}" for flag, meaning in _FLAGS.items() if flag not in left_out]
    return "Flags\n" + _indented("\n".join(lines))


def _group_in_full(conf: Path, name: str, options: Sequence[str]) -> str:
    """Every option of a group with the opening comment of its file."""
    width = max(map(len, options)) + len(name) + 3
    comments = {
        option: " ".join(opening_comment(conf / name / f"{option}.yaml")) for option in options
    }
    return "\n".join(
        _hanging(f"{f'{name}={option}':<{width}}", comment) for option, comment in comments.items()
    )


def _hanging(head: str, text: str) -> str:
    """Text beside a head, wrapped below its own beginning."""
    return textwrap.fill(
        text,
        WIDTH - 2,  # room for the indentation of a section
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _indented(text: str) -> str:
    return textwrap.indent(text, "  ")
