"""Configs of strangers' run folders: they run, read and write nothing that nobody asked for."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from dlcourse import training
from dlcourse.cli import Job
from dlcourse.errors import InputError
from dlcourse.own_code import find
from dlcourse.runs import Run
from dlcourse.training import make, train
from dlcourse.trust.signature import is_signed, sign
from dlcourse.trust.targets import is_known, known_targets
from tests.composing import composed, saved
from tests.reliability import Trials
from tests.trust.bounds import refused

# What must never be called because a run folder says so; `submission.evil` lies beside it.
EVIL = """
os.system os.popen os.remove posix.system subprocess.Popen subprocess.call subprocess.check_output
builtins.eval builtins.exec builtins.open builtins.__import__ builtins.getattr eval exec
importlib.import_module importlib.reload runpy.run_path runpy.run_module shutil.rmtree pty.spawn
pickle.loads pickle.load marshal.loads code.interact webbrowser.open ctypes.CDLL timeit.timeit
pathlib.Path.unlink yaml.unsafe_load numpy.load numpy.fromfile pandas.read_pickle joblib.load
hydra.utils.instantiate hydra.utils.call hydra.utils.get_method hydra.utils.get_class
omegaconf.OmegaConf.load omegaconf.OmegaConf.register_new_resolver torch.load torch.save
torch.hub.load torch.hub.load_state_dict_from_url torch.compile torch.jit.load
torch.utils.cpp_extension.load torch.utils.cpp_extension.load_inline torch.serialization.load
torch.nn.Module torch.nn.Linear torch.optim.Optimizer.load_state_dict torch.optim.os.system
torch.optim.lr_scheduler.warnings.warn torch.nn.functional.torch.load torch._C._load_for_lite
torchvision.transforms.v2.functional.torch.load torchvision.models.get_model timm.create_model
lightning.pytorch.Trainer.fit lightning.pytorch.loggers.MLFlowLogger
lightning.pytorch.cli.LightningCLI lightning.pytorch.LightningModule.load_from_checkpoint
lightning.fabric.utilities.cloud_io._load dlcourse.own_code.find
dlcourse.own_code.importlib.import_module dlcourse.training.make dlcourse.training.train
dlcourse.files.shutil.rmtree dlcourse.files.os.system dlcourse.xray.unpacking.os.system
dlcourse.provenance.subprocess.run dlcourse.losses.torch.load dlcourse..os.system .os.system
os..system os.system. dlcourse.losses dlcourse.losses.FocalLoss.__init__
dlcourse.losses.FocalLoss.__init__.__globals__ dlcourse.losses.focalLoss
dlcourse.losses.FocalLoss. submission.evil.Net submission.evil evil.Net __main__.main sys.exit
""".split()  # noqa: SIM905
EVIL += ["оs.system", "os․system", "dlcourse․losses.FocalLoss", "ｏs.system", "os\u200b.system"]
EVIL += [
    "os.system ",
    " os.system",
    "os .system",
    "os.system\n",
    "dlcourse.losses.FocalLoss ",
    "",
    ".",
]
EVIL += ["${target}", "${oc.env:TARGET}", "${oc.decode:target}", "os.${name}", "${.a}${.b}", "???"]
STRANGE: list[Any] = [*EVIL, None, 3, True, ["os.system"], {"a": "os.system"}, 1.5]


@pytest.fixture(autouse=True)
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's key of its own, and nobody who is trusted."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DLCOURSE_TRUST", raising=False)


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that a stranger's module would leave behind; it lies where one works."""
    sign = tmp_path / "ran"
    (tmp_path / "submission").mkdir()
    for name in ("submission/evil.py", "evil.py", "submission/__init__.py"):
        (tmp_path / name).write_text(f"open({str(sign)!r}, 'w').close()\ndef Net(*_): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Job(lambda config: None)(None)  # as every script does
    yield sign
    for name in ("submission.evil", "submission", "evil"):
        sys.modules.pop(name, None)


def run_of(folder: Path, config: dict[str, Any] | str) -> Run:
    path = folder / ".hydra" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config if isinstance(config, str) else json.dumps(config))  # JSON is YAML
    return Run(folder)


def refusal(run: Run) -> str:
    with pytest.raises(InputError, match=r"config\.yaml") as error:
        _ = run.config
    assert "\n" not in str(error.value)
    return str(error.value)


