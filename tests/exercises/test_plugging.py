"""A student's own network in the training of songs."""

import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlcourse.cli import Job
from dlcourse.errors import InputError
from dlcourse.music.generation import choose_primers, new_songs
from dlcourse.music.own_net import OwnNet, made_net
from dlcourse.music.sampling import Sampler
from dlcourse.own_code import find
from dlcourse.runs import open_run
from dlcourse.training import check_own_code, rebuild, train
from tests.composing import QUICK, composed, saved

F, K = 7, 4
STUDENTS = [o for o in QUICK if not o.startswith("net.")] + ["net=student", "+net.hidden=8"]
Plug = Callable[[str], str]


class EveryStep(nn.Module):
    """Logits of every step, and the state, as recurrent layers give both."""

    def __init__(self, num_features: int, num_classes: int, hidden: int = 8) -> None:
        super().__init__()
        self.lstm = nn.LSTM(num_features, hidden, batch_first=True)
        self.out = nn.Linear(hidden, num_classes)

    def forward(self, inputs: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, state = self.lstm(inputs)
        return self.out(hidden), state


class LastStep(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.out(self.lstm(inputs)[0][:, -1])


class LastSong(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.out(self.lstm(inputs)[0][-1])


class StepsFirst(EveryStep):
    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__(num_features, num_classes)
        self.lstm = nn.LSTM(num_features, 8)


class BothWays(EveryStep):
    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__(num_features, num_classes)
        self.lstm = nn.LSTM(num_features, 4, bidirectional=True, batch_first=True)


class NoLayer(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        return self.lstm(inputs)[0]


class Unfinished(EveryStep):
    def forward(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError


class NoModule:
    def __init__(self, *sizes: int) -> None:
        pass


def plugged(own: type, *, supervise: str = "every", **options: int) -> nn.Module:
    return made_net(partial(own, **options), F, K, supervise=supervise)


@pytest.mark.parametrize("own", [EveryStep, LastStep])
def test_frame_by_frame_it_says_what_it_says_of_all_at_once(own: type) -> None:
    net = plugged(own, supervise="last").eval()
    assert isinstance(net, OwnNet)
    inputs = torch.randn(3, 6, F, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, state, said = net(inputs)[0], None, []
        for part in (inputs[:, :1], inputs[:, 1:4], inputs[:, 4:]):
            logits, state = net(part, state)
            said.append(logits)
    torch.testing.assert_close(torch.cat(said, 1)[:, -expected.shape[1] :], expected)


def test_a_network_with_the_methods_of_ours_is_taken_as_it_is() -> None:
    class Whole(EveryStep):
        forward_features = forward_head = nn.Module.forward

    assert type(plugged(Whole)) is Whole


def test_options_of_the_network_it_replaces_are_left_out_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    net = plugged(EveryStep, hidden=3, cell="lstm", dropout=0.5)
    assert net.network.lstm.hidden_size == 3
    assert "takes no cell, dropout" in caplog.text


def test_the_look_at_it_leaves_mode_and_random_numbers_as_they_were() -> None:
    torch.manual_seed(0)
    EveryStep(F, K)
    expected = torch.rand(1)
    torch.manual_seed(0)
    net = plugged(EveryStep)
    assert torch.equal(torch.rand(1), expected)
    assert net.training
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize(
    ("own", "options", "message"),
    [
        (LastStep, {}, r"of the last step: add task\.supervise=last"),
        (LastSong, {}, r"gave \(5, 4\): it has to be \(N, K\) = \(2, 4\)"),
        (NoLayer, {}, r"gave \(2, 5, 8\)"),
        (StepsFirst, {}, r"other songs of the batch.*batch_first=True"),
        (BothWays, {}, "depend on later steps"),
        (Unfinished, {}, r"forward of inputs.*: test_plugging.py, line \d+: NotImplementedError$"),
        (NoModule, {}, "makes a NoModule: it has to be a torch.nn.Module"),
        (EveryStep, {"hiden": 3}, "no option hiden; it takes num_features, num_classes, hidden"),
        (EveryStep, {"hidden": -3}, r"made from 7, 4: test_plugging.py, line \d+: .*Error"),
    ],
)
def test_what_it_lacks_is_one_clear_line(own: type, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        plugged(own, **options)
    assert str(error.value).startswith(f"net._target_={own.__module__}.{own.__qualname__}")
    assert "\n" not in str(error.value)


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plug:
    """Write a module into the folder where one works; gives its name."""
    names: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Job(lambda config: None)(None)  # as every script does

    def write(text: str) -> str:
        names.append(f"lab_of_{tmp_path.name}_{len(names)}")
        (tmp_path / f"{names[-1]}.py").write_text(text)
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_a_name_is_found_in_the_folder_where_one_works(plug: Plug) -> None:
    name = plug("def answer():\n    return 42\n")
    assert find(f"{name}.answer", option="cam")() == 42


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("def f(:\n", "f", r"\.py, line 1: "),
        ("x = 1\nimport no_such_package\n", "f", r"\.py, line 2: ModuleNotFoundError: .*no_such"),
        ("import sys\nsys.exit(3)\n", "f", r"\.py, line 2: SystemExit: 3"),
        ("class Right:\n    pass\n", "Wrong", "there is none in .*; it defines Right"),
        ("f = 3\n", "f", "no function or class"),
    ],
)
def test_why_a_name_is_not_found_is_one_clear_line(
    plug: Plug, text: str, name: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        find(f"{plug(text)}.{name}", option="cam")
    assert "\n" not in str(error.value)


def test_a_module_that_is_not_there_says_where_it_was_looked_for(plug: Plug) -> None:
    where = re.escape(str(Path.cwd()))
    with pytest.raises(InputError, match=f"cam=nowhere.f: no module nowhere in {where}"):
        find("nowhere.f", option="cam")
    with pytest.raises(InputError, match="of which file"):
        find("f", option="cam")


def test_it_is_looked_for_before_data_are_read(tmp_path: Path) -> None:
    for override, message in [
        ("net._target_=nowhere.Net", "no module nowhere"),
        ("cam=nowhere.f", "maps are of radiographs"),
    ]:
        with pytest.raises(InputError, match=message):
            check_own_code(composed(tmp_path / "run", override))
    with pytest.raises(InputError, match="it is your own, name it: such as"):
        check_own_code(composed(tmp_path / "run", *STUDENTS, quick=False))


@pytest.mark.parametrize("supervise", ["every", "last"])
def test_it_trains_and_new_songs_come_from_its_run_folder(tmp_path: Path, supervise: str) -> None:
    own = {"every": EveryStep, "last": LastStep}[supervise]
    named = f"net._target_={own.__module__}.{own.__name__}"
    config = composed(
        tmp_path / "run", *STUDENTS, named, f"task.supervise={supervise}", quick=False
    )
    train(saved(config))
    run = open_run(tmp_path / "run")
    assert json.loads((run.folder / "results.json").read_text())["test"]["model"]
    predictor = rebuild(run, checkpoint="best")
    assert predictor.net.network.lstm.hidden_size == 8
    primers = choose_primers("nothing", [], predictor.encoding, songs=2, seed=0)
    how = {"primer_steps": 0, "steps": 12, "sampler": Sampler(temperature=1.0)}
    songs = [new_songs(predictor, primers, seed=seed, **how) for seed in (0, 0, 1)]
    notes = [[song.song.tracks[0].notes for song in drawn] for drawn in songs]
    assert all(map(np.array_equal, notes[0], notes[1]))
    assert not all(map(np.array_equal, notes[0], notes[2]))
