"""Where a run comes from: revision, command line, versions, machine."""

import platform
import subprocess
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("dlcourse", "torch", "lightning", "hydra-core", "torchmetrics", "numpy", "symusic")


def command_line() -> list[str]:
    """What was typed, to be typed again."""
    script = Path(sys.argv[0])
    return ["python", f"{script.parent.name}/{script.name}", *sys.argv[1:]]


def provenance() -> dict[str, Any]:
    """What somebody needs to tell two runs apart."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": command_line(),
        "git_revision": _git("rev-parse", "HEAD"),
        "git_changes": _git("status", "--porcelain").splitlines(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def _git(*arguments: str) -> str:
    """Output of git in the checkout; empty outside one."""
    command = ["git", "-C", str(Path(__file__).resolve().parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
