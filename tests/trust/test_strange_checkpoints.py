"""Checkpoints of strangers and of bad disks: nothing in them runs, and none takes the memory."""

import copy
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlcourse.errors import InputError
from dlcourse.music.lstm import NoteLSTM
from dlcourse.runs import load_weights
from dlcourse.stopping import WholeCheckpoints
from dlcourse.training import train
from dlcourse.xray.weight_files import read_weights
from tests.composing import composed, saved
from tests.reliability import Trials
from tests.trust.bounds import refused
from tests.trust.mutating import mutated
from tests.trust.pickles import evil_pickles

MEGABYTE = 2**20


def net() -> NoteLSTM:
    torch.manual_seed(0)
    return NoteLSTM(5, 3, hidden=4)


def honest(**callbacks: Any) -> dict[str, Any]:
    """A checkpoint as Lightning writes them."""
    rest = {"optimizer_states": [], "lr_schedulers": [], "loops": {}, "callbacks": callbacks}
    return {"state_dict": net().state_dict(), "global_step": 3, **rest}


def written(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def into_net(path: Path) -> None:
    load_weights(net(), path)


def gone_on_from(path: Path) -> dict[str, Any]:
    return WholeCheckpoints().load_checkpoint(path)


READERS: list[Callable[[Path], Any]] = [into_net, gone_on_from, read_weights]


def refusal(read: Callable[[Path], Any], path: Path) -> str:
    with pytest.raises(InputError) as error:
        read(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def test_no_pickle_runs_whatever_reads_it(tmp_path: Path, trials: Trials) -> None:
    sign = tmp_path / "sign"
    kinds = evil_pickles(sign)
    trials("kinds of pickles that run code", usual=len(kinds), nightly=len(kinds))
    for kind, evil in kinds.items():
        for content in (honest() | {"x": evil}, honest() | {"state_dict": evil}, evil):
            for read in READERS:
                refusal(read, written(tmp_path / "evil.ckpt", content))
        old = written(tmp_path / "old.ckpt", evil, _use_new_zipfile_serialization=False)
        for read in READERS:
            refusal(read, old)
        assert not sign.exists(), kind
        torch.load(tmp_path / "evil.ckpt", weights_only=False)
        assert sign.exists() or sign.is_symlink(), f"{kind} was not armed"
        sign.rmdir() if sign.is_dir() else sign.unlink()


def repacked(path: Path, change: Callable[[str, bytes], bytes], *, packed: bool = False) -> None:
    """The same archive with other contents."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in entries.items():
            archive.writestr(name, change(name, content))


def test_a_packed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = written(tmp_path / "bomb.ckpt", honest())
    zeros = bytes(400 * MEGABYTE)
    repacked(path, lambda name, old: zeros if name.endswith("/data/0") else old, packed=True)
    assert path.stat().st_size < MEGABYTE
    message = refused(into_net, path, megabytes=200, seconds=10)
    assert message is not None
    assert "packed" in message


@pytest.mark.parametrize("size", [10**6, 2**31 - 1])
def test_a_storage_that_claims_more_than_is_there_is_refused(tmp_path: Path, size: int) -> None:
    path = written(tmp_path / "large.ckpt", {"state_dict": {"x": torch.zeros(77)}})
    claimed = b"J" + size.to_bytes(4, "little")
    repacked(path, lambda name, old: old.replace(b"KM", claimed))
    assert claimed in path.read_bytes()
    assert refused(into_net, path, megabytes=400, seconds=10)


def test_tensors_that_are_none_of_the_network_are_refused(tmp_path: Path) -> None:
    weights = net().state_dict()
    name, value = next(iter(weights.items()))
    wide = torch.zeros(1).expand(2**20, 2**20, 2**15)  # takes four bytes
    others = [value.to("meta"), value.to_sparse(), value.to(torch.complex64), wide, 3, "x", None]
    for other in others:
        path = written(tmp_path / "other.ckpt", honest() | {"state_dict": weights | {name: other}})
        assert "another network" in refusal(into_net, path)


def test_weights_that_are_no_numbers_are_said(tmp_path: Path) -> None:
    weights = net().state_dict()
    weights["head.bias"][1] = float("nan")
    path = written(tmp_path / "diverged.ckpt", honest() | {"state_dict": weights})
    assert "1 of the 3 values of head.bias are NaN" in refusal(into_net, path)


def test_a_mutated_checkpoint_is_refused_or_has_the_same_weights(
    tmp_path: Path, trials: Trials
) -> None:
    content = io.BytesIO()
    torch.save(honest(), content)
    rng, path = np.random.default_rng(0), tmp_path / "mutated.ckpt"
    read = 0
    for _ in range(trials("mutated checkpoints", usual=40, nightly=300)):
        path.write_bytes(mutated(content.getvalue(), rng))
        module = NoteLSTM(5, 3, hidden=4)
        try:
            load_weights(module, path)
        except InputError:
            continue
        read += 1
        ours = net().state_dict()
        assert all(torch.equal(value, ours[name]) for name, value in module.state_dict().items())
    assert read, "not even what no reader looks at was changed"


def test_a_flipped_bit_of_a_weight_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "flipped.ckpt", honest())
    content = bytearray(path.read_bytes())
    content[content.find(net().state_dict()["head.bias"].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True), "PyTorch does not notice"
    assert "is not what was written" in refusal(into_net, path)


HONEST = ["", "/old/place/run/checkpoints/last.ckpt"]
HOSTILE = ["local:///home", "file:///home", "memory://x", "s3://bucket/x.ckpt", "/home", "home"]
HOSTILE += ["/run/checkpoints/../../home/x.ckpt", "~/x.ckpt", "x.ckpt", "/x.ckpt/", 3, None]


@pytest.mark.parametrize("key", ["best_model_path", "kth_best_model_path", "last_model_path"])
def test_going_on_from_a_checkpoint_removes_nothing_but_checkpoints(
    tmp_path: Path, key: str
) -> None:
    for name in HONEST:
        path = written(
            tmp_path / "honest.ckpt", honest(last={key: name, "best_k_models": {name: 1}})
        )
        assert gone_on_from(path)["global_step"] == 3
    folder = tmp_path / "folder.ckpt"
    folder.mkdir()
    for name in [*HOSTILE, str(folder)]:
        for state in ({key: name}, {"best_k_models": {name: 1.0}}, {"deeper": {key: name}}):
            path = written(tmp_path / "hostile.ckpt", honest(last=state))
            assert "would remove" in refusal(gone_on_from, path)


def test_lightning_would_have_removed_the_folder(tmp_path: Path) -> None:
    """Why its paths are looked at: an address of the same disk passes for a remote one."""
    from lightning.pytorch.callbacks import ModelCheckpoint

    callback = ModelCheckpoint(dirpath=tmp_path / "checkpoints")
    state = callback.state_dict() | {"best_model_path": f"local://{tmp_path}/thesis"}
    callback.load_state_dict(state)
    last = str(tmp_path / "checkpoints" / "last.ckpt")
    assert callback._should_remove_checkpoint(None, callback.best_model_path, last)


@pytest.mark.parametrize("part", ["optimizer_states", "lr_schedulers", "loops", "callbacks"])
def test_a_checkpoint_of_weights_alone_says_so(tmp_path: Path, part: str) -> None:
    for content in (honest() | {part: 3}, {k: v for k, v in honest().items() if k != part}):
        message = refusal(gone_on_from, written(tmp_path / "weights.ckpt", content))
        assert f"has no {part}" in message


ODD = [None, "x", "", -1, 0, 1e308, float("nan"), 2**70, True, [], {}, [[]], torch.zeros(2, 0)]


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to all values of a checkpoint, containers too."""
    if path:
        yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in inner if isinstance(node, dict | list | tuple) else ():
        yield from leaves(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten steps, to be gone on with."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(saved(composed(folder, "steps=10", "~callbacks.curves", "optimizer=adamw")))
    return folder


def test_training_goes_on_from_an_altered_checkpoint_or_says_that_it_cannot(
    stopped: Path, trials: Trials
) -> None:
    last = stopped / "checkpoints" / "last.ckpt"
    whole, rng = torch.load(last, weights_only=True), np.random.default_rng(1)
    parts = ("optimizer_states", "lr_schedulers", "loops", "callbacks", "global_step", "epoch")
    ways = [(part, *way) for part in parts for way in _ways(whole[part])]
    refusals: list[str] = []
    for _ in range(trials("checkpoints altered, and gone on from", usual=6, nightly=150)):
        content = copy.deepcopy(whole)
        way, odd = ways[rng.integers(len(ways))], ODD[rng.integers(len(ODD))]
        inner: Any = content
        for key in way[:-1]:
            inner = inner[key]
        inner[way[-1]] = odd
        torch.save(content, last)
        (stopped / "outcome.json").unlink(missing_ok=True)
        try:
            train(composed(stopped, f"resume={stopped}", "steps=15", "~callbacks.curves"))
        except InputError as error:
            refusals.append(str(error))
    assert refusals
    assert not [message for message in refusals if "\n" in message]


def _ways(part: Any) -> list[tuple[Any, ...]]:
    return [(), *leaves(part)] if isinstance(part, dict | list) else [()]
