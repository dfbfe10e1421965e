"""How fast it is: python scripts/benchmark.py music [--rounds 5] [--data FOLDER] [--out F.json]."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from dlcourse.cli import conf_path
from dlcourse.errors import InputError


def main() -> None:
    """Measure the cases of a wing; the table goes to standard output."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("wing", choices=["music"])
    arguments.add_argument("--rounds", type=int, default=5, help="one is quick, five are steadier")
    arguments.add_argument("--data", help="a folder of MIDI files; composed songs when left out")
    arguments.add_argument("--out", help="a JSON file for the table and where it comes from")
    options = arguments.parse_args()
    if options.rounds < 1:
        arguments.error(f"--rounds {options.rounds}: at least 1")
    from dlcourse.benchmarking import as_table, judge, measure
    from dlcourse.files import write_json
    from dlcourse.music.benchmark import music_cases
    from dlcourse.provenance import provenance

    with tempfile.TemporaryDirectory() as folder:
        settings = ["data=composed", "trainer.accelerator=cpu", f"folder={folder}"]
        rows = []
        for case in music_cases(lambda own: _build([*own, *settings], root=options.data)):
            rows += judge(case, measure(case, rounds=options.rounds, progress=_say))
    print(as_table(rows))
    if options.out:
        write_json(options.out, {"rows": [asdict(row) for row in rows], **provenance()})


def _build(overrides: Sequence[str], *, root: str | None) -> Any:
    """Data, task and a maker of trainers, as scripts/train.py would have them."""
    from hydra import compose, initialize_config_dir

    from dlcourse.training import build, make

    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("train", list(overrides))
    config.data.root = root
    for name in ("lightning.pytorch", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return *build(config), lambda: make(config.trainer)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
