"""`--help`: complete, narrow, grouped, with examples, and answered without composing anything."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dlcourse.cli import conf_path
from dlcourse.command_line.help import help_text
from dlcourse.command_line.option_files import opening_comment, option_groups, script_options

ROOT = Path(__file__).resolve().parents[2]
CONF = Path(conf_path())
SCRIPTS = sorted(path.stem for path in CONF.glob("*.yaml"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_has_examples_first_and_fits_a_terminal(script: str) -> None:
    text = help_text(CONF, script)
    titles = re.findall(r"^(Examples|Groups|Values|Flags|More)", text, flags=re.MULTILINE)
    groups = ["Groups"] if script_options(CONF, script).groups else []
    assert titles == ["Examples", *groups, "Values", "Flags", "More"]
    assert max(map(len, text.splitlines())) <= 100
    assert f"python scripts/{script}.py" in text.splitlines()[0]


def test_every_group_of_train_is_there_with_its_options_and_what_it_is() -> None:
    text = help_text(CONF, "train")
    own = script_options(CONF, "train").groups
    for group, options in option_groups(CONF).items():
        if group not in own:
            continue
        head, _, listed = text.partition(f"\n  {group} ")[2].partition("\n")
        assert own[group].comment
        assert head.strip() == own[group].comment
        block = re.match(r"(?: {15}.*\n)+", listed + "\n")
        assert block is not None
        named = re.sub(r"\s+", "", block[0]).split(",")
        assert [name.rstrip("*") for name in named] == options
        default = [name for name in named if name.endswith("*")]
        assert default == [f"{own[group].default}*" for _ in default]
        assert default or own[group].default == "null"


def test_what_the_lines_of_conf_say_is_what_hydra_composes() -> None:
    for script in SCRIPTS:
        options = script_options(CONF, script)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(script, return_hydra_config=True)
        chosen = config.hydra.runtime.choices
        for group, setting in options.groups.items():
            assert str(chosen[group]) == setting.default.replace("null", "None")
        for key, setting in options.values.items():
            if "${" not in setting.default:
                value = OmegaConf.select(config, key, throw_on_missing=False)
                shown = yaml.safe_load(setting.default)
                assert (value is None and shown in (None, "???")) or value == shown, key
        top = {key.partition(".")[0] for key in options.values}
        assert top == set(config) - {"hydra"} - set(options.groups), script


def test_examples_compose() -> None:
    checked = 0
    for example in script_options(CONF, "train").examples:
        line = (
            re.split(r" {2,}", example)[0].replace("<run folder>", "run").replace("<folder>", "f")
        )
        _, script, *words = shlex.split(line)
        assert script == "scripts/train.py"
        overrides = [word.split(",")[0] for word in words if word != "-m"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            compose("train", overrides)
        checked += 1
    assert checked >= 5


def test_values_of_the_script_stand_there_with_their_comments() -> None:
    text = help_text(CONF, "train")
    assert re.search(r"^  seed=0 +of weights", text, flags=re.MULTILINE)
    assert re.search(r"^  threads=1 +CPU threads", text, flags=re.MULTILINE)
    assert "hydra:" not in text
    assert "${" not in text


def test_a_named_group_is_told_in_full() -> None:
    text = help_text(CONF, "train", words=["--help", "loss=focal", "optimizer"])
    flat = " ".join(text.split())
    for group in ("loss", "optimizer"):
        for option in option_groups(CONF)[group]:
            comment = " ".join(opening_comment(CONF / group / f"{option}.yaml"))
            assert f"{group}={option} {comment}" in flat
    assert "experiment=" not in text
    full = help_text(CONF, "train", words=["--help", "experiment"])
    assert "@package" not in full
    assert max(map(len, full.splitlines())) <= 100


def test_priors_are_told_by_what_is_wished_not_by_where_hydra_puts_them() -> None:
    text = help_text(CONF, "generate", words=["--help", "prior"])
    told = dict(re.findall(r"^prior=(\w+) +(.*)$", text, flags=re.MULTILINE))
    assert list(told) == option_groups(CONF)["prior"]
    for option, begins in told.items():
        first, second = (CONF / "prior" / f"{option}.yaml").read_text().splitlines()[:2]
        assert first.startswith("# @package prior")
        assert second.startswith(f"# {begins}")
    assert "@package" not in text


def test_help_composes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['train.py', '-m', 'los=1', '--help'];"
        "from dlcourse.cli import run_app; run_app(None, config_name='train');"
        "assert 'hydra.main' not in sys.modules and 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == help_text(CONF, "train") + "\n"
    assert not list(tmp_path.iterdir())


def completions(line: str, shell: str = "bash") -> list[str]:
    """What Hydra answers to the tab key."""
    script = str(ROOT / "scripts" / "train.py")
    command = [sys.executable, script, "-sc", f"query={shell}"]
    environment = {**os.environ, "COMP_LINE": f"python scripts/train.py {line}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_tab_key_completes_experiments_and_options() -> None:
    for group in ("experiment", "loss"):
        options = [f"{group}={name}" for name in option_groups(CONF)[group]]
        assert completions(f"{group}=") == options
    assert completions("seed=1 optimizer=ada") == [
        f"optimizer={name}" for name in option_groups(CONF)["optimizer"] if name[:3] == "ada"
    ]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_the_line_of_the_readme_installs_completion_in_bash() -> None:
    """Its function is called as bash calls it, in the checkout."""
    folder = str(Path(sys.executable).parent)
    if not (Path(folder) / "python").exists():
        pytest.skip("this environment has no `python`")
    script = (
        'eval "$(python scripts/train.py -sc install=bash)"; complete -p python;'
        'COMP_LINE="python scripts/train.py experiment=xray_" COMP_CWORD=2;'
        'hydra_bash_completion; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **path},
    )
    rule, *found = done.stdout.splitlines()
    assert "hydra_bash_completion python" in rule, done.stderr
    names = [name for name in option_groups(CONF)["experiment"] if name.startswith("xray_")]
    assert found == [f"experiment={name}" for name in names]
