"""What a script can be told, read from the lines of conf/ and from its folders, not from YAML.

conf/<script>.yaml            opening comment: examples; then groups and values, each with a comment
conf/<group>/<option>.yaml    opening comment: what the option is

Reading lines costs milliseconds where composing costs tenths of a second, and keeps the comments.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_GROUP = re.compile(r"  - (?:override /)?(?P<key>\w+): (?P<value>\S+)(?:\s+# (?P<comment>.*))?")
_BASE = re.compile(r"  - (?P<base>\w+)(?:\s+#.*)?")
_VALUE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: (?P<value>[^#]*\S))?(?:\s+# (?P<comment>.*))?")


@dataclass(frozen=True)
class Setting:
    """A group or a value: what it is unless it is typed, and its comment."""

    default: str
    comment: str


@dataclass(frozen=True)
class ScriptOptions:
    """What conf/<script>.yaml says."""

    examples: list[str] = field(default_factory=list)
    groups: dict[str, Setting] = field(default_factory=dict)
    values: dict[str, Setting] = field(default_factory=dict)  # by dotted key, without Hydra's


def option_groups(conf: Path) -> dict[str, list[str]]:
    """The options of every group: the folders of conf/ and the files in them."""
    folders = sorted(path for path in conf.iterdir() if path.is_dir() and path.name != "hydra")
    return {path.name: sorted(file.stem for file in path.glob("*.yaml")) for path in folders}


def opening_comment(path: Path) -> list[str]:
    """The comment lines at the head of a file, without Hydra's directive."""
    lines = path.read_text(encoding="utf-8").splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return [line[1:].strip() for line in lines[:end] if not line.startswith("# @package")]


def script_options(conf: Path, script: str) -> ScriptOptions:
    """Read conf/<script>.yaml and the files that it builds on; defaults are its experiment's."""
    options = _read(conf / f"{script}.yaml")
    if "experiment" in options.groups:
        chosen = options.groups["experiment"].default
        experiment = _read(conf / "experiment" / f"{chosen}.yaml")
        for mine, theirs in (
            (options.groups, experiment.groups),
            (options.values, experiment.values),
        ):
            for key in mine.keys() & theirs.keys():
                mine[key] = Setting(theirs[key].default, mine[key].comment)
    return options


def _read(path: Path) -> ScriptOptions:
    """A file's lines and those of the files beside it that it builds on."""
    options = ScriptOptions(opening_comment(path))
    body = path.read_text(encoding="utf-8").partition("defaults:\n")[2]
    for line in body.splitlines():
        if match := _GROUP.fullmatch(line):
            options.groups[match["key"]] = Setting(match["value"], match["comment"] or "")
        elif (match := _BASE.fullmatch(line)) and match["base"] != "_self_":
            base = _read(path.with_stem(match["base"]))
            options.groups.update(base.groups)
            options.values.update(base.values)
    options.values.update(_values(body.partition("\nhydra:\n")[0].splitlines()))
    return options


def _values(lines: list[str]) -> Iterator[tuple[str, Setting]]:
    """Dotted keys of up to two levels, in the file's order."""
    above = ""
    for line in lines:
        match = _VALUE.fullmatch(line)
        if match is None:
            continue
        above = above if match["indent"] else ""
        if match["value"] is None:
            above = f"{match['key']}."
        else:
            yield above + match["key"], Setting(match["value"], match["comment"] or "")
