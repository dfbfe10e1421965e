"""How tests read an offline W&B run: through W&B's own reader, as what the page would show."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class OfflineRun:
    """What one process logged.

    Attributes:
        folder: `offline-run-*`.
        facts: Name, group, tags, id.
        history: Every call of `log`, nested keys joined by dots.
        summary: The last value of every key.
        artifacts: As logged.
        exit_code: None when the process was killed.
    """

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None

    def curve(self, key: str) -> dict[int, float]:
        """A value by optimizer step."""
        return {row["trainer/global_step"]: row[key] for row in self.history if key in row}

    def table(self, key: str) -> list[dict[str, Any]]:
        """The rows of a table by column."""
        (path,) = {row[f"{key}.path"] for row in self.history if f"{key}.path" in row}
        table = json.loads((self.folder / "files" / path).read_text())
        return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]

    def model(self) -> dict[str, Any]:
        """The artifact of the weights."""
        (model,) = (a for a in self.artifacts if a["type"] == "model")
        return model


def read_runs(run: Path) -> list[OfflineRun]:
    """The offline runs of a run folder in the order of their start."""
    return [read(folder) for folder in sorted(run.glob("wandb/offline-run-*"))]


def read(folder: Path) -> OfflineRun:
    """One `offline-run-*` folder."""
    wandb = shutil.which("wandb", path=str(Path(sys.executable).parent)) or "wandb"
    command = [wandb, "leet", "inspect", "--json", str(folder)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    run = OfflineRun(folder)
    for line in text.splitlines():
        record = json.loads(line)
        _add(run, record["type"], record[record["type"]])
    return run


def _add(run: OfflineRun, kind: str, value: dict[str, Any]) -> None:
    if kind == "run":
        run.facts |= value
        run.config |= value["config"]["update"]
    elif kind == "config":
        run.config |= value["update"]
    elif kind == "history":
        run.history.append(value["item"])
    elif kind == "summary":
        run.summary |= value["update"]
    elif kind == "metric":
        run.metrics.append(value)
    elif kind == "artifact":
        run.artifacts.append(value)
    elif kind == "exit":
        run.exit_code = value.get("exit_code", 0)
