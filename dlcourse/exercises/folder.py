"""The student's folder: skeletons to fill in, and the labs in order as its README."""

from pathlib import Path

from dlcourse.errors import InputError
from dlcourse.exercises.catalogue import files
from dlcourse.exercises.exercise import Exercise
from dlcourse.files import write_text

HEADER = '''"""{title}

Replace each `raise NotImplementedError`. Then, in the course's folder:

    python scripts/exercises.py check FOLDER --only NAME
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
'''

TITLES = {
    "lab1.py": "Lab 1, music: a network that continues songs.",
    "lab2.py": "Lab 2, chest X-rays: detect pneumothorax, and show why.",
}


def module_source(title: str, sources: list[str]) -> str:
    """One of the student's files: its imports, and functions in order."""
    return "\n\n\n".join([HEADER.format(title=title).strip(), *(s.strip() for s in sources)]) + "\n"


def new_folder(folder: str | Path) -> list[Path]:
    """Write lab1.py, lab2.py and README.md; returns their paths.

    Raises:
        InputError: One of them is there already: what a student wrote is never overwritten.
    """
    skeletons = {
        file: module_source(TITLES[file], [exercise.skeleton for exercise in exercises])
        for file, exercises in files().items()
    }
    return _write(Path(folder), skeletons | {"README.md": readme(Path(folder))})


def solved_folder(folder: str | Path) -> list[Path]:
    """The same files with every exercise solved by the package, which the tests check.

    Raises:
        InputError: One of them is there already.
    """
    solved = {
        file: module_source(TITLES[file], [exercise.solution for exercise in exercises])
        for file, exercises in files().items()
    }
    return _write(Path(folder), solved)


def _write(folder: Path, texts: dict[str, str]) -> list[Path]:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a folder that is new or empty")
    there = [name for name in texts if (folder / name).exists()]
    if there:
        raise InputError(
            f"{folder} already holds {', '.join(there)}, which are never overwritten: name another "
            "folder, or move them away"
        )
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def readme(folder: Path) -> str:
    """The labs in order: what there is to write, where it is described, how to try it."""
    lines = [
        "# The labs, step by step",
        "",
        "Each step is one function or class. Its docstring says what goes in, what comes out and "
        "by which formula. Write it, then ask what the course makes of it:",
        "",
        f"    python scripts/exercises.py check {folder}",
        f"    python scripts/exercises.py check {folder} --only {_first().name}",
        "",
        "The answer names what is wrong, not how it is written. Nothing you write can do harm: a "
        "crash, an endless loop or a flood of output ends that step alone.",
    ]
    for file, exercises in files().items():
        lines += ["", f"## {TITLES[file].rstrip('.')} (`{file}`)", ""]
        for number, exercise in enumerate(exercises, 1):
            lines.append(f"{number}. `{exercise.name}`: {exercise.title} ({exercise.source}).")
    lines += [
        "",
        "## Train with your own",
        "",
        f"In the folder that holds `{folder.name}`:",
        "",
        f"    python scripts/train.py net=student net._target_={folder.name}.lab1.NextNoteLSTM "
        "task.supervise=last",
        f"    python scripts/train.py experiment=xray_phantoms cam={folder.name}.lab2.compute_cam",
        "",
        "(with the path to the course's `scripts`, where that is another folder).",
    ]
    return "\n".join(lines) + "\n"


def _first() -> Exercise:
    return next(iter(files().values()))[0]
