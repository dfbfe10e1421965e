"""Run folders of strangers and of bad disks: nothing in them runs, leaks or ends in a traceback."""

import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from PIL import Image

from dlcourse.cli import conf_path
from dlcourse.comparison.comparing import write_report
from dlcourse.comparison.status import status
from dlcourse.errors import InputError
from dlcourse.explaining import explain
from dlcourse.gallery import (
    AUDIO,
    IMAGE,
    MediaItem,
    Overlay,
    read_gallery,
    read_overlays,
    write_gallery,
    write_overlays,
)
from dlcourse.generating import generate
from dlcourse.ledgers import read_ledger
from dlcourse.metrics_file import read_metrics, read_times
from dlcourse.reproducing import reproduce
from dlcourse.runs import Run
from dlcourse.training import train
from tests.composing import composed, saved
from tests.reliability import Trials
from tests.trust.mutating import mutated

NOTES = [".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra/hydra.yaml"]
LEFT = ["results.json", "outcome.json", "metrics.csv", "times.csv", "corpus.csv"]
LEFT += ["provenance.json", "gallery.json", "overlays.json", "config.yaml"]


@pytest.fixture(scope="module", autouse=True)
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A user's key of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run that is done, with everything a run may leave."""
    folder = tmp_path_factory.mktemp("made") / "run"
    train(saved(composed(folder)))
    (folder / ".hydra" / "overrides.yaml").write_text("- seed=0\n- loss=focal\n")
    hydra = "hydra:\n  runtime:\n    choices:\n      loss: focal\n      net: lstm\n"
    (folder / ".hydra" / "hydra.yaml").write_text(hydra)
    Image.new("L", (8, 8), 99).save(folder / "map.png")
    write_gallery(folder, [MediaItem(IMAGE, "patient 1", "a map", "map.png")])
    write_overlays(folder, {"ROC": Overlay([0.0, 0.5, 1.0], [0.0, 0.8, 1.0], "FPR", "TPR")})
    return folder


def copied(made: Path, tmp_path: Path, name: str = "run") -> Path:
    return Path(shutil.copytree(made, tmp_path / name))


def told(call: Callable[[], Any]) -> str:
    """The mistake that a call ends in, if it does; nothing else may be raised."""
    try:
        call()
    except InputError as error:
        return str(error)
    return ""


def looked_at(folder: Path) -> None:
    """Everything that only looks at a run; mistakes are one line."""
    run = Run(folder)
    for name in ("config", "overrides", "choices", "state", "error", "results", "outcome"):
        said = told(partial(getattr, run, name))
        assert "\n" not in said
        assert len(said) < 1000


ODD = (None, True, -1, 0, 1e308, float("nan"), 10**400, "", "<script>", "../../x", [], {}, [[]])


def altered(value: Any, rng: np.random.Generator) -> Any:
    """The same JSON with something else in one place."""
    if not isinstance(value, (dict, list)) or not value or rng.random() < 0.15:
        return ODD[rng.integers(len(ODD))]
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = keys[rng.integers(len(keys))]
    changed = value.copy()
    if rng.random() < 0.1:
        del changed[key]
    else:
        changed[key] = altered(value[key], rng)
    return changed


def spoilt(path: Path, rng: np.random.Generator) -> bytes:
    """A file with bits or, of JSON, values that are not what they were."""
    content = path.read_bytes()
    if path.suffix != ".json" or rng.random() < 0.3:
        return mutated(content, rng)
    return json.dumps(altered(json.loads(content), rng)).encode()


def test_mutated_files_of_a_run_are_a_complaint_and_no_traceback(
    made: Path, tmp_path: Path, trials: Trials
) -> None:
    rng = np.random.default_rng(0)
    sound = copied(made, tmp_path, "sound")
    names = NOTES + LEFT
    for number in range(trials("mutated run folders, compared", usual=50, nightly=500)):
        folder = copied(made, tmp_path)
        path = folder / names[number % len(names)]
        path.write_bytes(spoilt(path, rng))
        looked_at(folder)
        comparison, _ = write_report([folder, sound], output=tmp_path / "report")
        assert comparison.records[1].metrics, "the other run is as it was"
        shutil.rmtree(folder)