def test_no_target_is_run_because_a_folder_says_so(
    tmp_path: Path, beside: Path, trials: Trials
) -> None:
    trials("targets that a run folder must not name", usual=len(STRANGE), nightly=len(STRANGE))
    for evil in STRANGE:
        node = {"_target_": evil, "path": "x"}
        for config in (
            {"net": node},
            {"net": {"_target_": "torch.nn.Identity", "a": {"b": [{"c": [node]}]}}},
            {"net": "${spare}", "spare": node},
            {"callbacks": [[node]]},
        ):
            said = refusal(run_of(tmp_path / "run", config))
            assert "_target_" in said or "damaged" in said, evil
    assert not beside.exists()
    assert callable(find("submission.evil.Net", option="net"))
    assert beside.exists(), "it was armed"


@pytest.mark.parametrize("key", ["_args_", "_convert_", "_recursive_", "__class__"])
def test_other_words_of_hydra_are_refused(tmp_path: Path, key: str) -> None:
    config = {"loss": {"_target_": "dlcourse.losses.FocalLoss", key: ["x"]}}
    assert f"loss.{key}=x" in refusal(run_of(tmp_path / "run", config))


@pytest.mark.parametrize("place", ["cam", "task.cam", "task.deeper.cam"])
@pytest.mark.parametrize("name", ["submission.evil.Net", "os.system", "${spare}", "${cam}x", ["x"]])
def test_maps_are_code_too(tmp_path: Path, beside: Path, place: str, name: Any) -> None:
    config = OmegaConf.create({"spare": "submission.evil.Net", "task": {"deeper": {}}})
    OmegaConf.update(config, place, name, force_add=True)
    raw = OmegaConf.to_container(config, resolve=False)
    assert f"{place}=" in refusal(run_of(tmp_path / "run", raw))
    assert not beside.exists()


def test_what_conf_names_and_a_few_families_are_known() -> None:
    assert len(known_targets()) > 60
    names = ["torch.optim.Adamax", "torch.nn.HuberLoss", "torch.optim.lr_scheduler.StepLR"]
    names += ["torchvision.transforms.v2.GaussianBlur", "dlcourse.callbacks.SafeStop"]
    names += ["torchmetrics.classification.BinaryAUROC"]
    for name in names:
        assert is_known(name), name


@pytest.mark.parametrize(
    "options",
    [
        ["logger=wandb", "trainer=ddp", "callbacks=music_averaged"],
        ["experiment=music_polyphonic", "augment=transpose", "logger=tensorboard"],
        ["experiment=xray_small", "net=densenet121"],
        ["experiment=jsb_joint", "data.root=/data/of/another/machine"],
    ],
)
def test_an_unsigned_run_of_this_project_is_as_it_was(tmp_path: Path, options: list[str]) -> None:
    config = composed(tmp_path / "elsewhere" / "run", "data_dir=data", *options, quick=False)
    saved(config)
    (tmp_path / "elsewhere").rename(tmp_path / "here")
    again = Run(tmp_path / "here" / "run").config
    assert again.folder == str(tmp_path / "here" / "run")
    assert OmegaConf.to_container(again.net) == OmegaConf.to_container(config.net)
    assert make(again.optimizer).func


OWN = {"net": {"_target_": "evil.Net", "hidden": 3}, "folder": "x", "data_dir": "/scratch/.me"}


def test_ones_own_runs_are_taken_at_their_word_wherever_they_lie(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", OWN)
    sign(run.folder, run.noted_config)
    assert run.config.net._target_ == "evil.Net"
    moved = Run(run.folder.rename(tmp_path / "moved"))
    assert moved.config.folder == str(tmp_path / "moved")


def test_a_signature_is_of_one_config_and_one_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path / "run", OWN)
    sign(run.folder, run.noted_config)
    for changed in (OWN | {"more": 1}, OWN | {"net": {"_target_": "evil.Nest", "hidden": 3}}):
        assert "not made by you" in refusal(run_of(run.folder, changed))
    run_of(run.folder, OWN)
    assert is_signed(run.folder, run.noted_config)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "somebody else"))
    assert "not made by you" in refusal(run)
    sign(tmp_path / "other", OWN)  # somebody else has a key, too
    assert "not made by you" in refusal(run)
    (run.folder / ".hydra" / "signature").write_bytes(b"\xff" * 64)
    assert "not made by you" in refusal(run)


