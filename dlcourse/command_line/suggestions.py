"""What is wrong with a command line, and what was probably meant: pure functions of its words.

They are asked when something has gone wrong; a line without a mistake gets no answer.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from dlcourse.command_line.override_grammar import chosen_options, parsed_override, quoted_override

_CLOSE = 0.75  # of difflib's ratio: a letter of four, two of eight may be wrong
# What other frameworks call it.
_SYNONYMS = {"model": "net", "criterion": "loss", "dataset": "data", "gpus": "devices"}
_SYNONYMS |= {"epochs": "steps", "max_epochs": "steps", "max_steps": "steps", "iterations": "steps"}
_SYNONYMS |= {
    "hidden_size": "hidden",
    "units": "hidden",
    "num_layers": "layers",
    "bs": "batch_size",
}


@dataclass(frozen=True)
class Known:
    """What a script can be told.

    Attributes:
        script: Name of the script: train.
        groups: Its groups with their options.
        keys: Dotted keys of its config as composed, branches as well as leaves.
        elsewhere: Keys and groups of other scripts, with the scripts' names.
        experiment: The one that the keys belong to, if there is any.
    """

    script: str
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    keys: Sequence[str] = ()
    elsewhere: Mapping[str, Sequence[str]] = field(default_factory=dict)
    experiment: str | None = None


def mistake(words: Sequence[str], known: Known, *, several: bool = False) -> str | None:
    """The first mistake among overrides, in one line; None when there is none.

    Args:
        words: As the shell hands them over, without flags.
        several: Whether options may have several values, as with -m.
    """
    for number, word in enumerate(words):
        if "=" not in word and not word.startswith("~"):
            return _without_value(number, words, known)
        said = _apart(number, words) or _override(word, known, several=several)
        if said is not None:
            return said
    return None


def missing_option(text: str) -> str | None:
    """Hydra's long complaint about an option that a group does not have, in one line."""
    listed = r"Could not find '(.+)/([^/']*)'\s+Available options in '\1':\s+(.+?)(?:\nConfig|\Z)"
    match = re.search(listed, text, flags=re.DOTALL)
    return match and _no_option(match[1], match[2], match[3].split())


def flag_mistake(
    unknown: Sequence[str], rest: Sequence[str], flags: Sequence[str], *, known: Known
) -> str | None:
    """What is wrong with the words that argparse could not place.

    Args:
        unknown: These words.
        rest: All the others.
        flags: The flags that there are.
    """
    if not unknown:
        return None
    wrong = next((word for word in unknown if word.startswith("-")), None)
    if wrong is None:
        first = [word for word in rest if "=" not in word]
        line = shlex.join([*first, *(w for w in rest if w not in first), *unknown])
        return f"{unknown[0]}: flags go before all options: python scripts/{known.script}.py {line}"
    name, _, value = wrong.lstrip("-").partition("=")
    near = get_close_matches(f"--{name}", flags, n=1, cutoff=_CLOSE)
    if near and not value:
        return f"{wrong}: no such flag; did you mean {near[0]}?"
    key, value = name.replace("-", "_"), value or _after(wrong, unknown, rest)
    found = [key] if key in known.groups or key in known.keys else _near(key, value, known)
    meant = f"; options have no dashes: {found[0]}={value or '...'}" if found else ""
    return f"{wrong}: no such flag{meant or '; --help and --hydra-help list them'}"


def _after(flag: str, *lists: Sequence[str]) -> str:
    """The word that was probably typed as the value of a flag."""
    bare = [word for words in lists for word in words if word != flag and "=" not in word]
    return next((word for word in bare if not word.startswith("-")), "")


def _without_value(number: int, words: Sequence[str], known: Known) -> str:
    word = words[number]
    if (cut := _apart(number + 1, words)) is not None:
        return cut
    of = [group for group, options in known.groups.items() if word in options]
    if of:
        meant = _either(f"{group}={word}" for group in of)
        return f"{word}: options are typed key=value; did you mean {meant}?"
    if word in known.groups:
        return f"{word}: which one? {word}=<option>; there are {', '.join(known.groups[word])}"
    if word in known.keys:
        return f"{word}: the value is missing: {word}=..."
    if number and (whole := _continued(number, words, known)):
        return f"{word}: if it belongs to {words[number - 1]}, quote it: {whole}"
    near = [
        f"{group}={option}"
        for group, options in known.groups.items()
        for option in get_close_matches(word, options, n=1)
    ]
    meant = f"; did you mean {_either(near)}?" if near else "; --help lists them"
    return f"{word}: options are typed key=value{meant}"


def _apart(number: int, words: Sequence[str]) -> str | None:
    """Whether a word begins or ends with a = that blanks keep from its other side."""
    word = words[number] if number < len(words) else ""
    open_end = word.endswith("=") and any("=" not in other for other in words[number + 1 :][:1])
    if not open_end and not word.startswith("="):
        return None
    return f"{' '.join(words)}: no blanks around the =, as in loss=focal"


