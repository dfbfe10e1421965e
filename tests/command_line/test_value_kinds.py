"""A value of another kind than its option is refused by name; whatever conf/ itself says is not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from dlcourse.cli import conf_path
from dlcourse.command_line.known_options import refuse_mistakes
from dlcourse.command_line.value_kinds import refuse_other_kinds
from dlcourse.errors import InputError

CONF = Path(conf_path())
WHOLE, NUMBER, EITHER = "a whole number is needed", "a number is needed", "true or false is needed"
NAME = "a name is needed"
WRONG = [
    ("seed=x", WHOLE),
    ("seed=1.5", WHOLE),
    ("seed=true", WHOLE),
    ("data.batch_size=1.5", WHOLE),
    ("data.source.songs=many", WHOLE),
    ("net.hidden=[1]", WHOLE),
    ("net.hidden={a:1}", WHOLE),
    ("split.val=x", NUMBER),
    ("optimizer.lr=fast", NUMBER),
    ("-m seed=0,1,x", WHOLE),
    ("-m seed=0,1 optimizer.lr=1e-3,fast", NUMBER),
    ("data.batch_size=null", WHOLE),
    ("data.root=3", NAME),
    ("resume=[1]", NAME),
    ("folder=null", NAME),
    ("data_dir=null", NAME),
    ("experiment=xray_phantoms net.weights=7", NAME),
    ("callbacks.best=null", "~callbacks.best leaves it out"),
    ("experiment=xray_phantoms data.balanced=3", EITHER),
    ("experiment=xray_phantoms split.val=x", NUMBER),
]
RIGHT = [
    "seed=3 optimizer.lr=1 split.val=0.2",
    "threads=null",
    "data.root=null resume=null data.root='3'",
    "-m data.root='3',b",
    "seed=${oc.env:SEED}",
    "data.batch_size=${net.hidden}",
    "trainer.devices=auto trainer.precision=16-mixed",
    "+remark=anything",
    "~callbacks.songs",
    "-m seed=range(3) optimizer.lr=1e-3,1",
    "experiment=xray_phantoms data.balanced=false",
    "loss=focal loss.gamma=1.5",
]


@pytest.mark.parametrize(("line", "needed"), WRONG, ids=[line for line, _ in WRONG])
def test_a_value_of_another_kind_is_one_line(line: str, needed: str) -> None:
    with pytest.raises(InputError, match=needed) as error:
        refuse_mistakes(line.split(), CONF, script="train")
    assert "\n" not in str(error.value)
    assert line.split()[-1] in str(error.value)


@pytest.mark.parametrize("line", RIGHT)
def test_right_values_pass(line: str) -> None:
    refuse_mistakes(line.split(), CONF, script="train")


def leaves(node: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def composed(script: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(script, list(overrides))


SCRIPTS = ["generate", "explain", "tune", "basics"]
EXPERIMENTS = [f"experiment={path.stem}" for path in sorted((CONF / "experiment").glob("*.yaml"))]


@pytest.mark.parametrize("choice", [*SCRIPTS, *EXPERIMENTS])
def test_what_conf_says_may_be_typed_and_a_word_for_each_of_its_numbers_may_not(
    choice: str,
) -> None:
    config = composed(choice) if choice in SCRIPTS else composed("train", choice)
    options = dict(leaves(OmegaConf.to_container(config, resolve=False)))
    numbers = {key: value for key, value in options.items() if type(value) in (bool, int, float)}
    assert numbers
    for key, value in numbers.items():
        refuse_other_kinds([f"{key}={str(value).lower()}"], config)
        if key.partition(".")[0] not in ("trainer", "logger"):
            with pytest.raises(InputError):
                refuse_other_kinds([f"{key}=word"], config)
