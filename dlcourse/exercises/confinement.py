"""A process that can write in one folder alone, read no other student's, and signal nobody else.

Linux's Landlock does it without privileges (Linux 5.13; no connections: 6.7; no signals: 6.12). It
holds for every process that is started from then on, and cannot be undone.

Source: docs.kernel.org/userspace-api/landlock.html, whose structs and numbers these are.
"""

import ctypes
import os
import signal
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # system calls, of the same numbers everywhere
_VERSION, _PATH_BENEATH = 1, 1
_NO_NEW_PRIVILEGES, _CHILD_SUBREAPER = 38, 36  # of prctl
_READ = 0b1101  # execute, read a file, list a folder
_LIST = 0b1000
_WRITE = 0b0010
_OF_FILES = 0b0111
_ALL = (1 << 13) - 1
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/opt", "/proc", "/sys", "/dev")
_DEVICES = ("/dev/null",)


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_version() -> int:
    """Which Landlock the kernel has; 0: none."""
    if sys.platform != "linux":
        return 0
    return max(0, ctypes.CDLL(None).syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION))


def confine(folder: Path) -> bool:
    """Allow this process and its children to write below `folder` alone, where the system can.

    What the interpreter and its packages are is read; other folders of a home are not.

    Returns:
        Whether it holds.
    """
    version = landlock_version()
    if not version:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    rights = _ALL | (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    ruleset = _Ruleset(rights, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_CREATE, ctypes.byref(ruleset), ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    package = Path(__file__).resolve().parents[1]
    _allow(libc, rules, [folder], rights)
    _allow(libc, rules, _DEVICES, _READ | _WRITE)
    _allow(libc, rules, [*_SYSTEM, *_interpreter(package), package], _READ)
    _allow(libc, rules, [package.parent], _LIST)  # an import looks for the package's name in it
    return _restricted(libc, rules)


def hide_processes() -> bool:
    """Nothing of other processes, such as what their environments hold, can be read from now on.

    Where files are read is unchanged otherwise.

    Returns:
        Whether it holds.
    """
    if not landlock_version():
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    ruleset = _Ruleset(_READ & ~1)
    rules = libc.syscall(_CREATE, ctypes.byref(ruleset), ctypes.c_size_t(8), 0)
    if rules < 0:
        return False
    proc = ("cpuinfo", "meminfo", "stat", "sys", "filesystems", "version", str(os.getpid()))
    rest = [path for path in _readable() if path != Path("/proc")]
    _allow(libc, rules, [*rest, *(Path("/proc", name) for name in proc)], _READ & ~1)
    return _restricted(libc, rules)


def _readable() -> list[Path]:
    """Folders that together hold all that may be read; in a confined process few can be listed."""
    try:
        return list(Path("/").iterdir())
    except PermissionError:
        package = Path(__file__).resolve().parents[1]
        return [
            *map(Path, (*_SYSTEM, *_interpreter(package))),
            package,
            package.parent,
            Path.home(),
        ]


def _restricted(libc: ctypes.CDLL, rules: int) -> bool:
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    held = libc.syscall(_RESTRICT, rules, 0) == 0
    os.close(rules)
    return held


def _interpreter(package: Path) -> Iterable[str]:
    """Where Python and its packages are; not the checkout, in which students' folders may lie."""
    paths = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    return sorted(p for p in paths if p and not package.is_relative_to(Path(p).resolve()))


def _allow(libc: ctypes.CDLL, rules: int, paths: Iterable[str | Path], rights: int) -> None:
    for path in paths:
        with suppress(OSError):  # one that is not there needs no rule
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            allowed = rights if os.path.isdir(path) else rights & _OF_FILES
            beneath = _Beneath(allowed, opened)
            libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(beneath), 0)
            os.close(opened)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own one ends, so that `end_children` finds them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_children() -> None:
    """End whatever this process has started, and what that has left behind."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    for _ in range(1000):  # a fork bomb may be faster; limits of its processor time end it
        children = listed.read_text().split() if listed.is_file() else []
        if not children:
            return
        for child in map(int, children):
            with suppress(OSError):
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
