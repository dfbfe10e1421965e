"""How fast it is: python scripts/benchmark.py music [--rounds 5] [--data FOLDER] [--out F.json]."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict

from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path
from dlcourse.errors import InputError


def main() -> None:
    """Measure the cases of a wing; the table goes to standard output."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("wing", choices=["music"])
    arguments.add_argument("--rounds", type=int, default=5, help="1 is quick, 5 are steadier")
    arguments.add_argument("--data", help="a folder of MIDI files; composed songs when left out")
    arguments.add_argument("--out", help="a JSON file for the table and where it comes from")
    options = arguments.parse_args()
    logging.disable(logging.INFO)  # Lightning's greeting, at every fit
    from dlcourse.benchmarking import as_table, judge, measure
    from dlcourse.files import write_json
    from dlcourse.music.benchmark import music_cases
    from dlcourse.provenance import provenance

    with tempfile.TemporaryDirectory() as folder:
        settings = ["data=composed", "trainer.accelerator=cpu", f"folder={folder}"]
        rows = []
        for case in music_cases(lambda own: _build([*own, *settings], root=options.data)):
            rows += judge(case, measure(case, rounds=options.rounds, progress=_tell))
    print(as_table(rows))
    if options.out:
        write_json(options.out, {"rows": [asdict(row) for row in rows], **provenance()})


def _build(overrides: Sequence[str], *, root: str | None) -> tuple:
    """Data, task and a maker of trainers, as scripts/train.py would have them."""
    from dlcourse.training import build, make

    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("train", list(overrides))
    config.data.root = root
    return *build(config), lambda: make(config.trainer)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        _tell(f"error: {error}")
        sys.exit(2)