def test_a_run_is_signed_before_anything_can_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(config: DictConfig) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "build", killed)
    for folder in ("begun", "gone on"):
        config = saved(composed(tmp_path / folder))
        if folder == "gone on":  # it stays whose it was
            config.resume = config.folder
        with pytest.raises(KeyboardInterrupt):
            train(config)
        run = Run(tmp_path / folder)
        assert is_signed(run.folder, run.noted_config) == (folder == "begun")


@pytest.mark.parametrize("content", [b"", b"short"])
def test_a_damaged_key_signs_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "home" / "dlcourse" / "key"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    run = run_of(tmp_path / "run", OWN)
    sign(run.folder, run.noted_config)
    assert "not made by you" in refusal(run)


def test_without_a_place_for_a_key_nothing_is_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    run = run_of(tmp_path / "run", OWN)
    sign(run.folder, run.noted_config)
    assert "not made by you" in refusal(run)


def test_eight_at_once_have_one_key_that_only_the_user_reads(tmp_path: Path) -> None:
    folders = [tmp_path / f"run-{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda folder: sign(folder, OWN), folders))
    assert all(is_signed(folder, OWN) for folder in folders)
    path = tmp_path / "home" / "dlcourse" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["key"]


def test_who_has_read_the_code_of_another_may_name_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path / "run", {"net": {"_target_": "submission.evil.Net"}})
    assert "put DLCOURSE_TRUST=submission.evil before the command" in refusal(run)
    for word in ("sub", "submission.evi", "evil", "Net", ",", " ", "*", "submission.evil.Net.x"):
        monkeypatch.setenv("DLCOURSE_TRUST", word)
        refusal(run)
    for word in ("submission", "other, submission.evil", "submission.evil.Net"):
        monkeypatch.setenv("DLCOURSE_TRUST", word)
        assert run.config.net._target_ == "submission.evil.Net"
    for name in ("os.system", "torch.load", "dlcourse.own_code.find"):
        said = refusal(run_of(tmp_path / "other", {"net": {"_target_": name}}))
        assert "do not use this folder" in said


READS = ["${oc.env:SECRET}", "${oc.env:SECRET,x}", "${ oc.env:SECRET}", "${oc.env:${name}}"]
READS += ["a${oc.env:SECRET}", "${${name}:SECRET}", "${oc.${name}:SECRET}", "${oc.decode:'${x}'}"]
READS += ["${hydra:runtime.cwd}", "${oc.create:{a: 1}}", "${oc.env:WANDB_MODE,${oc.env:SECRET}}"]
READS += ["${sweep_folder:a,b,c}", "\\${oc.env:SECRET}", "${unfinished", "${oc.env:wandb_mode}"]


@pytest.mark.parametrize("text", READS)
def test_nothing_is_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    for config in ({"seed": text}, {"a": {"b": [text]}}, {"data_dir": text}):
        said = refusal(run_of(tmp_path / "run", config))
        assert "hunter2" not in said


BOMBS = {
    "laughs": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ),
    "an alias of itself": "a: &a\n  b: *a\n",
    "merged": "a: &a {x: 1}\nb:\n  <<: *a\n",
    "interpolated": "".join(f"k{n}: '${{k{n + 1}}}${{k{n + 1}}}'\n" for n in range(60))
    + "k60: x\n",
    "interpolated nodes": "".join(
        f"k{n}: {{a: '${{k{n + 1}}}', b: '${{k{n + 1}}}'}}\n" for n in range(60)
    )
    + "k60: x\n",
    "relative": "a: {b: '${..a}'}\n",
    "in a circle": "a: '${b}'\nb: '${a}'\n",
    "of itself by dict.values": "callbacks: {a: '${oc.dict.values:callbacks}'}\n",
    "a million keys": "".join(f"k{n}: 1\n" for n in range(10**6)),
    "deep": "a: " + "[" * 10**5,
    "deep and closed": "a: " + "[" * 2000 + "]" * 2000,
    "long": "a: " + "x" * 10**7,
    "an object": "a: !!python/object/apply:os.system ['true']\n",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_config_that_grows_is_refused_in_bounds(tmp_path: Path, kind: str) -> None:
    run = run_of(tmp_path / "run", BOMBS[kind])
    said = refused(lambda: run.config, megabytes=300, seconds=10)
    assert said is not None
    assert "config.yaml" in said
    assert len(said) < 500


