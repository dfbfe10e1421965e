"""Files of weights from strangers: nothing in them runs, and what is read is what was written."""

import functools
import io
import operator
import os
import pickle
import runpy
import shutil
import struct
import subprocess
import tarfile
import timeit
import zipfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcourse.errors import InputError
from dlcourse.xray.pickled_networks import pickled_tensors
from dlcourse.xray.weight_files import read_weights
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.mutating import mutated

READERS = (read_weights, pickled_tensors)
Call = tuple[Callable[..., Any], tuple[Any, ...]]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 2)))


def file_of(content: object, *, zipped: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=zipped)
    return out.getvalue()


class Loaded:
    """Becomes a call when it is unpickled."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def __reduce__(self) -> Call:
        return self.call


def calls(victim: str, script: str) -> dict[str, Call]:
    """What makes a file called `victim` when it runs; `script` is Python that does."""
    code, words = f"open({victim!r}, 'w').close()", ["touch", victim]
    return {
        "os.system": (os.system, (f"touch {victim}",)),
        "os.mkdir": (os.mkdir, (victim,)), "os.mkfifo": (os.mkfifo, (victim,)),
        "os.symlink": (os.symlink, ("/etc/passwd", victim)), "os.open": (os.open, (victim, 64)),
        "os.spawnvp": (os.spawnvp, (os.P_WAIT, "touch", words)),
        "subprocess.run": (subprocess.run, (words,)),
        "subprocess.check_output": (subprocess.check_output, (words,)),
        "subprocess.getoutput": (subprocess.getoutput, (f"touch {victim}",)),
        "exec": (exec, (code,)), "eval": (eval, (code,)), "open": (open, (victim, "w")),
        "timeit": (timeit.timeit, (code, "pass", timeit.default_timer, 1)),
        "runpy": (runpy.run_path, (script,)), "copy": (shutil.copy, (script, victim)),
        "pickle in pickle": (pickle.loads, (pickle.dumps(Loaded((exec, (code,)))),)),
        "torch.save": (torch.save, (1, victim)), "numpy": (np.savetxt, (victim, [1.0])),
        "a method": (operator.methodcaller("touch"), (Path(victim),)),
        "part of a call": (functools.partial(os.mkdir, victim), ()),
        "a list of a map": (list, (map(os.mkdir, [victim]),)),
        "a queue of a map": (deque, (map(os.mkdir, [victim]), 0)),
        "a compiled text": (functools.reduce, (functools.partial(_run, code), [1, 2])),
    }  # fmt: skip


def _run(code: str, *rest: object) -> None:
    exec(code)


KINDS = [*calls("", "")]


def gone(victim: Path) -> bool:
    """Whether there was such a file; there is none now."""
    there = victim.is_symlink() or victim.exists()
    if there:
        victim.rmdir() if victim.is_dir() else victim.unlink()
    return there


@pytest.mark.parametrize("kind", KINDS)
def test_no_call_in_a_file_of_weights_is_made(tmp_path: Path, kind: str, trials: Trials) -> None:
    trials("calls in pickled weights, by every reader, none made", usual=12, nightly=12)
    victim, script, path = tmp_path / "victim", tmp_path / "script.py", tmp_path / "m.pt"
    script.write_text(f"open({str(victim)!r}, 'w').close()")
    evil = Loaded(calls(str(victim), str(script))[kind])
    pickle.loads(pickle.dumps(evil))
    assert gone(victim), "it is armed"
    weights = network().state_dict()
    net = network()
    net.evil = evil
    for content in ({"state_dict": weights, "best": evil}, {**weights, "more": [{"x": evil}]}, net):
        for zipped in (True, False):
            path.write_bytes(file_of(content, zipped=zipped))
            for read in READERS:
                try:
                    found = read(path)
                except InputError as error:
                    found, message = None, str(error)
                    assert message.isprintable(), message
                assert not gone(victim)
                assert (found is not None) == (content is net and read is pickled_tensors)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_network_gives_what_its_state_dict_gives(tmp_path: Path, zipped: bool) -> None:
    net = network()
    (tmp_path / "m.pt").write_bytes(file_of(net, zipped=zipped))
    assert same(pickled_tensors(tmp_path / "m.pt"), net.state_dict())


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(tensor, expected[name]) for name, tensor in found.items()
    )


def test_a_file_changes_no_function_of_torch(tmp_path: Path) -> None:
    """Pickles may set the fields of whatever they name."""
    state = b"N}X\5\0\0\0ownedK\1s\x86"  # (None, {"owned": 1})
    payload = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + state + b"b."
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("m/data.pkl", payload)
        file.writestr("m/version", b"3\n")
        file.writestr("m/byteorder", b"little")
    (tmp_path / "m.pt").write_bytes(content.getvalue())
    for read in READERS:
        with pytest.raises(InputError):
            read(tmp_path / "m.pt")
    assert not hasattr(torch._utils._rebuild_tensor_v2, "owned")


def repacked(change: Callable[[str, bytes], bytes], *, packing: int = 0) -> bytes:
    """A file of weights whose parts are changed, and with right checksums."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(
            io.BytesIO(file_of({"a": torch.arange(6.0), "b": torch.zeros(4)}))
        ) as whole,
        zipfile.ZipFile(out, "w", packing or zipfile.ZIP_STORED) as file,
    ):
        for name in whole.namelist():
            file.writestr(name, change(name, whole.read(name)))
    return out.getvalue()


