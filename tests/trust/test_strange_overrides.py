"""Command lines as hasty hands and hostile ones type them: one message, or a config; in no time."""

import re
import shlex
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dlcourse.cli import conf_path
from dlcourse.command_line.grammar_limits import values_in
from dlcourse.command_line.known_options import explained, refuse_mistakes
from dlcourse.command_line.option_files import opening_comment, option_groups
from dlcourse.errors import InputError
from dlcourse.options import check_numbers
from dlcourse.tuning import gathered
from tests.reliability import Trials
from tests.trust.mutating import mutated

CONF = Path(conf_path())
SCRIPTS = ("train", "generate", "explain", "tune")
SECONDS = 5.0  # of the processor; the slowest takes a tenth
LONGEST = 12_000  # characters of a message

# Words that Hydra, ANTLR or OmegaConf answered with a traceback, or for hours or not at all.
HOSTILE = [
    *("net=null", "hydra/launcher=null", "hydra=null", "net=1", "=1", "@=1"),
    *("~net=1", "+net=null", "net=0,1", "net=range(3)", "augment=0,light", "net=[1]", "net=[null]"),
    *("seed=range(0,1e9)", "seed=range(1000000)", "seed=range(0,inf)", "seed=range(0,1,0)"),
    *("seed=range(nan)", "seed=range(0,-inf,-1)", "seed=sort(range(0,1e9))"),
    *(f"seed=range(0,{10**400})", "seed=shuffle(range(0,1e12))", "seed=int(range(0,1e9))"),
    *("seed=" + "[" * 300 + "]" * 300, "seed=" + "{a:" * 300, "seed=" + "a(" * 3000),
    *("seed=" + "[" * 100_000, "seed=" + "x" * 10**6, f"seed=[{','.join('1' * 30_000)}]"),
    "seed=" + "${" * 2000 + "}" * 2000,
]  # fmt: skip
# Words that were answered before, and that have to be.
STRANGE = [
    *("net=\0", "seed=\ud800", "s\u00e9=1", "seed=${", "seed=${seed}", "seed=${nope:1}"),
    *("net=${net}", "folder=../../x", "experiment=../../etc/passwd", "experiment=/etc/passwd"),
    *("~", "+", ".", "a..b=1", "net.=1", "net@=lstm", "net={a:1}", "seed=choice()"),
    *("--", "-", "--config-dir=/nope", "--config-name=nope", "-cn", "--cfg", "--info=x"),
]  # fmt: skip


def answer(script: str, words: Sequence[str]) -> str | None:
    """What a script says to a command line before its task begins; None when there is a config."""
    try:
        refuse_mistakes(words, CONF, script=script)
        if not any(word.startswith(("-", "sweep=")) for word in words):
            with initialize_config_dir(str(CONF), version_base="1.3"):
                compose(script, list(words))
    except InputError as error:
        return str(error)
    except (HydraException, OmegaConfBaseException) as error:
        return explained(words, CONF, script=script, text=str(error)) or str(error)
    except SystemExit as done:  # --version
        return None if done.code == 0 else f"exit status {done.code}"
    return None


def told(script: str, words: Sequence[str]) -> str | None:
    """The answer, which has to come soon and to be fit for reading."""
    began = time.process_time()
    said = answer(script, words)
    assert time.process_time() - began < SECONDS, words
    assert said is None or 0 < len(said) < LONGEST, words
    assert "Traceback" not in (said or "")
    return said


@pytest.mark.parametrize("word", HOSTILE, ids=lambda word: word[:30])
def test_what_hydra_stumbles_over_is_one_line(word: str, trials: Trials) -> None:
    trials("hostile and mistyped command lines", usual=1, nightly=1)
    said = told("train", [*(["-m"] if "(" in word or "," in word else []), word])
    assert said is not None
    assert "\n" not in said


@pytest.mark.parametrize("word", STRANGE, ids=ascii)
def test_strange_words_are_answered(word: str, trials: Trials) -> None:
    trials("hostile and mistyped command lines", usual=1, nightly=1)
    told("train", [word])


@pytest.mark.parametrize("flags", [["-m", "--cfg=job"], ["--cfg=job", "--info=all"]])
def test_two_tasks_at_once_are_one_line(flags: list[str]) -> None:
    said = told("train", [*flags, "seed=1"])
    assert said is not None
    assert said.endswith("are several tasks: one at a time")


