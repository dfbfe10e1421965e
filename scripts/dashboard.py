"""The class dashboard at W&B: python scripts/dashboard.py --entity <user or team> [--lab music].

python scripts/dashboard.py --entity me                    makes the page, after `wandb login`
python scripts/dashboard.py --entity me --save page.json   only writes it down; needs no account
"""

import argparse

from dlcourse.cli import run_script


def main() -> None:
    """Build the page; send it, or write it down."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--entity", required=True, help="user or team at W&B")
    parser.add_argument("--project", default="dlcourse", help="default: dlcourse")
    parser.add_argument("--lab", default="both", choices=["music", "xray", "both"])
    parser.add_argument("--save", metavar="FILE", help="write the specification, send nothing")
    options = parser.parse_args()
    from dlcourse.dashboard import build_dashboard, push_dashboard, save_dashboard

    page = build_dashboard(entity=options.entity, project=options.project, lab=options.lab)
    if options.save:
        save_dashboard(page, options.save)
        print(options.save)
    else:
        print(push_dashboard(page))


if __name__ == "__main__":
    run_script(main)