def in_data(change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda name, content: change(content) if name.endswith("data/0") else content


def in_pickle(change: Callable[[bytes], bytes]) -> Callable[[str, bytes], bytes]:
    return lambda name, content: change(content) if name.endswith("data.pkl") else content


def old_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return out.getvalue()


MANY = b"J" + struct.pack("<i", 2**30)
BOMBS: dict[str, Callable[[], bytes]] = {
    "128 MB of zeros, packed": lambda: repacked(
        in_data(lambda content: bytes(2**27)), packing=zipfile.ZIP_DEFLATED
    ),
    "a storage larger than its file": lambda: repacked(
        in_pickle(lambda content: content.replace(b"K\x06", MANY))
    ),
    "a storage without its bytes": lambda: repacked(in_data(lambda content: content[:3])),
    "an old storage of 4 GB": lambda: file_of({"a": torch.arange(6.0)}, zipped=False).replace(
        b"K\x06", MANY
    ),
    "100,000 marks": lambda: b"\x80\x02" + b"(" * 10**5 + b".",
    "a list of a list of a list": lambda: b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".",
    "an integer of 2 GB": lambda: b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "links in an old .tar": old_tar,
    "no numbers": lambda: file_of({"a": torch.zeros(3, device="meta")}),
    "sparse": lambda: file_of({"a": torch.eye(3).to_sparse()}),
    "names that are numbers": lambda: file_of({5: torch.zeros(3)}),
    "tensors within a list": lambda: file_of([torch.zeros(3)]),
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("kind", [*BOMBS, "a pipe", "a device", "a folder", "a loop"])
def test_strange_weights_are_refused_at_once(tmp_path: Path, kind: str, trials: Trials) -> None:
    trials("weights that are bombs or lies, by every reader", usual=2, nightly=2)
    path = tmp_path / "m.pt"
    if kind in BOMBS:
        path.write_bytes(BOMBS[kind]())
    else:
        targets = {"a pipe": os.mkfifo, "a folder": os.mkdir}
        link = functools.partial(os.symlink, "/dev/zero" if kind == "a device" else "m.pt")
        targets.get(kind, link)(path)
    for read in READERS:
        message = refused(read, path, megabytes=110, seconds=8)
        assert message is not None
        assert str(path) in message
        assert message.isprintable()
        assert len(message) < len(str(path)) + 400


def same_or_refused(paths: Sequence[Path], expected: dict[str, Tensor]) -> None:
    for path in paths:
        for read in READERS:
            message = ""
            try:
                found = read(path)
                assert not zipfile.is_zipfile(path) or same(found, expected)
            except InputError as error:
                message = str(error)
            assert message.isprintable(), repr(message)


def test_mutated_weights_are_the_same_or_refused(tmp_path: Path, trials: Trials) -> None:
    """Today's files have checksums, at which torch does not look; those of 2018 have none."""
    weights = network().state_dict()
    seeds = [file_of(w, zipped=z) for z in (True, False) for w in (weights, network())]
    count = trials("mutated weights, by every reader", usual=60, nightly=1000)
    rng, paths = np.random.default_rng(0), []
    for i in range(count):
        paths.append(tmp_path / f"{i}.pt")
        paths[-1].write_bytes(mutated(seeds[i % len(seeds)], rng, seeds))
    assert refused(same_or_refused, paths, dict(weights), megabytes=2000, seconds=120) is None