def _continued(number: int, words: Sequence[str], known: Known) -> str | None:
    """The text that blanks have cut into words, quoted; None if no text comes before."""
    key, _, value = words[number - 1].partition("=")
    parsed = parsed_override(words[number - 1])
    if key in known.groups or parsed is None or not isinstance(parsed.value(), str):
        return None
    following = [word for word in words[number:] if "=" not in word]
    return quoted_override(key, " ".join([value, *following]))


def _override(word: str, known: Known, *, several: bool) -> str | None:
    """What is wrong with a single override."""
    mark = next((mark for mark in ("++", "+", "~") if word.startswith(mark)), "")
    key, _, value = word.removeprefix(mark).partition("=")
    if key.startswith(("hydra.", "hydra/")) or "@" in key or key.endswith("._target_"):
        return None  # Hydra's own words for these are good, and code of one's own is told of later
    parsed = parsed_override(word)
    if parsed is None:
        quoted = quoted_override(key, value.strip("\"'"))
        return f"{word}: Hydra reads = , : and brackets as signs of its own; quote it: {quoted}"
    if mark == "++":
        return None
    if mark == "+":
        there = key in known.groups or key in known.keys
        return f"{word}: there already is a {key}; without the +: {key}={value}" if there else None
    if parsed.is_sweep_override() and not several:
        return _several(key, value, known)
    if key in known.groups:
        return _option(parsed, known) if mark == "" else None
    return None if key in known.keys else _unknown(key, value, known, delete=mark == "~")


def _several(key: str, value: str, known: Known) -> str:
    runs = f"-m {key}={value} runs them all; " if "experiment" in known.groups else ""
    text = quoted_override(key, value)
    return f"{key}={value}: several values; {runs}a list: '{key}=[{value}]'; one text: {text}"


def _option(parsed: Any, known: Known) -> str | None:
    """A group's option that there is not."""
    group, options = parsed.key_or_group, known.groups[parsed.key_or_group]
    wrong = [name for name in chosen_options(parsed) if name not in options]
    if not wrong:
        return None
    return _no_option(group, wrong[0], options)


def _no_option(group: str, name: str, options: Sequence[str]) -> str:
    near = get_close_matches("none" if name == "null" else name, options, n=2, cutoff=0.5)
    meant = f"; did you mean {_either(f'{group}={option}' for option in near)}?" if near else ";"
    return f"{group}={name}: no such option{meant} {group} has {', '.join(options)}"


def _unknown(key: str, value: str, known: Known, *, delete: bool = False) -> str:
    """A key that there is not: which is near, and which there are beside it."""
    if key in known.elsewhere:
        scripts = _either(f"scripts/{script}.py" for script in known.elsewhere[key])
        return f"{key}: no option of scripts/{known.script}.py but of {scripts}"
    near = _near(key, value, known)
    typed = [f"~{name}" if delete else f"{name}={value}" for name in near]
    meant = f"; did you mean {_either(typed)}?" if near else ""
    parent = key.rpartition(".")[0]
    beside = [name.removeprefix(f"{parent}.") for name in known.keys if _parent(name) == parent]
    if parent and beside:
        of = f" of experiment={known.experiment}" if known.experiment else ""
        meant = f"{meant or ';'} {parent}{of} has {', '.join(beside)}"
    elif parent in known.groups and not delete:  # net=student
        meant = f"; {parent} has none here, +{key}={value} gives it one"
    return f"{key}: no such option{meant or '; --help lists them'}"


def _parent(key: str) -> str:
    return key.rpartition(".")[0]


def _near(key: str, value: str, known: Known) -> list[str]:
    """The likeliest keys, at most two; groups that have the value as an option are preferred."""
    scores = {name: _likeness(key, name) for name in dict.fromkeys([*known.groups, *known.keys])}
    for group, options in known.groups.items():
        scores[group] += 0.3 if value in options else 0
    best = max(scores.values(), default=0)
    if best < _CLOSE:
        return [group for group, options in known.groups.items() if value in options][:2]
    return [name for name, score in scores.items() if score >= best - 0.02][:2]


def _likeness(typed: str, name: str) -> float:
    """0 to 1: difflib's ratio of the whole or, nearly as good, of the last parts."""
    leaf, other = typed.rpartition(".")[2], name.rpartition(".")[2]
    initials = "".join(part[:1] for part in leaf.split("_"))
    same = other in (leaf, _SYNONYMS.get(leaf)) or (len(initials) > 1 and initials == other)
    last = 1.0 if same else SequenceMatcher(None, leaf, other).ratio()
    if _parent(typed) == _parent(name):
        return last
    whole = SequenceMatcher(None, typed, name).ratio()
    return max(whole, last) - 0.1 + 0.05 * whole


def _either(names: "Iterator[str] | Sequence[str]") -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
