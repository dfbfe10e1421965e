"""Part 1 of the labs as one page: python scripts/basics.py [option=value ...]."""

from dlcourse.basics.telling import tell
from dlcourse.cli import run_app

if __name__ == "__main__":
    run_app(tell, config_name="basics")
