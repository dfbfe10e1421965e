"""Run folders: what is missing, damaged, foreign or dangerous is refused in words."""

import errno
import os
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from torch import nn

from dlcourse.errors import InputError
from dlcourse.music.lstm import NoteLSTM
from dlcourse.runs import STOPPED, Run, load_weights, open_run


def make_run(folder: Path, config: str = "seed: 7\n") -> Path:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "config.yaml").write_text(config)
    return folder


def net(seed: int = 0, **options: object) -> NoteLSTM:
    torch.manual_seed(seed)
    return NoteLSTM(5, 3, **{"hidden": 4} | options)


def saved(module: nn.Module, path: Path) -> Path:
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, path)
    return path


def test_a_run_knows_its_config_and_where_it_lies_now(tmp_path: Path) -> None:
    run = open_run(make_run(tmp_path / "moved", "seed: 7\nfolder: /somewhere/else\n"))
    assert (run.config.seed, run.config.folder) == (7, str(tmp_path / "moved"))
    assert run.results is None
    (tmp_path / "moved" / "results.json").write_text('{"test": 1}')
    assert run.results == {"test": 1}


@pytest.mark.parametrize("config", ["a: [", "- 1\n- 2\n", "\0"])
def test_a_damaged_config_is_an_error_in_one_line(tmp_path: Path, config: str) -> None:
    run = open_run(make_run(tmp_path / "run", config))
    with pytest.raises(InputError, match=r"config\.yaml: damaged config") as caught:
        _ = run.config
    assert "\n" not in str(caught.value)


def test_folders_that_are_no_run_are_errors_that_say_where_runs_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: does not exist"):
        open_run(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: is not a run folder \(no \.hydra"):
        open_run(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        open_run(tmp_path / "file")
    for number in range(5):
        make_run(tmp_path / "sweep" / f"run-{number}")
    with pytest.raises(InputError, match="several runs, name one of them") as caught:
        open_run(tmp_path / "sweep")
    assert [n for n in range(5) if f"run-{n}" in str(caught.value)] == [2, 3, 4]


def test_checkpoints_are_best_or_last_and_have_to_be_there(tmp_path: Path) -> None:
    run = Run(make_run(tmp_path / "run"))
    with pytest.raises(InputError, match="checkpoint=newest: choose best or last"):
        run.checkpoint("newest")
    with pytest.raises(InputError, match=r"best\.ckpt: no such checkpoint"):
        run.checkpoint("best")
    (run.folder / "checkpoints").mkdir()
    path = saved(net(), run.folder / "checkpoints" / "last.ckpt")
    assert run.checkpoint("last") == path


def test_weights_are_loaded_as_they_were_saved(tmp_path: Path) -> None:
    path, other = saved(net(1), tmp_path / "a.ckpt"), net(2)
    load_weights(other, path)
    for ours, theirs in zip(other.parameters(), net(1).parameters(), strict=True):
        assert torch.equal(ours, theirs)


def unchanged(module: nn.Module, path: Path, message: str) -> None:
    """Loading is refused with this message, and the module stays as it was."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(InputError, match=message) as caught:
        load_weights(module, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    unchanged(net(), tmp_path / "gone.ckpt", "no such checkpoint")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    path = saved(net(), tmp_path / "cut.ckpt")
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    unchanged(net(), path, "not a checkpoint of this project, or damaged")


@pytest.mark.parametrize(
    "content", [3, [1], {}, {"weights": {}}, {"state_dict": 3}, {"state_dict": {"head.bias": 3}}]
)
def test_other_torch_files_are_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    unchanged(net(), tmp_path / "other.ckpt", "checkpoint")


class Evil:
    """Unpickled, it would leave a folder behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_execute_code_is_refused_and_does_not(tmp_path: Path) -> None:
    state = dict(net().state_dict())
    torch.save({"state_dict": state, "x": Evil(tmp_path / "harm")}, tmp_path / "evil.ckpt")
    unchanged(net(), tmp_path / "evil.ckpt", "not a checkpoint of this project, or damaged")
    assert not (tmp_path / "harm").exists()
    torch.load(tmp_path / "evil.ckpt", weights_only=False)  # it was armed
    assert (tmp_path / "harm").is_dir()


@pytest.mark.parametrize(
    ("options", "difference"),
    [
        ({"hidden": 6}, r"rnn\.weight_ih_l0 has shape \(24, 5\), here \(16, 5\)"),
        ({"layers": 2}, r"rnn\.bias_hh_l1 is not in this network \(4 in all\)"),
    ],
)
def test_a_checkpoint_of_another_network_names_the_first_difference(
    tmp_path: Path, options: dict[str, int], difference: str
) -> None:
    path = saved(net(**options), tmp_path / "other.ckpt")
    unchanged(net(), path, "a checkpoint of another network: " + difference)


def test_a_checkpoint_that_lacks_weights_names_the_first(tmp_path: Path) -> None:
    path = saved(net(), tmp_path / "small.ckpt")
    unchanged(net(layers=2), path, r"rnn\.bias_hh_l1 is missing \(4 in all\)")


def test_a_run_in_a_folder_of_others_which_may_only_be_read_is_at_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: FileLock, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "running.lock").touch()
    monkeypatch.setattr(FileLock, "acquire", closed)
    assert Run(tmp_path).state == STOPPED
