"""The README stays true: its commands compose, its options exist, it is short."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dlcourse.cli import conf_path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line.startswith("python scripts/")
]


# argparse, not Hydra
OWN_OPTIONS = ("benchmark", "prepare_data", "compare", "doctor", "dashboard", "reproduce")
OWN_OPTIONS += ("exercises",)
OWN = [line for line in LINES if Path(line.split()[1]).stem in OWN_OPTIONS]


def words(line: str) -> list[str]:
    return shlex.split(line.replace("<time>", "2026-01-01_00-00-00"), comments=True)


@pytest.mark.parametrize("line", [o for o in LINES if o not in OWN and "--help" not in o])
def test_every_command_of_the_readme_composes(line: str) -> None:
    _, script, *overrides = words(line)
    assert (ROOT / script).is_file()
    overrides = [o for o in overrides if o != "-m"]
    if "-m" in words(line):
        overrides = [o.split(",")[0] for o in overrides]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose(Path(script).stem, overrides)
    for override in overrides:
        key = override.partition("=")[0]
        if not key.startswith("hydra/") and not (Path(conf_path()) / key).is_dir():
            wanted = _at(OmegaConf.from_dotlist([override]), key)
            assert str(_at(config, key)).casefold() == str(wanted).casefold()


@pytest.mark.parametrize("line", OWN)
def test_every_flag_of_the_other_scripts_exists(line: str) -> None:
    _, script, *options = words(line)
    text = (ROOT / script).read_text(encoding="utf-8")
    for flag in (option for option in options if option.startswith("--")):
        assert re.search(rf"{flag}\b", text), flag


def _at(config: object, key: str) -> object:
    return OmegaConf.select(config, key)


def test_there_are_commands_for_all_that_it_promises() -> None:
    text = "\n".join(LINES)
    for part in (
        "scripts/train.py",
        "scripts/generate.py",
        "scripts/explain.py",
        "resume=",
        " -m ",
        "sweep=",
        "hydra/launcher=joblib",
        "scripts/tune.py",
        "scripts/compare.py",
        "--status",
        "sampler=lab2018",
    ):
        assert part in text


def test_every_experiment_has_a_row() -> None:
    for path in (ROOT / "conf" / "experiment").glob("*.yaml"):
        assert path.stem in README


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert README.count("\n") <= 150
    for name in re.findall(r"`((?:music/|xray/)?\w+\.py)`", README):
        assert (ROOT / "dlcourse" / name).is_file(), name
