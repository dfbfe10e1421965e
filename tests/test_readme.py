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


OWN_OPTIONS = ("benchmark.py", "prepare_data.py")  # argparse, not Hydra


def words(line: str) -> list[str]:
    return shlex.split(line.replace("<time>", "2026-01-01_00-00-00"), comments=True)


@pytest.mark.parametrize(
    "line", [line for line in LINES if not any(name in line for name in OWN_OPTIONS)]
)
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
        if not (Path(conf_path()) / key).is_dir():
            wanted = _at(OmegaConf.from_dotlist([override]), key)
            assert str(_at(config, key)).casefold() == str(wanted).casefold()


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
        "sampler=lab2018",
    ):
        assert part in text


def test_the_options_it_lists_are_those_of_conf() -> None:
    listed = README[README.index("Options: ") : README.index("## Sweep")].replace("\n", " ")
    for part in listed.removeprefix("Options: ").rstrip(". ").split(" · "):
        group, names = re.match(r"`(\w+)` ([\w, ()]+)", part.strip()).groups()
        names = re.sub(r"\(.*?\)", "", names)
        files = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert {name.strip() for name in names.split(",")} == files - {"songs", "radiographs"} - (
            {"default"} if group == "callbacks" else set()
        )


def test_every_experiment_has_a_row() -> None:
    for path in (ROOT / "conf" / "experiment").glob("*.yaml"):
        assert path.stem in README


def test_it_is_short_and_its_links_lead_somewhere() -> None:
    assert README.count("\n") <= 150
    for name in re.findall(r"`((?:music/|xray/)?\w+\.py)`", README):
        assert (ROOT / "dlcourse" / name).is_file(), name