def test_a_grid_of_many_options_is_counted_before_it_is_made() -> None:
    words = ["-m", *(f"{key}=range(100)" for key in ("seed", "steps", "log_every"))]
    assert told("train", words) == "a sweep of 1,000,000 jobs: at most 10,000: vary less at a time"
    assert told("train", ["-m", "seed=range(100)", "steps=range(0,200,2)"]) is None


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_values_are_counted_as_hydra_makes_them(start: int, stop: int, step: int) -> None:
    assert values_in(f"seed=range({start},{stop},{step})") == len(range(start, stop, step))


@pytest.mark.parametrize("word", ["seed=range(0,1e9)", "seed=[" + "[" * 3000, "x" * 10**6 + "=1,2"])
def test_a_search_of_what_never_ends_is_one_line(word: str) -> None:
    began = time.process_time()
    assert gathered(["search=music", word]) == ["search=music", word]
    assert time.process_time() - began < SECONDS
    assert told("tune", ["search=music", word]) is not None


@pytest.mark.parametrize("key", ["seed", "steps", "validate_every", "log_every", "threads"])
def test_what_counts_is_a_whole_number(key: str) -> None:
    config = OmegaConf.create(
        {"seed": 0, "steps": 2, "validate_every": 1, "log_every": 1, "threads": None}
    )
    check_numbers(config)
    for value in ("x", 1.5, -1, True, 2**32, [1], {"a": 1}, "", float("nan")):
        with pytest.raises(InputError, match=f"^{key}=.*: a whole number is needed, from [01] to"):
            check_numbers(OmegaConf.merge(config, {key: value}))


def lines() -> list[tuple[str, list[str]]]:
    """The command lines of the README and of the comments in conf/, as script and words."""
    texts = [(CONF.parent / "README.md").read_text(encoding="utf-8")]
    texts += ["\n".join(opening_comment(CONF / f"{script}.yaml")) for script in SCRIPTS]
    line = rf"scripts/({'|'.join(SCRIPTS)})\.py +([^`\n#]+?)(?:   .*|`|#.*|)$"
    found = re.findall(line, "\n".join(texts), flags=re.MULTILINE)
    quoted = [(script, rest) for script, rest in found if rest.count("'") % 2 == 0]
    return [(script, shlex.split(rest)) for script, rest in quoted]


def test_mutated_command_lines(trials: Trials) -> None:
    """A letter lost, a bracket too many, a piece of another line: as typing and pasting go."""
    whole, rng = lines(), np.random.default_rng(0)
    assert len(whole) > 30
    others = [" ".join(words).encode() for _, words in whole]
    others += [word.encode(errors="ignore") for word in [*HOSTILE, *STRANGE] if len(word) < 100]
    for _ in range(trials("mutated command lines", usual=15, nightly=1_000)):
        script, words = whole[rng.integers(len(whole))]
        content = mutated("\t".join(words).encode(), rng, others)
        told(script, content.decode(errors="replace").replace("\0", "").split("\t"))


@cache
def keys() -> list[str]:
    """What may stand before a = as far as conf/ has it, and what nothing has."""
    groups = list(option_groups(CONF))
    flags = ["", "nope", "net.", ".x", "hydra", "hydra/launcher", "hydra.run.dir", "a.b.c", "a@b"]
    return [*groups, "seed", "steps", "net.hidden", "callbacks.songs", "data.source.songs", *flags]


VALUES = st.recursive(
    st.sampled_from(["null", "1", "-0.5", "nan", "1e999", "true", "lstm", "a b", "''", '"', "\\"])
    | st.sampled_from(["none", "*", "${seed}", "${a.b}", "${oc.env:HOME}", "a,b", "", "../x", "é"])
    | st.text(max_size=8),
    lambda inner: st.builds(
        "{}{}{}".format,
        st.sampled_from(["[", "{a:", "range(", "choice(", "sort(", "interval(", "glob(", "int("]),
        st.lists(inner, max_size=3).map(",".join),
        st.sampled_from(["]", "}", ")", ")", ")", ""]),
    ),
    max_leaves=6,
)
WORDS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "", "+", "++", "~"]),
    st.sampled_from(keys()),
    st.sampled_from(["=", "=", "=", "", "=="]),
    VALUES,
)


def test_overrides_made_of_hydras_grammar(trials: Trials) -> None:
    number = trials("command lines made of Hydra's grammar", usual=15, nightly=1_000)

    @settings(max_examples=number, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(SCRIPTS), st.booleans(), st.lists(WORDS, min_size=1, max_size=3))
    def check(script: str, many: bool, words: list[str]) -> None:
        told(script, [*(["-m"] if many else []), *words])

    check()
