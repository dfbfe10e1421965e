"""Can one train here, and if not, what has to be done? Takes as long as importing torch.

python scripts/doctor.py                         this environment, runs/ and data/
python scripts/doctor.py --data data/chestxray   another folder of data
python scripts/doctor.py --json                  the same for programs

Exit codes: 0; 1 when something would stop training.
"""

import argparse
import json
import sys
from pathlib import Path

# It has to work where nothing is installed.
sys.path.append(str(Path(__file__).resolve().parents[1]))


def main() -> int:
    """Look, tell, and return the exit code."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--data", nargs="+", type=Path, default=[Path("data")], help="folders")
    parser.add_argument("--json", action="store_true", help="instead of text")
    options = parser.parse_args()
    from dlcourse.doctor.diagnosis import diagnose
    from dlcourse.doctor.findings import as_json, as_text, exit_code
    from dlcourse.doctor.machine_facts import machine_facts

    findings = diagnose(machine_facts(options.data))
    if options.json:
        print(json.dumps(as_json(findings), indent=2))
    else:
        print(as_text(findings, colours=sys.stdout.isatty()))
    return exit_code(findings)


if __name__ == "__main__":
    sys.exit(main())
