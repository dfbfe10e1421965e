"""Who made a run: its config is signed with a key that never leaves the user's own folder.

<config home>/dlcourse/key    32 random bytes, which only the user can read
<run>/.hydra/signature        HMAC-SHA256 of the config that the run was begun with

A signed config was composed by this user's own command line, whatever it names. It stays signed
where the run folder is moved, and not where anything in it is changed.
"""

import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dlcourse.files import write_text

_LENGTH = 32  # bytes of the key


def sign(folder: Path, config: Mapping[str, Any]) -> None:
    """Leave the user's signature of a config, unresolved; none where a key cannot be kept."""
    if key := _key(create=True):
        write_text(folder / ".hydra" / "signature", _signature(key, config) + "\n")


def is_signed(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether this user, on this machine, began a run with this config."""
    try:
        signature = (folder / ".hydra" / "signature").read_bytes()[: 2 * _LENGTH]
    except OSError:
        return False
    key = _key(create=False)
    return key is not None and hmac.compare_digest(_signature(key, config).encode(), signature)


def _signature(key: bytes, config: Mapping[str, Any]) -> str:
    """Of all but where the run lies."""
    content = {name: value for name, value in config.items() if name != "folder"}
    text = json.dumps(content, sort_keys=True, default=str)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(*, create: bool) -> bytes | None:
    """The user's key; None where there is none, or it cannot be read or kept."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    path = Path(home) / "dlcourse" / "key"
    try:
        if create and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent) as new:  # readable by nobody else
                new.write(secrets.token_bytes(_LENGTH))
                new.flush()
                with suppress(FileExistsError):  # another process was first
                    os.link(new.name, path)
        key = path.read_bytes()
    except (OSError, RuntimeError):  # the latter: nobody has a home
        return None
    return key if len(key) == _LENGTH else None