@pytest.mark.parametrize("mode", ["online", "shared", None, "${other}", "${oc.env:MODE,online}"])
def test_nothing_is_sent_away(tmp_path: Path, mode: str | None) -> None:
    config = {"folder": "x", "other": "online", "logger": {"wandb": {"entity": "me", "mode": mode}}}
    assert "logger.wandb.mode=" in refusal(run_of(tmp_path / "run", config))
    for silent in ("offline", "disabled", "${oc.env:WANDB_MODE,offline}"):
        config["logger"] = {"wandb": {"mode": silent}}
        assert run_of(tmp_path / "run", config).config


AWAY = ["/home/me/.ssh", "../other", "a/../../b", "~/x", "s3://bucket", "file:///x", "..", "..\\x"]
WRITTEN = ["data_dir", "callbacks.last.dirpath", "callbacks.last.filename", "logger.csv.folder"]
WRITTEN += ["trainer.default_root_dir", "logger.x.save_dir", "anything.new"]


@pytest.mark.parametrize("key", WRITTEN)
def test_nothing_is_written_outside_of_the_run_folder(tmp_path: Path, key: str) -> None:
    for value in [
        *AWAY,
        "${dot}${dot}/x",
        "${folder}/../x",
        *(["/home/me"] if key != "data_dir" else []),
    ]:
        config = OmegaConf.create({"folder": "x", "dot": "."})
        OmegaConf.update(config, key, value, force_add=True)
        raw = OmegaConf.to_container(config, resolve=False)
        assert f"{key}=" in refusal(run_of(tmp_path / "run", raw)), value
    for value in ("${folder}", "${folder}/checkpoints", "data", "last", None):
        config = OmegaConf.create({"folder": "x"})
        OmegaConf.update(config, key, value, force_add=True)
        assert run_of(tmp_path / "run", OmegaConf.to_container(config, resolve=False)).config


@pytest.mark.parametrize("place", ["checkpoints", "explained", "checkpoints/deeper", "metrics.csv"])
def test_a_link_out_of_the_run_folder_is_refused(tmp_path: Path, place: str) -> None:
    run = run_of(tmp_path / "run", {"seed": 0})
    link = run.folder / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path)
    assert f"{place}: a link out of the run folder" in refusal(run)
    link.unlink()
    link.symlink_to(run.folder / ".hydra")
    assert run.config.seed == 0


def test_options_of_hydra_are_no_overrides(tmp_path: Path, beside: Path) -> None:
    """Composed again, they import: hydra.searchpath=[pkg://submission] does."""
    run = run_of(tmp_path / "run", {"seed": 0})
    path = run.folder / ".hydra" / "overrides.yaml"
    for evil in ("hydra.searchpath=[pkg://submission]", "+hydra/launcher=x", "++hydra.run.dir=/"):
        path.write_text(f"- seed=1\n- '{evil}'\n")
        with pytest.raises(InputError, match=r"overrides\.yaml: damaged: holds"):
            _ = run.overrides
    path.write_text("- seed=1\n")
    assert run.overrides == ["seed=1"]
    code = "from hydra import *; initialize_config_dir('/'); compose(overrides=['{}'])"
    evil = "hydra.searchpath=[pkg://submission]"
    subprocess.run([sys.executable, "-c", code.format(evil)], capture_output=True, check=False)
    assert beside.exists(), "it was armed"


def test_what_was_typed_and_chosen_is_not_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    run = run_of(tmp_path / "run", {"seed": 0})
    (run.folder / ".hydra" / "overrides.yaml").write_text("- ${oc.env:SECRET}\n")
    choices = "hydra:\n  runtime:\n    choices: {loss: '${oc.env:SECRET}'}\n"
    (run.folder / ".hydra" / "hydra.yaml").write_text(choices)
    assert run.overrides == ["${oc.env:SECRET}"]
    assert run.choices == {"loss": "${oc.env:SECRET}"}
    assert os.environ["SECRET"] not in str(run.noted_config)
