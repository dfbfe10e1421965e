"""Why: python scripts/explain.py run=<run folder> [option=value ...]."""

from dlcourse.cli import run_app
from dlcourse.explaining import explain

if __name__ == "__main__":
    run_app(explain, config_name="explain")