def script(name: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return compose(name, [*overrides])


def commands(folder: Path) -> dict[str, Callable[[], Any]]:
    """All that make something of a run's config."""
    return {
        "generate": lambda: generate(script("generate", f"run={folder}", "songs=1", "bars=1")),
        "explain": lambda: explain(script("explain", f"run={folder}")),
        "resume": lambda: train(script("train", f"resume={folder}")),
        "reproduce": lambda: reproduce(folder),
    }


@pytest.mark.parametrize("name", ["generate", "explain", "resume", "reproduce"])
def test_no_command_runs_what_a_stranger_names(made: Path, tmp_path: Path, name: str) -> None:
    folder = copied(made, tmp_path)
    path = folder / ".hydra" / "config.yaml"
    sign = tmp_path / "ran"
    text = path.read_text()
    assert not text.startswith("evil")
    evil = f"evil:\n  _target_: os.mkdir\n  path: {sign}\n"
    path.write_text(evil + text.replace("dlcourse.music.lstm.NoteLSTM", "submission.evil.Net"))
    assert "evil._target_=os.mkdir" in told(commands(folder)[name])
    path.write_text(text.replace("dlcourse.music.lstm.NoteLSTM", "submission.evil.Net"))
    assert "net._target_=submission.evil.Net" in told(commands(folder)[name])
    assert not sign.exists()


def test_a_run_with_foreign_code_can_be_compared_without_running_it(
    made: Path, tmp_path: Path
) -> None:
    folder = copied(made, tmp_path)
    path = folder / ".hydra" / "config.yaml"
    path.write_text(path.read_text().replace("dlcourse.music.lstm.NoteLSTM", "evil.Net"))
    comparison, _ = write_report([folder, made], output=tmp_path / "report")
    assert [record.state for record in comparison.records] == ["done", "done"]
    assert "net._target_" in comparison.varying
    assert status([folder])[1] == 0


def test_secrets_of_the_environment_reach_no_page(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    folder = copied(made, tmp_path)
    (folder / ".hydra" / "overrides.yaml").write_text("- seed=1\n- ${oc.env:SECRET}\n")
    choices = "hydra: {runtime: {choices: {loss: '${oc.env:SECRET}'}}}\n"
    (folder / ".hydra" / "hydra.yaml").write_text(choices)
    path = folder / ".hydra" / "config.yaml"
    path.write_text(path.read_text() + "mine: ${oc.env:SECRET}\n")
    for name in ("results.json", "provenance.json", "gallery.json", "config.yaml"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("map.png", "${oc.env:SECRET}"))
    write_report([folder, made], output=tmp_path / "report")
    written = [p for p in (tmp_path / "report").iterdir() if b"hunter2" in p.read_bytes()]
    assert not written
    assert all("hunter2" not in told(call) for call in commands(folder).values())


def shown(folder: Path, file: str, out: Path, *, kind: str = IMAGE) -> str:
    write_gallery(folder, [MediaItem(kind, "patient 1", "a map", file)])
    write_report([folder], output=out)
    return (out / "report.html").read_text()


def test_no_file_from_elsewhere_gets_on_a_page(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    Image.new("L", (8, 8), 12).save(tmp_path / "secret.png")
    Image.new("L", (8, 8), 12).save(folder / "own.png")
    inside = shown(folder, "own.png", tmp_path / "page")
    picture = re.search(r"data:image/png;base64,[^\"]+", inside)
    assert picture
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "folder").symlink_to(tmp_path)
    away = ["../secret.png", str(tmp_path / "secret.png"), "link.png", "folder/secret.png"]
    for file in [*away, f"../{folder.name}/../secret.png"]:
        page = shown(folder, file, tmp_path / "page")
        assert picture[0] not in page
        assert "outside of the run folder" in page


def test_what_is_no_picture_is_missing_or_damaged(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    os.mkfifo(folder / "pipe.png")  # who opens it waits for ever
    (folder / "circle.png").symlink_to(folder / "circle.png")
    Image.new("L", (8, 8)).save(folder / "program.eps")  # Pillow has Ghostscript run it
    (folder / "program.eps").rename(folder / "program.png")
    header = (folder / "map.png").read_bytes()
    (folder / "giant.png").write_bytes(giant(header))
    said = {"pipe.png": "missing", "circle.png": "missing", "program.png": "damaged"}
    said |= {"giant.png": "too large", "": "missing", "a\0b": "missing", "x" * 5000: "missing"}
    for file, why in said.items():
        for kind in (IMAGE, AUDIO):
            page = shown(folder, file, tmp_path / "page", kind=kind)
            assert (why if kind == IMAGE else "is ") in page, file


def giant(png: bytes) -> bytes:
    """The same picture with millions of pixels in its header."""
    header = b"IHDR" + (64_000).to_bytes(4, "big") + (1_000).to_bytes(4, "big") + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4, "big") + png[33:]


def test_a_lock_that_stands_for_another_file_is_left_alone(made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    (tmp_path / "thesis").write_text("everything")
    (folder / "running.lock").unlink(missing_ok=True)
    (folder / "running.lock").symlink_to(tmp_path / "thesis")
    assert Run(folder).state == "done"
    assert (tmp_path / "thesis").read_text() == "everything"


BROKEN = ["{", "[" * 10**5, '{"a": ' * 10**4, "3", '"x"', "null", "0", "\0", "1" * 5000]


@pytest.mark.parametrize("name", ["results.json", "outcome.json", "gallery.json", "overlays.json"])
def test_broken_json_is_told_in_one_line(made: Path, tmp_path: Path, name: str) -> None:
    folder = copied(made, tmp_path)
    for text in BROKEN:
        (folder / name).write_text(text)
        looked_at(folder)
        read = {"gallery.json": read_gallery, "overlays.json": read_overlays}.get(name)
        if read:
            assert "damaged" in told(partial(read, folder)), text
        comparison, _ = write_report([folder], output=tmp_path / "report")
        assert name in str(comparison.records[0].error)


TABLES = ["step\n1,2,3\n", "x\n1\n", "step,a\nx,1\n", f"step,a\n{'9' * 99},1\n", "step,a\n-1,1\n"]
TABLES += ["step,a\n1,x\n", "step,a\n\0,1\n", f"step,a\n1,{'x' * 200_000}\n", "step,a\n,\n"]


@pytest.mark.parametrize("read", [read_metrics, read_times, read_ledger])
def test_broken_tables_are_told_in_one_line(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    for text in TABLES:
        (tmp_path / "table.csv").write_text(text)
        said = told(partial(read, tmp_path / "table.csv"))
        assert "table.csv: damaged" in said, text
        assert "\n" not in said
    (tmp_path / "table.csv").write_bytes(b"step,file,kept\n\xff\n")
    assert "damaged" in told(partial(read, tmp_path / "table.csv"))
