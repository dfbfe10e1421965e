"""Pickles that do something when they are opened: each leaves the same file behind."""

import functools
import io
import logging
import os
import pickle
import pty
import runpy
import shutil
import sqlite3
import subprocess
import tarfile
import time
import timeit
import zipfile
from collections.abc import Callable
from pathlib import Path

import hydra.utils
import torch
import yaml


class Evil:
    """Unpickled, it is what its call returns."""

    def __init__(self, call: Callable, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple:
        return self.call, self.arguments


def evil_pickles(sign: Path) -> dict[str, Evil]:
    """By kind, what leaves the file `sign` behind; further files are put beside it."""
    name, shell, python = str(sign), f"touch {sign}", f"open({str(sign)!r}, 'w').close()"
    script, nested, empty = (sign.with_suffix(end) for end in (".py", ".nested", ".empty"))
    script.write_text(python)
    empty.touch()
    system = Evil(os.system, shell)
    torch.save(system, nested)
    tree = f"!!python/object/apply:os.system [{shell!r}]"
    return {
        "os.system": system,
        "os.mkdir": Evil(os.mkdir, name),
        "os.open": Evil(os.open, name, os.O_CREAT),
        "os.symlink": Evil(os.symlink, str(empty), name),
        "os.mkfifo": Evil(os.mkfifo, name),
        "subprocess.call": Evil(subprocess.call, ["touch", name]),
        "subprocess.run": Evil(subprocess.run, ["touch", name]),
        "subprocess.check_output": Evil(subprocess.check_output, ["touch", name]),
        "subprocess.getoutput": Evil(subprocess.getoutput, shell),
        "pty.spawn": Evil(pty.spawn, ["touch", name]),
        "eval": Evil(eval, python),
        "exec": Evil(exec, python),
        "open": Evil(open, name, "w"),
        "getattr chain": Evil(
            list, Evil(map, Evil(getattr, Evil(__import__, "os"), "mkdir"), [name])
        ),
        "__import__ in a partial": Evil(functools.partial(eval, python)),
        "timeit": Evil(timeit.timeit, python, "pass", time.perf_counter, 1),
        "runpy": Evil(runpy.run_path, str(script)),
        "shutil.copy": Evil(shutil.copy, str(empty), name),
        "Path.touch": Evil(Path.touch, sign),
        "logging.FileHandler": Evil(logging.FileHandler, name),
        "sqlite3.connect": Evil(sqlite3.connect, name),
        "tarfile.open": Evil(tarfile.open, name, "w"),
        "zipfile.ZipFile": Evil(zipfile.ZipFile, name, "w"),
        "torch.save": Evil(torch.save, {}, name),
        "torch.load nested": Evil(functools.partial(torch.load, weights_only=False), str(nested)),
        "pickle.loads nested": Evil(pickle.loads, pickle.dumps(system)),
        "yaml.unsafe_load": Evil(yaml.unsafe_load, tree),
        "hydra instantiate": Evil(hydra.utils.instantiate, {"_target_": "os.mkdir", "path": name}),
        "io.FileIO": Evil(io.FileIO, name, "w"),
    }
