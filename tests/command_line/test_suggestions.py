"""Wrong command lines are answered by what was meant; right ones by nothing at all."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcourse.cli import conf_path
from dlcourse.command_line.known_options import explained, known_options, refuse_mistakes
from dlcourse.command_line.option_files import opening_comment
from dlcourse.command_line.override_grammar import parsed_override, quoted_override
from dlcourse.command_line.suggestions import Known, flag_mistake, missing_option, mistake
from dlcourse.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
CONF = Path(conf_path())

WRONG = [
    # script and what was typed, what the answer has to contain
    ("train los=focal", ["los: no such option", "did you mean loss=focal?"]),
    ("train loss=focl", ["loss=focl", "did you mean loss=focal?", "loss has bce, brier"]),
    ("train sweep=null", ["sweep=null: no such option; did you mean sweep=none?"]),
    ("generate run=x prior=null", ["prior=null: no such option; did you mean prior=none?"]),
    ("train -m net=lstm,null", ["net=null: no such option; net has densenet121"]),
    ("train loss=zzz", ["loss=zzz: no such option; loss has bce"]),
    ("train loss=", ["loss=: no such option; loss has bce"]),
    ("train -m loss=focal,focl", ["loss=focl: no such option; did you mean loss=focal?"]),
    ("train net.hiden=3", ["net.hiden", "did you mean net.hidden=3?", "cell, hidden, layers"]),
    ("train nett.hidden=3", ["did you mean net.hidden=3?"]),
    ("train hidden=3", ["did you mean net.hidden=3?"]),
    ("train optimizer.learning_rate=0.1", ["did you mean optimizer.lr=0.1?"]),
    ("train learning_rate=0.1", ["did you mean optimizer.lr=0.1?"]),
    ("train seeds=1", ["did you mean seed=1?"]),
    ("train epochs=3", ["did you mean steps=3?"]),
    ("train batch_size=3", ["did you mean data.batch_size=3?"]),
    ("train model=lstm", ["did you mean net=lstm?"]),
    ("train optimiser=sgd", ["did you mean optimizer=sgd?"]),
    ("train anything=focal", ["did you mean loss=focal?"]),
    ("train zzz=1", ["zzz: no such option; --help lists them"]),
    ("train experiment=music_208", ["did you mean experiment=music_2018"]),
    (
        "train experiment=xray_phantoms data.window=3",
        ["data.window", "data of experiment=xray_phantoms has source, root", "batch_size"],
    ),
    ("train experiment=xray_phantoms net.cell=gru", ["net of experiment=xray_phantoms has chan"]),
    ("train search=music", ["search: no option of scripts/train.py but of scripts/tune.py"]),
    ("train run=x", ["run: no option of scripts/train.py but of scripts/explain.py or"]),
    ("train ~callbacks.song", ["did you mean ~callbacks.songs?"]),
    ("train +loss=focal", ["there already is a loss; without the +: loss=focal"]),
    ("train +seed=1", ["there already is a seed; without the +: seed=1"]),
    ("train focal", ["options are typed key=value; did you mean loss=focal?"]),
    ("train foccal", ["options are typed key=value; did you mean loss=focal?"]),
    ("train music_2018", ["did you mean experiment=music_2018?"]),
    ("train lab2018", ["data=lab2018, encoding=lab2018", "or sampler=lab2018?"]),
    ("train loss", ["loss: which one? loss=<option>; there are bce, brier"]),
    ("train seed", ["seed: the value is missing: seed=..."]),
    ("train qqqq", ["qqqq: options are typed key=value; --help lists them"]),
    ("train loss = focal", ["no blanks around the =, as in loss=focal"]),
    ("train loss= focal", ["no blanks around the =, as in loss=focal"]),
    ("train loss =focal", ["no blanks around the =, as in loss=focal"]),
    ("train seed=1,2", ["several values; -m seed=1,2 runs them all", "'seed=[1,2]'"]),
    ("generate run=my folder/x", ["if it belongs to run=my, quote it: 'run=my folder/x'"]),
    ("generate run=x start=a b.mid", ["if it belongs to start=a, quote it: 'start=a b.mid'"]),
    ("generate run=x start=a=b.mid", ["""quote it: 'start="a=b.mid"'"""]),
    ("generate run=x 'start=song (1).mid'", ["""quote it: 'start="song (1).mid"'"""]),
    ("generate run=x 'start=a, b.mid'", ["""one text: 'start="a, b.mid"'"""]),
    ("generate run=x song=3", ["did you mean songs=3?"]),
    ("generate run=x sampler.temprature=2", ["did you mean sampler.temperature=2?"]),
    ("explain run=x image=a.png", ["did you mean images=a.png?"]),
    ("explain run=x songs=3", ["songs: no option of scripts/explain.py but of scripts/generate"]),
    ("tune trial=4", ["did you mean trials=4?"]),
]


def answer(line: str) -> str | None:
    script, *words = shlex.split(line)
    several = "-m" in words
    words = [word for word in words if word != "-m"]
    choices = tuple(word for word in words if word.startswith("experiment="))
    return mistake(words, known_with(script, choices), several=several)


@cache
def known_with(script: str, choices: tuple[str, ...]) -> Known:
    return known_options(CONF, script, choices)


@pytest.mark.parametrize(("line", "parts"), WRONG, ids=[line for line, _ in WRONG])
def test_a_wrong_line_is_answered_by_what_was_meant(line: str, parts: list[str]) -> None:
    said = answer(line)
    assert said is not None
    assert "\n" not in said
    for part in parts:
        assert part in said


def accepted(script: str, words: list[str]) -> bool:
    """Whether Hydra would run it, as a single run."""
    try:
        parsed = OverridesParser.create().parse_overrides(words)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            compose(script, words)
    except (HydraException, ValueError):  # the latter with a traceback, of net=null
        return False
    return not any(word.is_sweep_override() for word in parsed)


def test_hydra_refuses_every_line_of_the_table_too() -> None:
    for line, _ in WRONG:
        script, *words = shlex.split(line)
        assert not accepted(script, [word for word in words if word != "-m"]), line


def test_what_is_suggested_is_accepted() -> None:
    for line, _ in WRONG:
        meant = re.search(r"did you mean ([^ ?]+)\?", answer(line) or "")
        if meant and not meant[1].startswith("--"):
            script, *words = shlex.split(line)
            right = [*(w for w in words if w.startswith("experiment=x")), meant[1]]
            assert answer(shlex.join([script, *right])) is None, line


@pytest.fixture(scope="module", params=["train", "train experiment=xray_phantoms", "generate"])
def known(request: pytest.FixtureRequest) -> Known:
    script, *words = request.param.split()
    return known_with(script, tuple(words))


def test_a_right_line_is_never_touched(known: Known) -> None:
    options = [f"{group}={name}" for group, names in known.groups.items() for name in names]
    values = [f"{key}={value}" for key in known.keys for value in ("1", "null", "a b", "''", "")]
    values = [word for word in values if word.partition("=")[0] not in known.groups]
    others = ["hydra/launcher=joblib", "hydra.run.dir=x", "+new.key=1", "++seed=2", "loss@a=focal"]
    others += [f"~{key}" for key in known.keys]
    for word in [*options, *values, *others]:
        assert mistake([word], known) is None, word
    for word in ("seed=1,2", "seed=range(3)", "hydra/launcher=joblib"):
        assert mistake([word], known, several=True) is None
    assert len(options) + len(values) > 50 or known.script == "generate"


def test_a_letter_too_few_is_found_in_every_key(known: Known) -> None:
    for key in known.keys:
        typed = key[:-2] + key[-1:]
        if len(key.rpartition(".")[2]) > 4 and typed not in (*known.keys, *known.groups):
            said = mistake([f"{typed}=7"], known)
            assert said is not None
            assert f"{key}=7" in said.partition("?")[0], said


def test_a_letter_too_many_is_found_in_every_option(known: Known) -> None:
    for group, options in known.groups.items():
        for name in options:
            said = mistake([f"{group}={name}x"], known)
            assert said is not None
            assert f"{group}={name}" in said.partition("?")[0].partition("did you mean")[2], said


def typed_lines() -> list[list[str]]:
    """Script and words of every command in the README's blocks and at the head of conf/*.yaml."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = [line for line in readme.splitlines() if line.startswith("python scripts/")]
    for path in CONF.glob("*.yaml"):
        lines += [re.split(r" {2,}", line)[0] for line in opening_comment(path)]
    filled = [shlex.split(re.sub(r"<[^>]*>", "x", line), comments=True) for line in lines]
    found = [[Path(words[1]).stem, *words[2:]] for words in filled if len(words) > 2]
    return [words for words in found if (CONF / f"{words[0]}.yaml").is_file()]


