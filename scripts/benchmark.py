"""How fast it is: python scripts/benchmark.py music|xray|sweep [--rounds 5] [--data DIR]."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from hydra import compose, initialize_config_dir

from dlcourse.cli import conf_path, run_script

MODULES = {"music": "music.benchmark", "xray": "xray.benchmark", "sweep": "sweep_benchmark"}
OWN_DATA = {"music": "data=composed", "xray": "data=phantoms", "sweep": "data=composed"}


def main() -> None:
    """Measure some cases; the table goes to standard output."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("wing", choices=list(MODULES))
    arguments.add_argument("--rounds", type=int, default=5, help="1 is quick, 5 are steadier")
    arguments.add_argument("--data", help="a folder of songs or radiographs, instead of our own")
    arguments.add_argument("--out", help="a JSON file for the table and where it comes from")
    options = arguments.parse_args()
    logging.disable(logging.INFO)  # Lightning's greeting, at every fit
    from dlcourse.benchmarking import as_table, judge, measure
    from dlcourse.files import write_json
    from dlcourse.provenance import provenance

    tell = partial(print, file=sys.stderr)
    cases_of = import_module(f"dlcourse.{MODULES[options.wing]}").cases
    with tempfile.TemporaryDirectory() as folder:
        settings = [OWN_DATA[options.wing], "trainer.accelerator=cpu", f"folder={folder}"]
        rows = []
        for case in cases_of(lambda own: _build([*own, *settings], root=options.data)):
            rows += judge(case, measure(case, rounds=options.rounds, progress=tell))
    print(as_table(rows))
    if options.out:
        write_json(options.out, {"rows": [vars(row) for row in rows], **provenance()})


def _build(overrides: Sequence[str], *, root: str | None) -> tuple:
    """Data, task and a maker of trainers, as scripts/train.py would have them."""
    from dlcourse.training import build, make

    with initialize_config_dir(conf_path(), version_base="1.3"):
        config = compose("train", list(overrides))
    config.data.root = root
    return *build(config), lambda: make(config.trainer)


if __name__ == "__main__":
    run_script(main)
