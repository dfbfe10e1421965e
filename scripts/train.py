"""Train one experiment: python scripts/train.py [experiment=<name>] [option=value ...]."""

from dlcourse.cli import run_app
from dlcourse.training import train

if __name__ == "__main__":
    run_app(train, config_name="train")
