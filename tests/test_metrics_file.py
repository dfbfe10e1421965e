"""The curves as CSV: what is written is read back, and nothing of PyTorch is needed for it."""

import subprocess
import sys
from pathlib import Path

from dlcourse.metrics_file import read_metrics, read_times, write_metrics, write_times


def test_rows_are_read_back_without_their_empty_cells_and_in_the_order_of_steps(
    tmp_path: Path,
) -> None:
    rows = {10: {"val/nll": 1.1, "train/loss": 1 / 3}, 5: {"train/loss": 1e-300}}
    write_metrics(tmp_path / "metrics.csv", rows)
    read = read_metrics(tmp_path / "metrics.csv")
    assert read == rows, "every digit survives"
    assert list(read) == [5, 10]


def test_times_are_read_back_to_the_millisecond(tmp_path: Path) -> None:
    write_times(tmp_path / "times.csv", {20: 3600.12345, 10: 0.0})
    assert (tmp_path / "times.csv").read_text().splitlines()[0] == "step,seconds"
    assert read_times(tmp_path / "times.csv") == {10: 0.0, 20: 3600.123}


def test_curves_are_read_without_torch_or_lightning() -> None:
    code = "import sys, dlcourse.metrics_file; print({'torch', 'lightning'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
