"""What went into two runs: config, data, first weights, code, packages, machine; then and now."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from dlcourse.ledgers import ledger_difference, read_ledger
from dlcourse.options import PLACE, changed_options, flat_options
from dlcourse.runs import Run
from dlcourse.trust.notes import read_note

SAME, DIFFERS, UNKNOWN = "same", "differs", "not known"
_LISTED = 3  # keys or packages, before "and more"
_ELSEWHERE = ("logger", "trainer.logger", "trainer.callbacks")  # the last two repeat other nodes


@dataclass(frozen=True)
class Input:
    """One of the things that go into a run.

    Attributes:
        state: Whether it is what it was; not known where the run did not note it.
        decides: Whether another one makes another run, so that training again compares nothing.
    """

    name: str
    then: str
    now: str
    state: str
    decides: bool = False


def config_input(run: Run, config: DictConfig) -> Input:
    """What the run noted when it began, against the config it would run with now.

    Where it lies and where it logs is no part of it.
    """
    path = run.folder / "config.yaml"
    if not path.is_file():
        return Input("config", "not noted", "", UNKNOWN, decides=True)
    before, after = read_note(path, what="config"), config.copy()
    for key in PLACE:  # so that what is made of them is the same too
        after[key] = before.get(key)
    changed = changed_options(flat_options(before), flat_options(after))
    changed = {key: pair for key, pair in changed.items() if not key.startswith(_ELSEWHERE)}
    changed = {key: pair for key, pair in changed.items() if not _repeats(key, changed)}
    then, now = (_first([f"{key}={pair[i]}" for key, pair in changed.items()]) for i in (0, 1))
    return Input("config", then, now, DIFFERS if changed else SAME, decides=True)


def _repeats(key: str, keys: Collection[str]) -> bool:
    """`task.net.hidden`, which is made of `net.hidden`."""
    return any(key.endswith(f".{other}") for other in keys)


def data_input(then: Path, now: Path) -> Input:
    """Compare the ledgers of two runs' data."""
    if not then.is_file():
        return Input("data", "no ledger", f"{len(read_ledger(now))} files", UNKNOWN, decides=True)
    before, after = read_ledger(then), read_ledger(now)
    difference = ledger_difference(before, after)
    said = "; ".join(difference.sentences())
    known = SAME if difference.checked else UNKNOWN
    return Input(
        "data",
        f"{len(before)} files" + ("" if difference.checked else ", contents not noted"),
        said or f"{len(after)} files",
        known if difference.same else DIFFERS,
        decides=True,
    )


def weights_input(then: Mapping[str, Any], now: Mapping[str, str] | None) -> Input | None:
    """Compare the files of the first weights; None where neither run began from any.

    Args:
        then: The run's provenance.
        now: See `run_provenance.weights_read`.
    """
    before = then.get("first_weights")
    if before is None and now is None:
        return None
    sides = [_weights(side) for side in (before, now)]
    known = before is not None and now is not None and "sha256" in before and "sha256" in now
    differs = known and before["sha256"] != now["sha256"]
    state = DIFFERS if differs else SAME if known else UNKNOWN
    return Input("first weights", *sides, state, decides=True)


def _weights(read: Mapping[str, str] | None) -> str:
    if read is None:
        return "not noted"
    return f"{read.get('from', 'not noted')}, {read.get('sha256', 'no file')[:8]}"


def code_inputs(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Input]:
    """Compare two `provenance.json`: code, packages and machine, each as far as it was noted."""
    return [
        _code(then, now),
        _packages(then, now),
        *(_noted(key, then, now) for key in ("python", "machine", "processor", "gpus")),
    ]


def _noted(key: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Input:
    state = UNKNOWN if key not in then else SAME if then[key] == now[key] else DIFFERS
    return Input(key, str(then.get(key, "not noted")), str(now[key]), state)


def _code(then: Mapping[str, Any], now: Mapping[str, Any]) -> Input:
    """By the package's own hash; git's revision is there to find it by."""
    key = "code_sha256"
    state = UNKNOWN if key not in then else SAME if then[key] == now[key] else DIFFERS
    return Input("code", _revision(then), _revision(now), state)


def _revision(provenance: Mapping[str, Any]) -> str:
    revision, changed = provenance.get("git_revision", ""), provenance.get("git_changes", [])
    dirt = f" and {len(changed)} changed files" if changed else ""
    code = provenance.get("code_sha256", "not noted")[: 8 if "code_sha256" in provenance else None]
    return f"{code}, revision {revision[:8]}{dirt}" if revision else code


def _packages(then: Mapping[str, Any], now: Mapping[str, Any]) -> Input:
    before, after = then.get("versions", {}), now.get("versions", {})
    changed = changed_options(before, after)
    sides = [_first([f"{key} {pair[i]}" for key, pair in changed.items()]) for i in (0, 1)]
    state = UNKNOWN if not before else DIFFERS if changed else SAME
    return Input("packages", *sides, state)


def _first(words: list[str]) -> str:
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more
