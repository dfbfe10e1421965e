"""Put runs side by side: a report of a sweep, of some runs, or of a folder that holds them.

python scripts/compare.py runs/music_composed/loss-seed     report.html, .md and .csv in the sweep
python scripts/compare.py runs/a/run-1 runs/a/run-2         the same of any runs
python scripts/compare.py runs/music_composed --status      what is done, failed, running, missing

Exit codes: 0; 2 for a folder without runs. With --status 0 when all jobs are done, 1 when one has
failed, 3 when some are still running, stopped or missing.
"""

import argparse
from pathlib import Path

from dlcourse.cli import run_script


def main() -> int:
    """Report, or tell the status; returns the exit code."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("folders", nargs="+", type=Path, help="of sweeps or of runs")
    parser.add_argument("--status", action="store_true", help="only what became of every job")
    parser.add_argument("--output", type=Path, help="where the report goes; default: the sweep")
    options = parser.parse_args()
    if options.status:
        from dlcourse.comparison.status import status

        text, code = status(options.folders)
        print(text)
        return code
    from dlcourse.comparison.comparing import write_report
    from dlcourse.comparison.tables import group_table
    from dlcourse.text_tables import aligned

    comparison, paths = write_report(options.folders, output=options.output)
    lines = [comparison.verdict, "", aligned(*group_table(comparison)), "", comparison.unit]
    print("\n".join([*lines, *comparison.notes, "", *map(str, paths)]))
    return 0


if __name__ == "__main__":
    run_script(main)
