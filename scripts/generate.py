"""New songs: python scripts/generate.py run=<run folder> [option=value ...]."""

from dlcourse.cli import run_app
from dlcourse.generating import generate

if __name__ == "__main__":
    run_app(generate, config_name="generate")
