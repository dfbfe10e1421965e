"""A W&B run for every run folder: its name, group, tags and columns are read from the folder.

<run>/wandb.json                  the id, so that a resumed run goes on in the same W&B run
<run>/wandb/offline-run-*/        what one process logged; a resumed run has several, of one id
"""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.errors import InputError
from dlcourse.files import write_json
from dlcourse.options import saved_options
from dlcourse.runs import Run
from dlcourse.sweep_folder import PLAN

if TYPE_CHECKING:
    import wandb

log = logging.getLogger(__name__)

RUN_ID = "wandb.json"
_NAME, _TAG = 128, 64  # characters; W&B refuses longer ones
_UNTAGGED = ("experiment", "task", "logger", "callbacks", "trainer", "sweep")  # or no choice at all


def start_run(
    folder: str | Path,
    *,
    project: str,
    mode: str,
    job_type: str | None = None,
    tags: Sequence[str] = (),
) -> "wandb.Run":
    """Begin the W&B run of a run folder, or go on with the one that it has.

    Args:
        mode: "offline", "online" or "disabled".
        job_type: By default "sweep" for a job of a sweep, else "train".
        tags: Besides those of `describe`.

    Raises:
        InputError: W&B refuses, because there is no account or no such mode.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    described = describe(folder)
    described["tags"] = list(dict.fromkeys([*described["tags"], *(t[:_TAG] for t in tags)]))
    described["job_type"] = job_type or described["job_type"]
    known = folder / RUN_ID
    before = json.loads(known.read_text(encoding="utf-8"))["id"] if known.is_file() else None
    run = _init(dir=str(folder), project=project, mode=mode, id=before, **described)
    if mode != "disabled":
        write_json(known, {"id": run.id, "project": project})
        upload = f"offline; uploaded by: wandb sync {folder}/wandb/offline-run-*"
        log.info("W&B: %s", upload if run.offline else run.url)
    return run


def _init(*, mode: str, id: str | None, **described: Any) -> "wandb.Run":
    import wandb

    try:
        return wandb.init(
            mode=mode,
            id=id,
            resume=None if id is None else "allow",
            reinit="create_new",  # the plain logger merges all jobs of a process into one run
            settings=wandb.Settings(silent=True, console="off"),
            **described,
        )
    except (wandb.Error, ValueError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"W&B does not start in mode {mode!r}: {text}; `wandb login` opens an account, "
            f"WANDB_MODE=offline needs none"
        ) from error


def describe(folder: Path) -> dict[str, Any]:
    """What W&B is told of a run before it logs anything.

    Returns:
        `name` the folder's; `group` the experiment, and the sweep if it is a job of one;
        `job_type`; `tags` experiment, task and the options that were typed; `config` the resolved
        config as nested columns (`optimizer.lr`) and the option of every group (`choice.loss`).
    """
    run = Run(folder)
    choices = {group.partition("@")[0]: option for group, option in run.choices.items()}
    swept = (folder.parent / PLAN).is_file()
    experiment = choices.get("experiment", folder.parent.parent.name if swept else "")
    experiment = experiment or folder.parent.name
    typed = [o for o in run.overrides if _is_choice(o, choices)]
    tags = [experiment, choices.get("task", ""), *typed]
    return {
        "name": folder.name[:_NAME],
        # Not a slash: the page of a group with special characters is not found,
        # https://github.com/wandb/wandb/issues/1954
        "group": (f"{experiment}.{folder.parent.name}" if swept else experiment)[:_NAME],
        "job_type": "sweep" if swept else "train",
        "tags": list(dict.fromkeys(tag[:_TAG] for tag in tags if tag)),
        # Nested: W&B does not filter by keys with a dot, https://github.com/wandb/wandb/issues/3087
        "config": _nested(saved_options(folder)) | {"choice": choices},
    }


def forget_run(folder: str | Path) -> None:
    """Remove what an earlier attempt logged: a run that begins anew is another W&B run."""
    (Path(folder) / RUN_ID).unlink(missing_ok=True)
    shutil.rmtree(Path(folder) / "wandb", ignore_errors=True)


def _is_choice(override: str, choices: dict[str, str]) -> bool:
    key = override.partition("=")[0]
    return key in choices and key not in _UNTAGGED


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, leaf = key.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[leaf] = value
    return tree
