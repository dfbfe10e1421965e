"""JSON files that show whether they are still what was written: a flipped bit may stay JSON."""

import hashlib
import json
from pathlib import Path
from typing import Any

from dlcourse.files import write_text


def write_checked(path: str | Path, content: Any) -> None:
    """Write JSON together with its SHA-1, whole or not at all."""
    whole = {"sha1": _sha1(content), "content": content}
    write_text(path, json.dumps(whole, indent=0, ensure_ascii=False))


def read_checked(path: str | Path) -> Any | None:
    """What was written; None where there is no such file, or not what was written."""
    try:
        whole = json.loads(Path(path).read_text(encoding="utf-8"))
        content = whole["content"]
        return content if whole["sha1"] == _sha1(content) else None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _sha1(content: Any) -> str:
    return hashlib.sha1(json.dumps(content).encode()).hexdigest()
