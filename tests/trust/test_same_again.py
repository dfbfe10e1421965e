"""The same again tomorrow: a run, its songs and its maps come out of its folder bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from dlcourse.cli import conf_path
from dlcourse.command_line.known_options import refuse_mistakes
from dlcourse.errors import InputError
from dlcourse.generating import generate
from dlcourse.reproducing import reproduce
from dlcourse.reproduction.differences import IDENTICAL, run_differences
from dlcourse.runs import Run
from dlcourse.training import train
from tests.composing import QUICK_XRAY, composed, saved
from tests.reliability import Trials

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = "${hydra:runtime.output_dir}"
MUSIC_OPTIONS = [
    ("net.cell=lstm", "net.cell=gru", "net.layers=2"),
    ("loss=cross_entropy", "loss=focal", "loss=label_smoothing"),
    ("optimizer=adamw", "optimizer=sgd", "optimizer=rmsprop"),
    ("scheduler=constant", "scheduler=cosine", "scheduler=one_cycle"),
    ("augment=none", "augment=transpose", "augment=stretch"),
    ("encoding=melody", "encoding=lab2018"),
]
XRAY_OPTIONS = [
    ("loss=bce", "loss=focal"),
    ("optimizer=adamw", "optimizer=momentum"),
    ("augment=none", "augment=light", "augment=strong"),
]
XRAY = [*QUICK_XRAY, "callbacks.evaluation.atlas=0"]


def some(options: list[tuple[str, ...]], seed: int) -> list[str]:
    """One of each, and the seed."""
    rng = np.random.default_rng(seed)
    return [f"seed={seed}", *(str(rng.choice(choices)) for choices in options)]


def songs(run: Path, output: Path) -> list[bytes]:
    """The MIDI files that a run composes with a seed."""
    options = [f"run={run}", "seed=5", "songs=2", "bars=2", "start=1", f"output={output}"]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        generate(compose("generate", options))
    return [path.read_bytes() for path in sorted(output.glob("*.mid"))]


def test_music_runs_and_their_songs(tmp_path: Path, trials: Trials) -> None:
    number = trials("music runs done again, with the songs they compose", usual=1, nightly=20)
    for seed in range(number):
        folder = tmp_path / str(seed) / "run"
        quick = ["steps=10", "~callbacks.curves", f"data_dir={tmp_path / 'data'}"]
        train(saved(composed(folder, *quick, *some(MUSIC_OPTIONS, seed))))
        made = reproduce(folder)
        assert made.verdict == IDENTICAL, made.as_text()
        first, again = songs(folder, folder / "songs"), songs(made.output, folder / "again")
        assert len(first) == 2
        assert first == again


def test_x_ray_runs(tmp_path: Path, trials: Trials) -> None:
    for seed in range(trials("X-ray runs done again", usual=1, nightly=10)):
        quick = ["steps=5", "~callbacks.curves", f"data_dir={tmp_path / 'data'}"]
        options = [*XRAY, *quick, *some(XRAY_OPTIONS, seed)]
        train(saved(composed(tmp_path / str(seed), *options, quick=False)))
        made = reproduce(tmp_path / str(seed))
        assert made.verdict == IDENTICAL, made.as_text()


def test_a_runs_config_given_to_train_is_the_run_again(tmp_path: Path, trials: Trials) -> None:
    """`--config-dir=<run>/.hydra --config-name=config`, with the folder that Hydra makes for it."""
    wings = [("music", ["~callbacks.curves"]), ("X-rays", [*XRAY, "~callbacks.curves"])]
    number = trials("runs again by --config-dir=<run folder>/.hydra", usual=1, nightly=2)
    for wing, options in wings[:number]:
        first, second = tmp_path / wing, tmp_path / f"{wing} again"
        steps = "steps=5"
        train(saved(composed(first, *options, steps, quick=wing == "music")))
        noted = first / ".hydra" / "config.yaml"
        config = OmegaConf.load(noted)
        config.folder = OUTPUT  # as Hydra notes it for whom scripts/train.py has started
        OmegaConf.save(config, noted)
        line = [f"--config-dir={noted.parent}", "--config-name=config", f"hydra.run.dir={second}"]
        subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "train.py"), *line],
            cwd=tmp_path, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
        )  # fmt: skip
        assert run_differences(Run(first), Run(second)).verdict(0.0) == IDENTICAL


def test_a_strangers_config_is_refused_this_way_too(tmp_path: Path) -> None:
    config = composed(tmp_path / "run")
    config.optimizer._target_ = "os.system"
    saved(config)
    line = [f"--config-dir={tmp_path / 'run' / '.hydra'}", "--config-name=config"]
    with pytest.raises(InputError, match=r"optimizer\._target_=os\.system"):
        refuse_mistakes(line, Path(conf_path()), script="train")
