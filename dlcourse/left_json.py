"""JSON that a run left, read back: whatever is damaged in it is told in one line."""

import json
from pathlib import Path
from typing import Any

from dlcourse.errors import InputError


def read_json(path: str | Path, kind: type, *, advice: str) -> Any:
    """What a JSON file says; None where there is none.

    Args:
        kind: What it has to hold: dict or list.
        advice: What to do about a damaged one.

    Raises:
        InputError: It is damaged, or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged: {error}; {advice}") from error
    if not isinstance(value, kind):
        raise InputError(
            f"{path}: damaged: holds a {type(value).__name__}, not a {kind.__name__}; {advice}"
        )
    return value
