"""Run a run again from its folder, and say whether it is the same; or check published numbers.

python scripts/reproduce.py runs/music_composed/<time>                a verdict, and what differs
python scripts/reproduce.py --experiments cheap                       without a download, minutes
python scripts/reproduce.py --experiments all --write README.md       every number in its tables
python scripts/reproduce.py --experiments xray_small --set data.root=data/chestxray

Exit codes: 0 identical, within tolerance or as expected; 1 different; 2 for what cannot be run.
"""

import argparse
import logging
from pathlib import Path

from dlcourse.cli import run_script


def main() -> int:
    """Reproduce a run or check experiments; returns the exit code."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("run", nargs="?", type=Path, help="the folder of a run that is done")
    parser.add_argument("--output", type=Path, help="a new folder; default: below the run's")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="relative; default 1e-4")
    parser.add_argument("--anyway", action="store_true", help="train also on other data or config")
    parser.add_argument("--experiments", nargs="+", help="names, or cheap, or all")
    parser.add_argument("--set", nargs="+", default=[], help="options of every experiment")
    parser.add_argument("--write", type=Path, help="the file whose tables get the new rows")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if bool(options.run) == bool(options.experiments):
        parser.error("name either a run folder or --experiments")
    if options.run:
        from dlcourse.reproducing import reproduce

        keywords = {"tolerance": options.tolerance, "anyway": options.anyway}
        made = reproduce(options.run, output=options.output, **keywords)
        print(f"{made.as_text()}\n\n{made.output / 'reproduction.json'}")
        return int(made.verdict == "different")
    from dlcourse.reproducing import check_experiments

    keywords = {"folder": options.output, "overrides": options.set, "write": options.write}
    text, agree = check_experiments(options.experiments, **keywords)
    print(text)
    return int(not agree)


if __name__ == "__main__":
    run_script(main)
