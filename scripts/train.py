"""Train one experiment: python scripts/train.py [experiment=<name>] [option=value ...]."""

from dlcourse.cli import run_app
from dlcourse.sweeps import train_job

if __name__ == "__main__":
    run_app(train_job, config_name="train")