def test_the_readme_and_the_examples_of_conf_are_right_lines() -> None:
    lines = [line for line in typed_lines() if line[0] != "tune"]  # which has a grammar of its own
    assert len(lines) > 10
    for script, *words in lines:
        refuse_mistakes(words, CONF, script=script)
        if any(word.startswith("--") for word in words):
            continue
        overrides = [word for word in words if word != "-m"]
        known = known_options(CONF, script, overrides)
        assert mistake(overrides, known, several="-m" in words) is None, words


@given(st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_quoted_text_arrives_as_it_was(text: str) -> None:
    (word,) = shlex.split(quoted_override("start", text))
    parsed = parsed_override(word)
    assert parsed is not None
    assert not parsed.is_sweep_override()
    assert parsed.value() == text


FLAGS = ["--help", "--multirun", "--cfg", "--run"]


@pytest.mark.parametrize(
    ("unknown", "rest", "message"),
    [
        (["--multi-run"], ["seed=1,2"], "did you mean --multirun?"),
        (["-multirun"], ["seed=1,2"], "did you mean --multirun?"),
        (["--loss", "focal"], [], "options have no dashes: loss=focal"),
        (["--loss"], ["focal", "seed=1"], "options have no dashes: loss=focal"),
        (["--lr=0.1"], [], "options have no dashes: optimizer.lr=0.1"),
        (["--learning-rate"], [], "options have no dashes: optimizer.lr=..."),
        (["--dry"], [], "--dry: no such flag; --help and --hydra-help list them"),
        (["seed=1,2"], ["loss=bce", "-m"], "python scripts/train.py -m loss=bce seed=1,2"),
    ],
)
def test_wrong_flags(unknown: list[str], rest: list[str], message: str) -> None:
    said = flag_mistake(unknown, rest, FLAGS, known=known_with("train", ()))
    assert said is not None
    assert message in said
    assert flag_mistake([], rest, FLAGS, known=Known("train")) is None


RIGHT = ["-m seed=1,2", "--multirun loss=bce,focal", "--cfg job", "-c job -p loss", "--info all"]
RIGHT += ["-m experiment=music_composed,xray_phantoms", "seed=1", "--multi seed=1,2", "los=focal"]
RIGHT += ["-m net=lstm,lstm2018 seed=range(2)", "-m seed=1,2 hydra/launcher=joblib", "-r"]
RIGHT += ["-m --config-dir=elsewhere experiment=best seed=1,2", "--config-name other -m a=1,2"]


@pytest.mark.parametrize("line", RIGHT)
def test_lines_that_hydra_can_judge_itself_pass(line: str) -> None:
    refuse_mistakes(shlex.split(line), CONF, script="train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-m los=focal,bce", "did you mean loss=focal,bce?"),
        ("-m loss=bce,focl", "loss=focl: no such option"),
        ("-m net.hiden=1,2 seed=1", "net.hidden"),
        ("-m experiment=xray_phantoms data.window=1,2", "xray_phantoms has source"),
        ("-m seed=1,2 focal", "loss=focal"),
        ("-multirun seed=1", "--multirun"),
        ("--multi-run seed=1", "--multirun"),
        ("--cfg jobs", "invalid choice: 'jobs'"),
    ],
)
def test_a_sweep_that_cannot_begin_is_refused_before_it_leaves_anything(
    line: str, message: str
) -> None:
    with pytest.raises(InputError) as error:
        refuse_mistakes(shlex.split(line), CONF, script="train")
    assert message in str(error.value)


def test_hydras_list_of_options_becomes_a_line() -> None:
    text = "In 'hydra/config': Could not find 'hydra/launcher/joblbi'\n\nAvailable options in "
    text += "'hydra/launcher':\n\tbasic\n\tjoblib\nConfig search path:\n\tprovider=hydra"
    assert missing_option(text) == (
        "hydra/launcher=joblbi: no such option; did you mean hydra/launcher=joblib? "
        "hydra/launcher has basic, joblib"
    )
    assert missing_option("Could not override 'los'.") is None
    for words in (["seed=1"], ["--config-dir=elsewhere", "experiment=best"]):
        assert explained(words, CONF, script="train", text="something else") is None


@pytest.mark.parametrize("line", ["los=focal", "--multi-run seed=1", "-m loss=focl,focal"])
def test_it_is_one_line_with_status_2_and_nothing_on_disk(tmp_path: Path, line: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "train.py"), *shlex.split(line)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*\?.*\n", done.stderr), done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())
